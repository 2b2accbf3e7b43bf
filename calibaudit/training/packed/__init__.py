"""Short rows that share a line of a batch, and see nothing of each other."""
