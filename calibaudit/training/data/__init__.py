"""Tuning data: sources, rows, chat templates, token ids and labels."""
