"""What the task `reading` is made of; docs/tasks/reading.md is its data card."""
