"""What the task `dates` is made of; docs/tasks/dates.md is its data card."""
