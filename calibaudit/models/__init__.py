"""A checkpoint in memory: its files, network, tokenizer, device and head."""
