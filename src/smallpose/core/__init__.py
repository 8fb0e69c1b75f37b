"""The words all else is written in: joints, boxes, sizes, density, errors, files."""
