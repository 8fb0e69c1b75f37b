"""A method and images in, Predictions out."""
