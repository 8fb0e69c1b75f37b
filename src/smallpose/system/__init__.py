"""Handle files, locks, memory, threads, progress bars and extension modules."""
