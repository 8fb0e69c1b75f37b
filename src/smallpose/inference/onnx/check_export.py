"""Compare an exported file with the method it was made from, on labelled images.

Both see the same crops, or images fitted into the same size, so that what differs is what the file
computes. Two questions are answered: by how much do the keypoints move, in px of the network's
input; and does AP differ (`compare`, with a paired interval).
"""

import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.dataloading.affine import clip_to_pixels, compute_box_window
from smallpose.dataloading.full_image.letterbox import compute_letterbox
from smallpose.evaluation.analysis.comparison import Comparison, compare
from smallpose.evaluation.matching.oks import compute_oks
from smallpose.evaluation.sigma_file import JointSigmas
from smallpose.inference.onnx.exported_method import read_exported_method
from smallpose.inference.options import InferenceOptions
from smallpose.inference.predict_files import predict_coco_file
from smallpose.io.coco_annotations import read_coco
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import FullImageMethod

Floats = NDArray[np.float64]

ORIGINAL = "original"
EXPORTED = "exported"
# Sums in another order move keypoints by thousandths of a px, except where two bins or pixels of a
# map are equal to seven digits: then a joint moves by one of them.
_MOVED_PX = 0.1
_MAX_SHARE = 0.005  # of joints that moved, and of people without a counterpart
_MAX_AP_CHANGE = 0.002
_SAME_PERSON_OKS = 0.5
_NUM_WORST = 5


@dataclass(frozen=True, kw_only=True)
class MovedPerson:
    """A person whose keypoints differ between the original and the exported file.

    Args:
        file_name: of the image.
        height_px: of the person's box, px of the image.
        joint: the one that moved farthest.
        moved_px: by how much, px of the image.
        oks: of the two poses.
    """

    file_name: str
    height_px: float
    joint: str
    moved_px: float
    oks: float


@dataclass(frozen=True, kw_only=True)
class ExportCheck:
    """How an exported file differs from its original.

    Args:
        num_people: predictions of the original and of the file.
        num_paired: of them that belong together.
        shift_px: median displacement of the joints along x and y, px of the network's input.
        median_px, p99_px, max_px: of the distance of a joint, px of the network's input.
        moved_share: of the joints that moved by more than 0.1 px of the network's input.
        worst: the people whose poses differ most.
        comparison: AP of both, with paired intervals.
    """

    num_people: tuple[int, int]
    num_paired: int
    shift_px: tuple[float, float]
    median_px: float
    p99_px: float
    max_px: float
    moved_share: float
    worst: tuple[MovedPerson, ...]
    comparison: Comparison

    @property
    def problems(self) -> list[str]:
        """Return in what the file is not equal to the original, as sentences; none if it is."""
        problems = []
        unpaired = max(self.num_people) - self.num_paired
        if unpaired > _MAX_SHARE * max(self.num_people):
            problems.append(f"{format_count(unpaired, 'person has', 'people have')} no counterpart")
        if max(map(abs, self.shift_px)) > _MOVED_PX:
            x, y = self.shift_px
            problems.append(f"joints are shifted by ({x:+.2f}, {y:+.2f}) px of the input")
        elif self.moved_share > _MAX_SHARE:
            problems.append(f"{self.moved_share:.1%} of the joints moved by more than 0.1 px")
        for name in ("AP", "AP_S"):
            change = self.get_change(name)
            if change is not None and abs(change) > _MAX_AP_CHANGE:
                problems.append(f"{name} differs by {change:+.3f}")
        return problems

    def get_change(self, name: str) -> float | None:
        """Return the difference of a metric of the protocol `coco`, file minus original."""
        return next(d.difference for d in self.comparison.differences if d.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Return the check for JSON."""
        record = {key: value for key, value in vars(self).items() if key != "comparison"}
        record["worst"] = [asdict(person) for person in self.worst]
        record["problems"] = self.problems
        record["comparison"] = self.comparison.to_dict()
        return record


def check_export(method: PoseMethod, folder: Path, data: Path, images: Path) -> ExportCheck:
    """Predict with a method and with its exported folder, and compare.

    Args:
        method: the original; of a full-image method the images are fitted as the file takes them.
        folder: that `export_onnx` wrote.
        data, images: a COCO file with people, and the folder of its images.
    """
    exported = read_exported_method(folder)
    options = InferenceOptions(flip_test=exported.has_flip_test)
    if isinstance(method, FullImageMethod):
        method = copy.copy(method)
        method.fit_mode = "inside"
    results = {}
    for name, one in ((ORIGINAL, method), (EXPORTED, exported)):
        results[name], people = predict_coco_file(one, data, images, options=options, device="cpu")
    truth = read_coco(data)
    own = method.skeleton.custom_sigmas
    sigmas = None if own is None else JointSigmas(tuple(own), method.skeleton.joints)
    comparison = compare(truth, results, protocols=("coco",), sigmas=sigmas)
    return _measure_displacement(method, people, results[ORIGINAL], results[EXPORTED], comparison)


def _measure_displacement(
    method: PoseMethod,
    people: Instances,
    original: Predictions,
    exported: Predictions,
    comparison: Comparison,
) -> ExportCheck:
    pairs, oks = _pair_people(original, exported, method.skeleton.sigmas)
    moved = exported.keypoints[pairs[:, 1], :, :2] - original.keypoints[pairs[:, 0], :, :2]
    scale = _compute_scales(method, people, original)[pairs[:, 0]]
    in_input = moved / scale[:, None, None]
    distance = np.hypot(in_input[..., 0], in_input[..., 1])
    if not distance.size:
        distance, in_input = np.zeros((1, 1)), np.zeros((1, 1, 2))
    median = np.median(in_input, axis=(0, 1))
    return ExportCheck(
        num_people=(len(original), len(exported)),
        num_paired=len(pairs),
        shift_px=(float(median[0]), float(median[1])),
        median_px=float(np.median(distance)),
        p99_px=float(np.quantile(distance, 0.99)),
        max_px=float(distance.max()),
        moved_share=float((distance > _MOVED_PX).mean()),
        worst=_list_worst(people, original.take(pairs[:, 0]), moved, oks),
        comparison=comparison,
    )


def _pair_people(
    original: Predictions, exported: Predictions, sigmas: Floats
) -> tuple[NDArray[np.intp], Floats]:
    """Pair the people of both results by OKS, image by image; return (p, 2) rows and (p,) OKS."""
    pairs: list[tuple[int, int]] = []
    values: list[float] = []
    for image_id in np.unique(original.image_ids).tolist():
        first = np.flatnonzero(original.image_ids == image_id)
        second = np.flatnonzero(exported.image_ids == image_id)
        oks = _compute_mutual_oks(original.take(first), exported.take(second), sigmas)
        while oks.size and oks.max() >= _SAME_PERSON_OKS:
            a, b = np.unravel_index(oks.argmax(), oks.shape)
            pairs.append((int(first[a]), int(second[b])))
            values.append(float(oks[a, b]))
            oks[a] = -1.0
            oks[:, b] = -1.0
    return np.array(pairs, dtype=np.intp).reshape(-1, 2), np.array(values)


def _compute_mutual_oks(original: Predictions, exported: Predictions, sigmas: Floats) -> Floats:
    poses = original.keypoints.copy()
    poses[:, :, 2] = 2
    area = np.maximum(original.boxes_xywh[:, 2:].prod(axis=1), 1.0)
    return compute_oks(exported.keypoints, poses, original.boxes_xywh, area, sigmas).T


def _compute_scales(method: PoseMethod, people: Instances, original: Predictions) -> Floats:
    """Return (d,) the px of the image that one px of the network's input covers."""
    row_of = {image_id: row for row, image_id in enumerate(people.images.ids.tolist())}
    scales = np.empty(len(original))
    for index, image_id in enumerate(original.image_ids.tolist()):
        row = row_of[image_id]
        w, h = int(people.images.width[row]), int(people.images.height[row])
        if isinstance(method, FullImageMethod):
            letterbox = compute_letterbox((w, h), method.input_wh, 1, "inside")
            scales[index] = letterbox.scale[0] / letterbox.size_wh[0]
            continue
        box = clip_to_pixels(original.boxes_xywh[index : index + 1], w, h)
        scales[index] = compute_box_window(box, method.input_wh)[1][0, 0] / method.input_wh[0]
    return np.maximum(scales, 1e-9)


def _list_worst(
    people: Instances, original: Predictions, moved: Floats, oks: Floats
) -> tuple[MovedPerson, ...]:
    """List the people whose two poses are least alike."""
    row_of = {image_id: row for row, image_id in enumerate(people.images.ids.tolist())}
    distance = np.hypot(moved[..., 0], moved[..., 1])
    worst = []
    for index in np.argsort(oks, kind="stable")[:_NUM_WORST].tolist():
        joint = int(distance[index].argmax())
        worst.append(
            MovedPerson(
                file_name=people.images.file_names[row_of[int(original.image_ids[index])]],
                height_px=float(original.boxes_xywh[index, 3]),
                joint=original.skeleton.spelled_joints[joint],
                moved_px=float(distance[index, joint]),
                oks=float(oks[index]),
            )
        )
    return tuple(worst)
