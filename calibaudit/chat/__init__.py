"""A conversation, the text that a chat template makes of it, and where in that text the model answers."""
