"""Write the data card, the datasheet, Croissant metadata and the licence terms."""
