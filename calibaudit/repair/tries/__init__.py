"""One way of repairing a file: what it makes, and how it chooses its one number."""
