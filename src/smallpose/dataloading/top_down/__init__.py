"""Cut one crop per person for top-down methods."""
