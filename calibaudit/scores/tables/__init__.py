"""Plain tables of options' numbers: read, understood, made scores."""
