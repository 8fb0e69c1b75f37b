"""A method on the test set, and its numbers: along the way and at the end."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.dataloading.images import Pictures, refuse_unreadable
from smallpose.inference import Options, find
from smallpose.methods.base import PoseMethod
from smallpose.training.distributed import ALONE, Ranks


def find_all(
    method: PoseMethod,
    people: Instances,
    pictures: Pictures,
    most_bad: float,
    ranks: Ranks = ALONE,
) -> Predictions | None:
    """People of the test images: in their true boxes, or wherever the method sees any.

    Each process takes every so-many-th image, so no image is tested twice; the first one has all
    people in the order that one process alone would find them in, and the others nothing.

    Raises: InputError, in all processes, when too many pictures of all are unreadable.
    """
    mine = np.arange(len(people.images))[ranks.rank :: ranks.world]
    shard = people.take_images(mine) if ranks.world > 1 else people
    label = f"{method.name} test" if ranks.first else ""
    # One process stops early; of several each may have more than its share.
    options = Options(most_bad=most_bad if ranks.world == 1 else 1.0)
    unreadable = 0

    def work() -> Predictions:
        nonlocal unreadable
        found = find(method, shard, None, pictures.read, options, label)
        unreadable = len(found.notes)
        return found

    parts = ranks.gather(work)
    bad = int(ranks.sum(unreadable)[0])
    refuse_unreadable("test images", bad, len(people.images), most_bad)
    return merged(parts, people) if parts else None


def merged(parts: Sequence[Predictions], people: Instances) -> Predictions:
    """Shards as one table, image by image in the order of `people.images`."""
    if len(parts) == 1:
        return parts[0]
    ids = np.concatenate([part.image_ids for part in parts])
    rows = np.array([people.images.row_of[image] for image in ids.tolist()], dtype=np.intp)
    order = np.argsort(rows, kind="stable")
    return Predictions(
        parts[0].skeleton,
        ids[order],
        np.concatenate([part.keypoints for part in parts])[order],
        np.concatenate([part.scores for part in parts])[order],
        np.concatenate([part.boxes_xywh for part in parts])[order],
        tuple(note for part in parts for note in part.notes),
    )


def score(people: Instances, found: Predictions, **rules: Any) -> dict[str, Any]:
    """The evaluation as JSON holds it; rules as `evaluate` has them."""
    from smallpose.evaluation.evaluate import evaluate

    return dict(json.loads(evaluate(people, found, **rules).to_json()))
