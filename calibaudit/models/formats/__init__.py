"""What a checkpoint may be besides plain weights: shards, wrappers around a text model, adapters, quantized layers."""
