"""Generate a small data set with exactly known labels from a seed.

    from smallpose.synthetic import draw_scene, make_world

Procedural throughout: no photographs, scans or recorded motion. What it can tell is relative; an
absolute AP on it has no meaning outside.
"""

# ruff: noqa: E402 (the modules below cannot be imported without these packages)
from smallpose.system.packages import require_packages

require_packages("smallpose.synthetic", "cv2", "scipy")

from smallpose.synthetic.generate import make_synthetic_dataset
from smallpose.synthetic.scenes.sample import draw_scene

__all__ = ["draw_scene", "make_synthetic_dataset"]
