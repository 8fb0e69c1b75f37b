"""SmallPose: how small may a person get before a pose model fails, and which model to use.

`import smallpose` and everything up to `evaluate` needs no PyTorch. A name is imported when it is
first used, so that a command starts as fast as the modules it needs.
"""

from importlib import import_module
from types import FunctionType
from typing import Any

from smallpose._version import __version__

_LAZY_EXPORTS = {
    "Skeleton": "smallpose.core.skeleton",
    "Instances": "smallpose.core.instances",
    "make_instances": "smallpose.core.instances",
    "make_images": "smallpose.core.instances",
    "Predictions": "smallpose.core.predictions",
    "make_predictions": "smallpose.core.predictions",
    "keypoint_density": "smallpose.core.density",
    "crowd_index": "smallpose.stats.crowding",
    "read_coco": "smallpose.io.coco_annotations",
    "write_coco": "smallpose.io.coco_annotations",
    "read_results": "smallpose.io.coco_results",
    "write_results": "smallpose.io.coco_results",
    "evaluate": "smallpose.evaluation.evaluate",
    "Evaluator": "smallpose.evaluation.evaluator",
    "compare": "smallpose.evaluation.analysis.comparison",
    "split_difference": "smallpose.evaluation.difference.split",
    "check_drops": "smallpose.evaluation.analysis.gate",
    "diagnose": "smallpose.evaluation.analysis.error_diagnosis",
    "COCOeval": "smallpose.evaluation.cocoeval",
    "patch_pycocotools": "smallpose.evaluation.pycocotools_patch",
    "create_method": "smallpose.methods",
    "TrainingConfig": "smallpose.training.config",
    "train": "smallpose.training.run",
}

# What has errors that may name an argument outside its own signature, and where that is from.
_OPTIONS_FROM = {
    "Evaluator": "evaluate",
    "check_drops": "compare",
    "compare": "evaluate",
    "diagnose": "evaluate",
    "split_difference": "evaluate",
    "train": "TrainingConfig",
}

__all__ = ["__version__", *sorted(_LAZY_EXPORTS)]


def __getattr__(name: str) -> Any:
    if name not in _LAZY_EXPORTS:
        raise AttributeError(f"module 'smallpose' has no attribute {name!r}")
    try:
        value = getattr(import_module(_LAZY_EXPORTS[name]), name)
    except ImportError as error:
        from smallpose.system.packages import explain_import_error

        raise explain_import_error(f"smallpose.{name}", error) from None
    if isinstance(value, FunctionType) or name in _OPTIONS_FROM:
        value = _name_arguments(name, value)
    globals()[name] = value
    return value


def _name_arguments(name: str, value: Any) -> Any:
    # `inspect` is imported late, because commands should start fast and do not need it.
    from inspect import signature

    from smallpose.core.argument_errors import name_arguments, name_arguments_of_class

    others = _OPTIONS_FROM.get(name)
    more = tuple(signature(__getattr__(others)).parameters.values()) if others else ()
    if isinstance(value, FunctionType):
        return name_arguments(value, more)
    return name_arguments_of_class(value, more)


def __dir__() -> list[str]:
    return sorted(__all__)
