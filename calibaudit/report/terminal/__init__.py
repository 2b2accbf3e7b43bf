"""Results as a page in a terminal."""
