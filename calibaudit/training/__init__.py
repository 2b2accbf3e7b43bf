"""Tuning with a smoothed loss."""
