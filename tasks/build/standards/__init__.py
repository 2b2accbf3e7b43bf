"""What the task `standards` is made of; docs/tasks/standards.md is its data card."""
