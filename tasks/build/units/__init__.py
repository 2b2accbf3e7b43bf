"""What the task `units` is made of; docs/tasks/units.md is its data card."""
