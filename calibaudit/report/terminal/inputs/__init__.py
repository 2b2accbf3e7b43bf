"""What a model is given: an item, a tuning row, token by token."""
