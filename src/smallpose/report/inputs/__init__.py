"""Read runs, results and the paper's values for a report."""
