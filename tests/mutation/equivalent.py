"""Mutants that no test can catch, because what the package returns is the same, and why."""

# (file, the changed line, reason)
EQUIVALENT: tuple[tuple[str, str, str], ...] = ()
