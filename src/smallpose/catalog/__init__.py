"""What is known of the methods without loading PyTorch: their names and facts, code of users."""
