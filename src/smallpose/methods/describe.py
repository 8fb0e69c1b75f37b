"""Describe methods by plain values, for lists: what the catalogue is made of."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from smallpose.core.skeleton import COCO17, SMALLPOSE, Skeleton
from smallpose.methods.base import PoseMethod
from smallpose.methods.checkpoints.mmpose_zoo import get_url, list_training_sets


def describe_method(create: Callable[[Skeleton], PoseMethod]) -> dict[str, Any]:
    """Return the facts of a method that `catalog.methods.read_catalog` has."""
    method = create(SMALLPOSE)
    return {
        **asdict(method.card),
        "checkpoint_url": get_url(method.card),
        "checkpoint_trained_on": list_training_sets(method.card),
        "parameters": method.num_parameters,
        "parameters_coco17": create(COCO17).num_parameters,
        "input_wh": list(method.input_wh),
        "score_rule": method.score_rule,
        "recipes": {name: asdict(recipe) for name, recipe in method.recipes.items()},
    }
