"""Read, translate and find checkpoints."""
