"""What the task `registries` is made of; docs/tasks/registries.md is its data card."""
