"""What `--help` says and how it is laid out; examples; what a shell completes."""
