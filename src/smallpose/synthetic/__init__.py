"""A small world whose answers are known exactly, drawn from a seed.

    from smallpose.synthetic import draw_scene, make_world

Procedural throughout: no photographs, scans or recorded motion. What it can tell is relative; an
absolute AP on it has no meaning outside.
"""

from smallpose.synthetic.scenes.sample import draw_scene
from smallpose.synthetic.world import make_world

__all__ = ["draw_scene", "make_world"]
