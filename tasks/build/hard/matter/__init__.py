"""What the task `matter` is made of; docs/tasks/matter.md is its data card."""
