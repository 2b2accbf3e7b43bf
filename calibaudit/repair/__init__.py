"""A repair from its rows to its verdict."""
