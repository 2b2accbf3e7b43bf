"""The tasks of levels 6 to 10, a folder a task."""
