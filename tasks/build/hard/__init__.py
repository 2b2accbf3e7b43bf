"""The hard tasks, a folder a task. Their distractors are chosen after the split, so that both sides are even."""
