"""An image and its people as arrays a network takes; the frames they live in; chance."""
