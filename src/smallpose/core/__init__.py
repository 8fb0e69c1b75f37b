"""Define the domain types: skeletons, boxes, sizes, density, instances, predictions, errors."""
