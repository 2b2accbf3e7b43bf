"""Long tables: character sets and lists of prefixes."""
