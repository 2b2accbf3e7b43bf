"""Estimates with intervals and p-values, and what they are made of."""
