"""Puzzles that take long: machines stepped and passages followed."""
