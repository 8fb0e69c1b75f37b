"""Find suspicious labels and biases between sources."""
