"""What the puzzles share: slips, close numbers, wording, an exact simplex."""
