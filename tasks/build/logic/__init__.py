"""What the task `logic` is made of; docs/tasks/logic.md is its data card."""
