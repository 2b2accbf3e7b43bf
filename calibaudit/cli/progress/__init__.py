"""What a long command shows on stderr while it runs."""
