"""What the task `programs` is made of; docs/tasks/programs.md is its data card."""
