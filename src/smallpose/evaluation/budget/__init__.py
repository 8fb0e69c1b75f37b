"""How many pixels a person needs for a joint to be placed within a tolerance."""
