"""The same sentences on every page."""
