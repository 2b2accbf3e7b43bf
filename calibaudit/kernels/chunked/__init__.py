"""The kernels in plain PyTorch, on any device: the vocabulary in chunks, the rows in blocks."""
