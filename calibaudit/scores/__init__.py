"""Scores as data: their files, the committed baseline, other harnesses' logs, and which of them belong together."""
