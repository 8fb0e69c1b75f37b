"""Match the results of all models on all sets, on the joints that the models have in common."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError, SmallposeError
from smallpose.core.skeleton import Skeleton
from smallpose.io.coco_results import read_results
from smallpose.resolution.common_joints import find_common_joints
from smallpose.resolution.curves import Curve
from smallpose.resolution.reduced_set import ReducedSet
from smallpose.resolution.results_folder import ResultsFolder
from smallpose.resolution.scores import HeightScores, MatchedHeight, Resamples, match_height
from smallpose.resolution.silent_models import DetectionCount, count_in_boxes


@dataclass(frozen=True)
class MatchedResults:
    """What every model was matched with on every set.

    Args:
        by_model: by name of the model, in the order of the sets.
        sensors: of the sets.
        skeletons: of the results, by name of the model.
        num_detections: of the results, by name of the model, in the order of the sets.
        num_in_boxes: of them, centred in the box of a labelled person.
        joints: on which all are scored where the models have different ones, else empty.
    """

    by_model: dict[str, list[MatchedHeight]]
    sensors: tuple[str, ...]
    skeletons: dict[str, Skeleton]
    num_detections: dict[str, list[int]]
    num_in_boxes: dict[str, list[int]]
    joints: tuple[str, ...] = ()

    def score(
        self, resamples: Resamples, is_member: NDArray[np.bool_] | None = None
    ) -> dict[str, dict[str, Curve]]:
        """Score all chosen people or some; return curves by model and sensor."""
        curves: dict[str, dict[str, Curve]] = {}
        for name, heights in self.by_model.items():
            points: dict[str, list[HeightScores]] = {}
            for sensor, height in zip(self.sensors, heights, strict=True):
                points.setdefault(sensor, []).append(height.score(resamples, is_member))
            curves[name] = {sensor: Curve(tuple(scores)) for sensor, scores in points.items()}
        return curves

    def count_detections(
        self, sets: Sequence[ReducedSet], folders: dict[str, ResultsFolder]
    ) -> dict[str, list[DetectionCount]]:
        """Return how much each model detected on each set."""
        counts: dict[str, list[DetectionCount]] = {}
        for name, heights in self.by_model.items():
            numbers = zip(self.num_detections[name], self.num_in_boxes[name], strict=True)
            for reduced, height, (num_detections, num_in_boxes) in zip(
                sets, heights, numbers, strict=True
            ):
                log = folders[name].get_log_path(reduced)
                count = DetectionCount(
                    px=reduced.px,
                    sensor=reduced.sensor.name,
                    num_detections=num_detections,
                    num_in_boxes=num_in_boxes,
                    best_oks=float(height.values["OKS"].max()),
                    num_images=len(height.image_rows),
                    share_found=float(height.values["found"].mean()),
                    log="/".join(log.parts[-3:]) if log.is_file() else "",
                )
                counts.setdefault(name, []).append(count)
        return counts


def match_results(
    sets: Sequence[ReducedSet], folders: dict[str, ResultsFolder], joints: tuple[str, ...] = ()
) -> MatchedResults:
    """Match the results of each model on each set, all on the joints that all models have.

    Args:
        joints: of the results that are scored; empty for all that the labels have.

    Raises: InputError when models have no joint in common.
    """
    by_model: dict[str, list[MatchedHeight]] = {}
    skeletons: dict[str, Skeleton] = {}
    num_detections: dict[str, list[int]] = {}
    num_in_boxes: dict[str, list[int]] = {}
    for name, folder in folders.items():
        for reduced in sets:
            path = folder.get_path(reduced)
            with set_aside_refused(path):
                predictions = read_results(path, reduced.truth)
                skeletons[name] = predictions.skeleton
                if joints:
                    predictions = predictions.take_joints(joints)
                height = match_height(reduced.truth, predictions, reduced.px)
            by_model.setdefault(name, []).append(height)
            num_detections.setdefault(name, []).append(len(predictions))
            num_inside = count_in_boxes(reduced.truth, predictions)
            num_in_boxes.setdefault(name, []).append(num_inside)
    if not joints:
        joints = find_common_joints(skeletons, sets[0].truth.skeleton)
        if joints:
            return match_results(sets, folders, joints)
    sensors = tuple(reduced.sensor.name for reduced in sets)
    return MatchedResults(by_model, sensors, skeletons, num_detections, num_in_boxes, joints)


@contextmanager
def set_aside_refused(path: Path) -> Iterator[None]:
    """Rename results that cannot be read or scored.

    The model would write the same again, so its file does not count as finished.

    Raises: InputError that names the new file.
    """
    try:
        yield
    except SmallposeError as error:
        path.replace(path.with_suffix(".refused.json"))
        remedy = f"{error.remedy}; then run the same command again"
        refused = f"{error.where} (now {path.stem}.refused.json)"
        raise InputError(refused, error.what, remedy) from None
