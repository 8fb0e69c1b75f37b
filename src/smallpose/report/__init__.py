"""Results in; tables, figures and one page out."""
