"""What the task `arithmetic` is made of; docs/tasks/arithmetic.md is its data card."""
