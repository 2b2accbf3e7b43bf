"""Models of matter in whole numbers, step by step."""
