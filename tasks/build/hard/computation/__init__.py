"""What the task `computation` is made of; docs/tasks/computation.md is its data card."""
