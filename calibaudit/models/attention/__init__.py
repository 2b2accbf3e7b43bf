"""Attention of many rows in one, without padding and without a mask."""
