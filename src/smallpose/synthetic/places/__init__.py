"""Places painted from noise and geometry: what stands behind people."""
