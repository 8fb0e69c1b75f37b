"""What a data set is made of: counts, distributions, crowding. Pure NumPy, nothing drawn here."""
