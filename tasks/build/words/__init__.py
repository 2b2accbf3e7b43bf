"""What the task `words` is made of; docs/tasks/words.md is its data card."""
