"""Auditing a network while somebody trains it."""
