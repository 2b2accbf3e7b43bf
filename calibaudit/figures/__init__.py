"""Diagrams drawn with matplotlib, from numbers alone."""
