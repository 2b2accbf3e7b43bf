"""What a checkpoint may be besides plain weights (shards, wrappers, adapters, quantized layers), and writing one."""
