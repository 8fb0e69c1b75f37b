"""Find suspect labels, and differences between the sources' definitions of joints."""
