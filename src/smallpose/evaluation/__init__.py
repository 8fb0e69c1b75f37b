"""Truth and predictions in, numbers out; needs no PyTorch and knows of no model."""
