"""The state of a training run: its weights spread over processes, its checkpoints written while it goes on."""
