"""Predict the test set and score it: after epochs and at the end of a run."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.dataloading.images import ImageReader, refuse_unreadable
from smallpose.inference import InferenceOptions, predict_people
from smallpose.inference.notes import list_unreadable
from smallpose.methods.base import PoseMethod
from smallpose.training.distributed import SINGLE_PROCESS, DistributedContext


def predict_test_set(
    method: PoseMethod,
    people: Instances,
    reader: ImageReader,
    max_unreadable: float,
    distributed: DistributedContext = SINGLE_PROCESS,
) -> Predictions | None:
    """Predict people of the test images; top-down methods use the annotated boxes.

    Each process takes every world_size-th image. The first one returns all predictions in the
    order in which a single process would make them, and the others return None.

    Raises: InputError, in all processes, when too many images are unreadable.
    """
    rank, world_size = distributed.rank, distributed.world_size
    shard = people
    if world_size > 1:
        shard = people.take_images(np.arange(len(people.images))[rank::world_size])
    label = f"{method.name} test" if distributed.is_first else ""
    # A single process stops early; of several, each may have more than its share.
    options = InferenceOptions(max_unreadable=max_unreadable if world_size == 1 else 1.0)
    num_unreadable = 0

    def predict_shard() -> Predictions:
        nonlocal num_unreadable
        predictions = predict_people(method, shard, None, reader.read, options, label)
        num_unreadable = len(list_unreadable(predictions))
        return predictions

    parts = distributed.gather(predict_shard)
    total_unreadable = int(distributed.sum_values(num_unreadable)[0])
    refuse_unreadable("test images", total_unreadable, len(people.images), max_unreadable)
    return merge_predictions(parts, people) if parts else None


def merge_predictions(parts: Sequence[Predictions], people: Instances) -> Predictions:
    """Merge the predictions of shards into one table, in the order of `people.images`."""
    if len(parts) == 1:
        return parts[0]
    ids = np.concatenate([part.image_ids for part in parts])
    rows = np.array([people.images.row_of[image] for image in ids.tolist()], dtype=np.intp)
    order = np.argsort(rows, kind="stable")
    return Predictions(
        skeleton=parts[0].skeleton,
        image_ids=ids[order],
        keypoints=np.concatenate([part.keypoints for part in parts])[order],
        scores=np.concatenate([part.scores for part in parts])[order],
        boxes_xywh=np.concatenate([part.boxes_xywh for part in parts])[order],
        notes=tuple(note for part in parts for note in part.notes),
    )


def score_predictions(
    people: Instances, predictions: Predictions, **options: Any
) -> dict[str, Any]:
    """Evaluate predictions of all images; return the evaluation JSON.

    Args:
        options: as for `evaluate`.
    """
    from smallpose.evaluation.evaluate import evaluate

    predictions = replace(predictions, covers_images=True)
    return dict(json.loads(evaluate(people, predictions, **options).to_json()))
