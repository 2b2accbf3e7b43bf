"""Builds the hard task `deduction`: long chains of reasoning, each settled by trying all cases."""
