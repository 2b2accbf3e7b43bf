"""What the task `elements` is made of; docs/tasks/elements.md is its data card."""
