"""The smoothed loss of a network, without logits."""
