"""Codes that published rules compute."""
