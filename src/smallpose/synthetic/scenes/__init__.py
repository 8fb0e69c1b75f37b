"""Place people and occluders in a scene and render it."""
