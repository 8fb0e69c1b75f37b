"""Write suspect labels as a list for a labelling tool, and merge what was corrected there."""
