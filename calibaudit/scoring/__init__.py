"""A model and a task to scores."""
