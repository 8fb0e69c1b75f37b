"""Features to what a codec decodes."""
