"""Tasks of lm-evaluation-harness that need its Python code, written out as plain task files: run by name only."""
