"""Read COCO keypoint results with the ordinary JSON library, which explains every mistake."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec import Raw, Struct
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Images, Instances
from smallpose.core.joint_names import are_numbered
from smallpose.core.predictions import Predictions, make_predictions
from smallpose.core.skeleton import Skeleton
from smallpose.io.image_lookup import NameConflictError, describe_doubtful_ids
from smallpose.io.json_blocks import Int64, decode_blocks, decode_records
from smallpose.io.predicted_images import (
    describe_listed_joints,
    find_listed_joints,
    get_image_list_path,
)
from smallpose.io.repeated_fields import refuse_repeated_members
from smallpose.io.result_entries import ResultEntries, refuse_pickle
from smallpose.io.result_joints import (
    make_named_skeleton,
    match_skeleton,
    order_named_joints,
    require_skeleton,
)
from smallpose.io.unknown_images import ResultImages, UnknownImages
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json

__all__ = [
    "MAX_DETECTIONS_IN_IMAGE",
    "ResultRecord",
    "decode_entries",
    "make_entry_skeleton",
    "make_named_skeleton",
    "match_skeleton",
    "order_named_joints",
    "read_entries",
    "read_results_slow",
]

_FLAT_KEYPOINTS = re.compile(rb'"keypoints"\s*:\s*\[\s*[-0-9.]')
MAX_DETECTIONS_IN_IMAGE = 100_000  # more in one image is a mistake, not a crowd


class ResultRecord(Struct):
    """The fields that are read of one result."""

    keypoints: list[float]
    score: float
    image_id: Int64 | str | None = None
    file_name: str | None = None
    category_id: Int64 | str | None = None
    bbox: list[float] | None = None


class _NamedImage(Struct):
    """The field by which results are known to be those of a list of images."""

    file_name: str | None = None


BY_NAMES = (
    "image_id numbers the images otherwise than the labels do; results are matched by file_name, "
    "which is that of one image each"
)


class _NamedResults(Struct):
    """Results with the names of their joints."""

    predictions: list[Raw]
    keypoint_names: list[str] | None = None


class _Columns(NamedTuple):
    image_ids: NDArray[np.int64]
    keypoints: NDArray[np.float64]
    scores: NDArray[np.float64]
    boxes_xywh: NDArray[np.float64]


def read_results_slow(
    path: Path | str,
    truth: Instances,
    data: bytes | None = None,
    unknown_images: UnknownImages = "refuse",
) -> Predictions:
    """Read what `coco_results.read_results` reads, with errors that name the entry."""
    if Path(path).is_dir():
        from smallpose.io.result_folders import read_result_folder

        from_folder = read_result_folder(Path(path), truth, unknown_images)
        if from_folder is not None:
            return from_folder
    entries = read_entries(path, data, truth.images, unknown_images)
    try:
        return _build_predictions(path, truth, entries, ResultImages(truth.images, unknown_images))
    except NameConflictError as error:
        images = ResultImages(truth.images, unknown_images, goes_by_names=True)
        try:
            predictions = _build_predictions(path, truth, entries, images)
        except InputError:
            raise error from None
        if not images.lookup.has_own_numbers():
            raise
    return replace(predictions, notes=(BY_NAMES, *predictions.notes))


def _build_predictions(
    path: Path | str, truth: Instances, entries: ResultEntries, images: ResultImages
) -> Predictions:
    named = make_entry_skeleton(path, entries, truth)
    joint_notes: list[str] = []
    if named is None:
        named = _find_listed_skeleton(Path(path), entries, truth)
        joint_notes += [describe_listed_joints(path)] * (named is not None)
    skeleton: Skeleton | None = None
    parts: list[_Columns] = []
    # As for images, an id and its text are the same: some tools write "1" for 1.
    category_ids = {None, *map(str, truth.category_ids)}
    num_left_out = 0
    start = 0
    for block in decode_blocks(path, "entry", entries.raws, ResultRecord, entries.places):
        records = [
            (entries.describe(path, i), r)
            for i, r in enumerate(block, start)
            if (None if r.category_id is None else str(r.category_id)) in category_ids
        ]
        num_left_out += len(block) - len(records)
        start += len(block)
        for where, record in records:
            record.image_id = images.find_id(record.image_id, record.file_name, where)
        records = [(where, record) for where, record in records if record.image_id is not None]
        if not records:
            continue
        skeleton = (
            skeleton
            or named
            or require_skeleton(records[0][0], len(records[0][1].keypoints), truth)
        )
        parts.append(_build_columns(records, skeleton))
    images.lookup.refuse_mixture()
    num_kept = sum(len(columns.scores) for columns in parts)
    notes = [*entries.notes, *joint_notes, *images.describe(path, num_kept)]
    if num_left_out and not parts:
        other = decode_records(path, "entry", entries.raws[:1], ResultRecord)[0].category_id
        raise InputError(
            str(path),
            f"all {format_count(num_left_out, 'result is', 'results are')} of other categories, "
            f"the first of {other}",
            f"give people the truth's category_id, {' or '.join(map(str, truth.category_ids))}",
        )
    if num_left_out:
        notes.append(f"{format_count(num_left_out, 'result')} of other categories left out")
    if entries.places is None:
        notes += describe_doubtful_ids(truth.images, sorted(images.lookup.numbers_as_ids))
    if skeleton is None:
        return make_predictions(truth.skeleton, [], [], [])
    columns = _Columns(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    _refuse_too_many(path, columns.image_ids)
    predictions = Predictions(
        skeleton=skeleton,
        image_ids=columns.image_ids,
        keypoints=columns.keypoints,
        scores=columns.scores,
        boxes_xywh=columns.boxes_xywh,
        notes=tuple(notes),
    )
    return predictions if named is None else order_named_joints(path, predictions, truth.skeleton)


def read_entries(
    path: Path | str,
    data: bytes | None = None,
    images: Images | None = None,
    unknown_images: UnknownImages = "refuse",
) -> ResultEntries:
    """Read the entries of a result file, or of a folder or file in the form of another tool.

    Args:
        data: the content of the file, where it was read already.
        images: of the ground truth, which the names of files are looked up in; None without one.
        unknown_images: as for `FileImages`.

    Raises: InputError when the path has no results, RefusedError for a pickle.
    """
    if Path(path).is_dir():
        from smallpose.io.json_folders import convert_folder, find_single_file

        single = find_single_file(Path(path))
        if single is not None:
            return read_entries(single)
        return convert_folder(Path(path), images, unknown_images)
    data = read_bytes(Path(path)) if data is None else data
    refuse_pickle(path, data)
    if not _begins_plainly(data):
        from smallpose.io.result_forms import convert_file

        converted = convert_file(path, data, images, unknown_images)
        if converted is not None:
            return converted
    raws, names = decode_entries(path, data)
    return ResultEntries(raws, names)


def make_entry_skeleton(
    path: Path | str, entries: ResultEntries, truth: Instances
) -> Skeleton | None:
    """Return the skeleton that entries name; None where they or the truth name no joints.

    Where another tool named the joints and the truth only numbers them, they are the truth's.
    """
    names = entries.keypoint_names
    if names is None or (entries.places is not None and are_numbered(truth.skeleton.joints)):
        return None
    return make_named_skeleton(path, names)


def _find_listed_skeleton(path: Path, entries: ResultEntries, truth: Instances) -> Skeleton | None:
    """Return the skeleton that `predict` names in its list beside results; None without one.

    Only results with another number of joints than the truth's and COCO's need it.
    """
    if not entries.raws or entries.places is not None:
        return None
    first = decode_records(path, "entry", entries.raws[:1], ResultRecord)[0]
    num_values = len(first.keypoints)
    if match_skeleton(num_values, truth) is not None:
        return None
    blocks = decode_blocks(path, "entry", entries.raws, _NamedImage, entries.places)
    names = [one.file_name for block in blocks for one in block]
    joints = find_listed_joints(path, names)
    if not joints or num_values != 3 * len(joints):
        return None
    return make_named_skeleton(get_image_list_path(path), joints)


def _begins_plainly(data: bytes) -> bool:
    """Return whether the first entry of a list is certainly a record of COCO results."""
    if data[:1] != b"[":
        return False
    first = data[: data.find(b"}") + 1]
    has_image = b'"image_id"' in first or b'"file_name"' in first
    return has_image and _FLAT_KEYPOINTS.search(first) is not None and b'"box"' not in first


def decode_entries(path: Path | str, data: bytes) -> tuple[list[Raw], list[str] | None]:
    """Decode the list of a result file, and the joints that it names; None for a plain list.

    Raises: InputError when the file is no result file, or its names are empty or repeated.
    """
    remedy = "give a COCO result file, a list of detections"
    is_object = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"
    if not is_object or b'"predictions"' not in data:
        return decode_json(path, data, list[Raw], remedy), None
    file = decode_json(path, data, _NamedResults, remedy)
    refuse_repeated_members(path, data, _NamedResults)
    return file.predictions, file.keypoint_names


def _build_columns(records: list[tuple[str, ResultRecord]], skeleton: Skeleton) -> _Columns:
    num_values = 3 * len(skeleton)
    no_box = [float("nan")] * 4
    for where, record in records:
        problem = _find_problem(record, num_values, skeleton)
        if problem:
            raise InputError(where, problem, "correct the entry or leave it out")
    n = len(records)
    keypoints = np.array([r.keypoints for _, r in records])
    boxes = np.array([r.bbox or no_box for _, r in records], dtype=np.float64)
    return _Columns(
        image_ids=np.array([r.image_id for _, r in records], dtype=np.int64),
        keypoints=keypoints.reshape(n, len(skeleton), 3),
        scores=np.array([r.score for _, r in records], dtype=np.float64),
        boxes_xywh=boxes.reshape(n, 4),
    )


def _find_problem(record: ResultRecord, num_values: int, skeleton: Skeleton) -> str | None:
    if len(record.keypoints) != num_values:
        return (
            f"{format_count(len(record.keypoints), 'keypoint value')}, {skeleton.name} needs "
            f"{num_values}"
        )
    if record.bbox is not None and len(record.bbox) not in (0, 4):
        return f"bbox has {format_count(len(record.bbox), 'value')} instead of 4"
    return None


def _refuse_too_many(path: Path | str, image_ids: NDArray[np.int64]) -> None:
    image, count = max(Counter(image_ids.tolist()).items(), key=lambda item: item[1])
    if count > MAX_DETECTIONS_IN_IMAGE:
        raise InputError(
            f"{path}, image {image}",
            f"{format_count(count, 'detection')} in one image",
            f"keep at most {MAX_DETECTIONS_IN_IMAGE:,}, those with the highest scores",
        )
