"""Kinds of levels 9 and 10: many dependent steps."""
