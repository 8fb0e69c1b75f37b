"""Select the people that numbers are computed of: all, or without those that are in doubt.

Two kinds are in doubt: people whose label looks wrong, and test images with a near-duplicate in
train. The page offers its numbers with and without them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.errors import SmallposeError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.dataset.label_audit.ranking import score_all_checks
from smallpose.evaluation.matching.arrays import Mask
from smallpose.report.inputs.person_matching import RunPredictions, match_people
from smallpose.system.json_decode import read_json

LEAKS_FILE = "leaks.json"


class _Pair(msgspec.Struct):
    first: str
    second: str
    leak: bool = False
    template: bool = False


class _LeaksFile(msgspec.Struct):
    pairs: list[_Pair] = []


@dataclass(frozen=True)
class Selection:
    """Some people of the test set.

    Args:
        key: of the page's control.
        label: on the page, with the number of people or images that are left out.
        truth: the ground truth, in which people with suspect labels are ignored and images with
            near-duplicates are missing.
    """

    key: str
    label: str
    truth: Instances

    @cached_property
    def num_people(self) -> int:
        """Return the number of people who count."""
        return int(self.truth.is_counted.sum())

    def select_predictions(self, predictions: Predictions) -> Predictions:
        """Return the predictions for images that are left."""
        is_left = np.isin(predictions.image_ids, self.truth.images.ids)
        return predictions if is_left.all() else predictions.take(np.flatnonzero(is_left))

    def match(self, result: RunPredictions) -> RunPredictions:
        """Return the predictions of a run for this selection, with their matches."""
        predictions = self.select_predictions(result.predictions)
        return RunPredictions(result.label, predictions, match_people(self.truth, predictions))


def list_selections(truth: Instances, leaking_images: Collection[str] = ()) -> list[Selection]:
    """List the selections that differ, all people first.

    Args:
        leaking_images: file names of test images with a near-duplicate in train.
    """
    # To rank and describe the suspects, as the audit does, takes longer than to find them.
    is_suspect = (score_all_checks(truth).total > 1) & truth.is_counted
    is_leaking = np.array([name in leaking_images for name in truth.images.file_names], dtype=bool)
    num_suspect, num_leaking = int(is_suspect.sum()), int(is_leaking.sum())
    selections = [Selection("all", "all people", truth)]
    without_suspects = _ignore_people(truth, is_suspect)
    labels = format_count(num_suspect, "suspect label")
    images = f"{format_count(num_leaking, 'image')} similar to training images"
    if num_suspect:
        selections.append(Selection("labels", f"without {labels}", without_suspects))
    if num_leaking:
        left = np.flatnonzero(~is_leaking)
        selections.append(Selection("leaks", f"without {images}", truth.take_images(left)))
        if num_suspect:
            both = without_suspects.take_images(left)
            selections.append(Selection("both", "without both", both))
    return [s for s in selections if s.key == "all" or s.num_people]


def _ignore_people(truth: Instances, is_ignored: Mask) -> Instances:
    """Ignore people, so that they are neither missed nor false positives."""
    return replace(truth, num_keypoints=np.where(is_ignored, 0, truth.num_keypoints))


def read_leaking_images(data: Path | None) -> frozenset[str]:
    """Read which images of a built set have a near-duplicate in the other split.

    Returns: none where the set has no `leaks.json`, or it cannot be read.
    """
    path = None if data is None else (data if data.is_dir() else data.parent.parent) / LEAKS_FILE
    if path is None or not path.is_file():
        return frozenset()
    try:
        pairs: Sequence[_Pair] = read_json(path, _LeaksFile).pairs
    except SmallposeError:
        return frozenset()
    return frozenset(
        name
        for pair in pairs
        if pair.leak and not pair.template
        for name in (pair.first, pair.second)
    )
