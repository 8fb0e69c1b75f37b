"""Compare results, diagnose errors and break scores down."""
