"""Model cards: what the hub reads of a result, the section that people read, and both put into a card that is there."""
