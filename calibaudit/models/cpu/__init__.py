"""A network on the processor: how many threads it takes, and how they wait for each other."""
