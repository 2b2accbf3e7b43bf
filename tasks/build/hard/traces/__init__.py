"""What the hard task `traces` is made of; docs/tasks/traces.md is its data card."""
