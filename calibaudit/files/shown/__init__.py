"""Numbers as short text, and a result in short."""
