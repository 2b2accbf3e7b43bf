"""What the task `cities` is made of; docs/tasks/cities.md is its data card."""
