"""Score predictions against the ground truth; needs no PyTorch and no model."""
