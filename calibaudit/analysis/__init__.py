"""Scores to findings: the audit of one model, the comparison of two."""
