"""Create bodies, poses, clothes and the figures made of them."""
