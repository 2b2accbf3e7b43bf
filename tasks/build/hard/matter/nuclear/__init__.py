"""Nuclides, their masses and decays."""
