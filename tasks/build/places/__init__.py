"""What the task `places` is made of; docs/tasks/places.md is its data card."""
