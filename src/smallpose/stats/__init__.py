"""Count and describe a data set: counts, distributions, crowding, scenes."""
