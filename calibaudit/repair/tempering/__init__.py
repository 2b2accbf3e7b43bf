"""A temperature in a checkpoint: where it goes, which serves, how it is written, what it leaves unchanged."""
