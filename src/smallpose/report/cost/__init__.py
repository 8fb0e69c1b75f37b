"""What a method costs for an image: time and memory over numbers of people and sizes of images."""
