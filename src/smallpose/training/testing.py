"""A method on the test set, and its numbers: along the way and at the end."""

import json
from typing import Any

from smallpose.inference import Options, find
from smallpose.methods.base import PoseMethod
from smallpose.samples.images import Pictures
from smallpose.table.instances import Instances
from smallpose.table.predictions import Predictions


def find_all(
    method: PoseMethod, people: Instances, pictures: Pictures, most_bad: float
) -> Predictions:
    """People of the test images: in their true boxes, or wherever the method sees any."""
    options = Options(most_bad=most_bad)
    return find(method, people, None, pictures.read, options, f"{method.name} test")


def score(people: Instances, found: Predictions, **rules: Any) -> dict[str, Any]:
    """The evaluation as JSON holds it; rules as `evaluate` has them."""
    from smallpose.evaluation.metrics import evaluate

    return dict(json.loads(evaluate(people, found, **rules).to_json()))
