"""SmallPose: how small may a person get before a pose model fails, and which model to take.

`import smallpose` and everything up to `evaluate` needs no PyTorch. Names are looked up when they
are first used, so that a command starts as fast as the part of the line it needs.
"""

from importlib import import_module
from typing import Any

from smallpose._version import __version__

_DOORS = {
    "read_coco": "smallpose.io.coco_annotations",
    "read_results": "smallpose.io.coco_results",
    "write_coco": "smallpose.io.coco_annotations",
    "write_results": "smallpose.io.coco_results",
    "Instances": "smallpose.core.instances",
    "Predictions": "smallpose.core.predictions",
    "keypoint_density": "smallpose.core.density",
    "crowd_index": "smallpose.stats.crowding",
    "evaluate": "smallpose.evaluation.evaluate",
    "Evaluator": "smallpose.evaluation.evaluator",
    "compare": "smallpose.evaluation.analysis.comparison",
    "diagnose": "smallpose.evaluation.analysis.error_diagnosis",
    "COCOeval": "smallpose.evaluation.cocoeval",
    "create_method": "smallpose.methods",
}

__all__ = ["__version__", *sorted(_DOORS)]


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module 'smallpose' has no attribute {name!r}")
    value = getattr(import_module(_DOORS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
