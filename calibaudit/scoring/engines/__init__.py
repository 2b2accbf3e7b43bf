"""What runs the network: this process, a server, or vLLM."""
