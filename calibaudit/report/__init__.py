"""A result as a page for a person (terminal) or a file for a program (JSON)."""
