"""Turn images and annotations into batches of tensors."""
