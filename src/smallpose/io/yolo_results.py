"""Read the label files that Ultralytics' pose models write: a folder with one .txt per image.

`yolo pose predict save_txt=True` writes `labels/NAME.txt`, a line per detection: class, box (cx cy
w h), the joints (x y confidence, or x y), with `save_conf=True` the score, and after `track` an
identity. Coordinates are shares of the sides of the image, whose size the ground truth has.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count, format_share
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions, make_predictions
from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.io.equal_scores import EQUAL_SCORES
from smallpose.io.unknown_images import ResultImages, UnknownImages
from smallpose.system.files import read_bytes

PERSON_CLASS = 0  # in Ultralytics' pose models; a folder with a single other class has people, too
_NUM_BOX_VALUES = 5  # class cx cy w h
_MAX_TAIL = 2  # score and identity
_CLASSES = "classes.txt"
LABELS = "labels"

Floats = NDArray[np.float64]


class _Layout(NamedTuple):
    """What the values of a line are.

    Args:
        skeleton: of the joints.
        num_dims: values per joint, 3 with a confidence.
        num_tail: values after the joints.
    """

    skeleton: Skeleton
    num_dims: int
    num_tail: int


def find_yolo_labels(folder: Path) -> Path | None:
    """Return the folder of label files that is meant, itself or its `labels`; None without one."""
    for candidate in (folder, folder / LABELS):
        if candidate.is_dir() and any(_is_label_file(file) for file in list_label_files(candidate)):
            return candidate
    return None


def read_yolo_results(
    folder: Path, truth: Instances, unknown_images: UnknownImages = "refuse"
) -> Predictions:
    """Read label files as `Predictions` for the images of `truth`.

    The joints are those of the truth, or COCO's 17 where the truth has those among others.

    Args:
        folder: with one .txt per image, called as the image; see `find_yolo_labels`.
        unknown_images: as for `read_results`.
    Raises: InputError naming the file and line that is no label, an image that is not in the truth
        or has no size there, or joints that do not fit the truth.
    """
    files = list_label_files(folder)
    lines = [(file, i, values) for file in files for i, values in read_label_lines(file)]
    if not lines:
        return make_predictions(truth.skeleton, [], [], [])
    layout = _choose_layout(lines[0][0], len(lines[0][2]), truth)
    for file, number, values in lines:
        if len(values) != len(lines[0][2]):
            what = (
                f"{format_count(len(values), 'number')}, and the first label has {len(lines[0][2])}"
            )
            raise InputError(f"{file}, line {number}", what, "write the labels by one model")
    images = ResultImages(truth.images, unknown_images)
    num_lines = dict.fromkeys(files, 0) | Counter(file for file, _, _ in lines)
    id_of_file = _find_images(num_lines, images)
    lines = [line for line in lines if line[0] in id_of_file]
    notes = images.describe(folder, len(lines))
    files = list(id_of_file)
    image_ids = np.array(list(id_of_file.values()), dtype=np.int64)
    sizes_wh = _require_sizes(files, image_ids, truth)
    row_of_file = {file: row for row, file in enumerate(files)}
    image_rows = np.array([row_of_file[file] for file, _, _ in lines])
    predictions = _build_predictions(
        np.array([values for _, _, values in lines]),
        layout,
        image_ids[image_rows],
        sizes_wh[image_rows],
    )
    return replace(predictions, notes=(*notes, *predictions.notes))


def list_label_files(folder: Path) -> list[Path]:
    """List the label files, without the list of classes that labelling tools write beside them."""
    return sorted(file for file in folder.glob("*.txt") if file.name != _CLASSES)


def _read_first_words(file: Path) -> list[bytes]:
    with file.open("rb") as content:
        return content.readline(1 << 16).split()


def _parse_numbers(words: list[bytes]) -> Floats | None:
    """Return the values of the words; None where one is no number."""
    try:
        return np.array([float(word) for word in words])
    except ValueError:
        return None


def _is_label_file(file: Path) -> bool:
    """Return whether the first line is a label: numbers, the box in shares of the image."""
    values = _parse_numbers(_read_first_words(file))
    if values is None:
        return False
    has_joints = len(values) > _NUM_BOX_VALUES + 1
    return has_joints and bool((np.abs(values[1:_NUM_BOX_VALUES]) <= 2).all())


def describe_odd_label_file(folder: Path) -> tuple[str, str] | None:
    """Say why the text files of a folder, or of its `labels`, are no labels of poses.

    Returns: what the first of them has, and the remedy; None where none is a file of numbers.
    """
    for file in (*list_label_files(folder), *list_label_files(folder / LABELS)):
        words = _read_first_words(file)
        values = _parse_numbers(words)
        if values is None:
            return None
        if not len(values):
            continue
        shown = f"{file}: line 1 is {' '.join(word.decode() for word in words[:3])} …"
        if len(values) <= _NUM_BOX_VALUES + 1:
            what = f"{shown}, {format_count(len(values), 'number')}: a box without keypoints"
            return what, "give the labels of a pose model, with x y confidence of each joint"
        if (np.abs(values[1:_NUM_BOX_VALUES]) > 2).any():
            what = f"{shown}: coordinates in px"
            return what, "write shares of the image's width and height, as YOLO does, or COCO JSON"
        return None
    return None


def read_label_lines(file: Path) -> list[tuple[int, Floats]]:
    """Return the number and the values of each line that is not empty."""
    labels = []
    for number, line in enumerate(read_bytes(file).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            values = np.array([float(word) for word in words])
        except ValueError:
            values = np.array([np.nan])
        if not np.isfinite(values).all():
            where = f"{file}, line {number}"
            raise InputError(where, "not all values are finite numbers", "correct or remove it")
        labels.append((number, values))
    return labels


def _choose_layout(file: Path, num_values: int, truth: Instances) -> _Layout:
    """Return the only layout with that many values.

    Raises: InputError where none fits, or several do.
    """
    skeletons = [truth.skeleton]
    if set(COCO17.joints) < set(truth.skeleton.joints):
        skeletons.append(COCO17)
    fitting = [
        _Layout(skeleton, num_dims, num_tail)
        for skeleton in skeletons
        for num_dims in (3, 2)
        for num_tail in range(_MAX_TAIL + 1)
        if num_values == _NUM_BOX_VALUES + num_dims * len(skeleton) + num_tail
    ]
    if len(fitting) == 1:
        return fitting[0]
    remedy = (
        "write COCO results instead, which name their images and boxes: yolo pose val "
        "data=data.yaml model=MODEL.pt save_json=True"
    )
    if fitting:
        forms = " or ".join(
            f"{format_count(len(f.skeleton), 'joint')} of {format_count(f.num_dims, 'value')}"
            for f in fitting
        )
        raise InputError(
            str(file), f"{format_count(num_values, 'number')} per line may be {forms}", remedy
        )
    joints = " or ".join(str(len(skeleton)) for skeleton in skeletons)
    raise InputError(
        f"{file}, line 1",
        f"{format_count(num_values, 'number does', 'numbers do')} not fit the {joints} joints of "
        "the ground truth (5, then 2 or 3 per joint, then score and identity)",
        'name the joints of the results: {"keypoint_names": ["nose", …], "predictions": [COCO '
        "results, as yolo pose val save_json=True writes them]}",
    )


def _find_images(num_lines: Mapping[Path, int], images: ResultImages) -> dict[Path, int]:
    """Return the image id of each file, without files whose results are left out.

    Args:
        num_lines: number of results in each file.
    """
    id_of_file = {}
    for file, count in num_lines.items():
        image_id = images.lookup.find_id_if_known(None, file.stem, str(file))
        if image_id is None:
            image_id = images.lookup.find_id_if_known(file.stem, None, str(file))
        if image_id is None:
            images.leave_out(file.stem, str(file), count)
        else:
            id_of_file[file] = image_id
            images.known_ids.add(image_id)
    return id_of_file


def _require_sizes(files: list[Path], image_ids: NDArray[np.int64], truth: Instances) -> Floats:
    """Return (f, 2) the size in px of the image of each file."""
    sizes_wh = []
    for file, image_id in zip(files, image_ids.tolist(), strict=True):
        row = truth.images.row_of[image_id]
        size = (int(truth.images.width[row]), int(truth.images.height[row]))
        if min(size) <= 0:
            raise InputError(
                str(file),
                "its coordinates are shares of the image, and the ground truth has no width and "
                "height of it",
                f"add width and height to the image {truth.images.file_names[row]}",
            )
        sizes_wh.append(size)
    return np.array(sizes_wh, dtype=np.float64)


def _build_predictions(
    values: Floats, layout: _Layout, image_ids: NDArray[np.int64], sizes_wh: Floats
) -> Predictions:
    """Convert the (d, c) values of all lines to px.

    Args:
        image_ids: (d,) of each line.
        sizes_wh: (d, 2) px of its image.
    """
    notes = []
    classes = values[:, 0]
    if len(np.unique(classes)) > 1:
        is_person = classes == PERSON_CLASS
        notes.append(
            f"{format_count(int((~is_person).sum()), 'label')} of other classes than 0 left out"
        )
        values, image_ids, sizes_wh = values[is_person], image_ids[is_person], sizes_wh[is_person]
    num_joint_values = len(layout.skeleton) * layout.num_dims
    joints = values[:, _NUM_BOX_VALUES : _NUM_BOX_VALUES + num_joint_values]
    keypoints = np.ones((len(values), len(layout.skeleton), 3))
    keypoints[:, :, : layout.num_dims] = joints.reshape(len(values), -1, layout.num_dims)
    keypoints[:, :, :2] *= sizes_wh[:, None]
    boxes = values[:, 1:_NUM_BOX_VALUES] * np.tile(sizes_wh, 2)
    boxes[:, :2] -= boxes[:, 2:] / 2
    scores = _read_scores(values[:, _NUM_BOX_VALUES + num_joint_values :])
    if scores is None:
        scores = np.ones(len(values))
        notes.append(
            f"the labels have no scores: every detection has the score 1, {EQUAL_SCORES} and is "
            "lower than with scores; write them with save_conf=True"
        )
    num_at_origin = int((keypoints[:, :, :2] == 0).all(axis=2).sum())
    if num_at_origin:
        num_points = keypoints.shape[0] * keypoints.shape[1]
        at_origin = format_share(num_at_origin, num_points, "keypoint is", "keypoints are")
        notes.append(
            f"{at_origin} at 0, 0, where some versions of Ultralytics put joints of low "
            "confidence; they count as wrong"
        )
    return Predictions(
        skeleton=layout.skeleton,
        image_ids=image_ids,
        keypoints=keypoints,
        scores=scores,
        boxes_xywh=boxes,
        notes=tuple(notes),
    )


def _read_scores(tail: Floats) -> Floats | None:
    """Return the scores among the values after the joints; None where there are none.

    A single value is a score, or the identity of `track`, which counts from 1.
    """
    if not tail.shape[1] or (tail.shape[1] == 1 and (tail > 1).any()):
        return None
    return tail[:, 0]
