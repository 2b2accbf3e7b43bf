"""Settings files: found, read, written, shown."""
