"""Exact work on points and maps that the question gives."""
