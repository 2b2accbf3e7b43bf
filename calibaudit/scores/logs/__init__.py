"""Logs and tables of others to scores: one module a format."""
