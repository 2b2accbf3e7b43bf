"""The repairs that could serve: what each would give on these items, in which order, and which is advised."""
