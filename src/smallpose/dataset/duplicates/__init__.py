"""Find near-duplicate images, and leaks between train and test."""
