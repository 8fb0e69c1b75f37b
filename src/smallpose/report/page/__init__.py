"""Build the report page from its parts."""
