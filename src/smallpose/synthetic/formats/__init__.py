"""The synthetic world in the five published layouts, quirks included, and its truth."""
