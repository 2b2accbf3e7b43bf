"""Files read and written, and foreign text made visible."""
