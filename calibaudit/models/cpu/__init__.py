"""A network on the processor: how its threads wait for each other."""
