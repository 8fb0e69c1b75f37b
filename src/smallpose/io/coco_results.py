"""Read and write COCO keypoint results: a list of records, one per detection."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from smallpose.core.argument_checks import refuse_other_words
from smallpose.core.errors import InputError
from smallpose.core.instances import Images, Instances, make_images, make_instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.io.coco_results_fast import read_results_fast
from smallpose.io.coco_results_slow import (
    ResultRecord,
    read_entries,
    read_results_slow,
)
from smallpose.io.json_blocks import decode_blocks, guess_skeleton
from smallpose.io.label_faults import NO_RESULT
from smallpose.io.mismatch import add_mismatch_note, read_boxes_as_meant
from smallpose.io.predicted_images import (
    check_predicted_images,
    describe_listed_joints,
    find_listed_joints,
    get_image_list_path,
    list_predicted_images,
)
from smallpose.io.result_entries import ResultEntries
from smallpose.io.result_joints import make_named_skeleton, order_named_joints
from smallpose.io.result_paths import find_result_path
from smallpose.io.trained_images import describe_trained_images
from smallpose.io.unknown_images import UNKNOWN_IMAGES_WORDS, UnknownImages
from smallpose.system.files import read_bytes, read_if_gzip, refuse_content, write_atomically


def read_results(
    path: Path | str,
    truth: Instances,
    data: bytes | None = None,
    unknown_images: UnknownImages = "refuse",
) -> Predictions:
    """Read a COCO result file as `Predictions` for the images of `truth`.

    A plain list has the joints of `truth` in their order, or COCO's 17 where `truth` has those
    among others, unless the list of images that `predict` writes beside it names its joints.
    {"keypoint_names": […], "predictions": [the list]} may have any joints in any order; they are
    matched by name.
    Forms of other tools, also folders, are read too; see `result_folders` and `result_forms`.

    Args:
        path: of the results, or of a folder that has them; see `result_paths.find_result_path`.
        data: the content of the file, where it was read already; then `path` is for messages.
        unknown_images: "refuse" results of images that `truth` does not have, or "drop" them,
            which a note then counts; names of files decide where results have them.
    Raises: InputError naming the entry that is broken, not finite, or of an unknown image, and
        where all would be dropped.
    """
    refuse_content(path)
    if not isinstance(truth, Instances):
        what = f"the ground truth is of type {type(truth).__name__}"
        raise InputError("read_results", what, "pass what smallpose.read_coco returns")
    refuse_other_words("--unknown-images", unknown_images, UNKNOWN_IMAGES_WORDS)
    if data is None:
        path = find_result_path(Path(path))
        data = read_if_gzip(path)
    predictions = _read_content(path, truth, data, unknown_images)
    is_settled = not any(NO_RESULT in note for note in predictions.notes)
    if unknown_images == "drop" and predictions.notes and is_settled:
        predictions = _add_neighbour_note(path, truth, data, predictions)
    images = check_predicted_images(path, truth, predictions.image_ids, predictions.skeleton.joints)
    notes = (*images.notes, *describe_trained_images(path, truth))
    if images.skeleton is not None:
        predictions = replace(predictions, skeleton=images.skeleton)
        predictions = order_named_joints(path, predictions, truth.skeleton)
        notes = (describe_listed_joints(path), *notes)
    predictions = replace(
        predictions,
        notes=(*predictions.notes, *notes),
        covers_images=images.covers_images,
    )
    return add_mismatch_note(truth, read_boxes_as_meant(truth, predictions))


def _read_content(
    path: Path | str, truth: Instances, data: bytes | None, unknown_images: UnknownImages
) -> Predictions:
    predictions = read_results_fast(path, truth, data, unknown_images)
    if predictions is None:
        predictions = read_results_slow(path, truth, data, unknown_images)
    return predictions


def _add_neighbour_note(
    path: Path | str, truth: Instances, data: bytes | None, predictions: Predictions
) -> Predictions:
    """Add the note on results that fit the labels of neighbouring, or distant, frames better."""
    # Imported here, because most results have no unknown images and should be read fast.
    from smallpose.io.neighbouring_frames import describe_better_neighbours

    def read(other: Instances) -> Predictions:
        return _read_content(path, other, data, "drop")

    from smallpose.io.frame_numbering import is_first_frames_note

    if any(map(is_first_frames_note, predictions.notes)):
        from smallpose.io.sampled_frames import check_first_frames

        predictions = check_first_frames(truth, predictions, list_predicted_images(path), read)
        if any(NO_RESULT in note for note in predictions.notes):
            return predictions
    from smallpose.io.frame_counting import describe_counting

    note = describe_better_neighbours(truth, predictions, read)
    note = note or describe_counting(truth.images, Path(path))
    return predictions if note is None else replace(predictions, notes=(*predictions.notes, note))


def is_result_file(path: Path | str, data: bytes | None = None) -> bool:
    """Return whether the file is a list, names its joints, or is results of another tool.

    Args:
        data: its content, where it was read already.
    """
    data = read_bytes(Path(path)) if data is None else data
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if data[:1] != b"{" or b'"annotations"' in data:
        return data[:1] == b"["
    if b'"predictions"' in data:
        return True
    from smallpose.io.result_forms import is_foreign_object

    return is_foreign_object(data)


def make_truth_for_results(path: Path | str, data: bytes | None = None) -> Instances:
    """Make a truth without people that fits a result file, for checking the results alone.

    Args:
        data: its content, where it was read already.
    """
    entries = read_entries(path, data)
    blocks = decode_blocks(path, "entry", entries.raws, ResultRecord, entries.places)
    records = [record for block in blocks for record in block]
    if entries.keypoint_names is not None:
        skeleton = make_named_skeleton(path, entries.keypoint_names)
    else:
        skeleton = (
            _find_listed_skeleton(path, entries, records)
            or guess_skeleton(path, [len(r.keypoints) for r in records[:1]])
            or COCO17
        )
    ids = sorted({r.image_id for r in records if isinstance(r.image_id, int)})
    names = sorted(
        {str(r.image_id or r.file_name) for r in records if not isinstance(r.image_id, int)}
    )
    first = max(ids, default=0) + 1
    file_names = [*([""] * len(ids)), *names]
    images = make_images([*ids, *range(first, first + len(names))], file_names)
    category = records[0].category_id if records else 1
    return make_instances(
        skeleton, images, [], np.zeros((0, 4)), [], category_id=1 if category is None else category
    )


def _find_listed_skeleton(
    path: Path | str, entries: ResultEntries, records: Sequence[ResultRecord]
) -> Skeleton | None:
    """Return the skeleton that the list of images beside plain results names; None without one."""
    if entries.places is not None or not records:
        return None
    joints = find_listed_joints(Path(path), [record.file_name for record in records])
    is_of_results = len(records[0].keypoints) == 3 * len(joints) > 0
    return make_named_skeleton(get_image_list_path(Path(path)), joints) if is_of_results else None


def write_results(
    predictions: Predictions,
    path: Path | str,
    category_id: int | str = 1,
    images: Images | None = None,
    keypoint_names: bool = False,
    file_names: bool = False,
) -> None:
    """Write `Predictions` as a COCO result file, with `bbox` where there is one.

    Args:
        file_names: write the `file_name` of each image beside its id, by which readers find it.
        keypoint_names: write the names of the joints, too; then the file is no plain list.
        images: of the ground truth; its ids are written as the file has them, also where they are
            text.
    """
    if not isinstance(predictions, Predictions):
        what = f"is of type {type(predictions).__name__}, no results"
        raise InputError("write_results", what, "write labels with smallpose.write_coco")
    records = build_result_records(predictions, category_id, images, file_names)
    text = msgspec.json.encode(records)
    if keypoint_names:
        head, tail = wrap_named_results(predictions.skeleton)
        text = head + text + tail
    write_atomically(path, text)


def wrap_named_results(skeleton: Skeleton) -> tuple[bytes, bytes]:
    """Return what comes before and after the list in a file that names the joints."""
    names = msgspec.json.encode(list(skeleton.spelled_joints))
    return b'{"keypoint_names":' + names + b',"predictions":', b"}"


def build_result_records(
    predictions: Predictions,
    category_id: int | str = 1,
    images: Images | None = None,
    file_names: bool = False,
) -> list[dict[str, Any]]:
    """Build COCO's record of each detection as `write_results`; the image's id comes first."""
    records = []
    image_ids: list[int | str] = predictions.image_ids.tolist()
    if images is not None and images.text_ids:
        image_ids = [images.file_id_of[one] for one in predictions.image_ids.tolist()]
    columns = (
        image_ids,
        predictions.keypoints.reshape(len(predictions), 3 * len(predictions.skeleton)).tolist(),
        predictions.scores.tolist(),
        predictions.boxes_xywh.tolist(),
    )
    for image, keypoints, score, box in zip(*columns, strict=True):
        record = {"image_id": image, "category_id": category_id, "keypoints": keypoints}
        record["score"] = score
        if not math.isnan(box[0]):
            record["bbox"] = box
        records.append(record)
    if predictions.keypoint_errors is not None:
        errors = np.round(predictions.keypoint_errors, 2).tolist()
        for record, values in zip(records, errors, strict=True):
            record["keypoint_errors"] = values
    if file_names and images is not None:
        for record, image_id in zip(records, predictions.image_ids.tolist(), strict=True):
            record["file_name"] = images.file_names[images.row_of[image_id]]
    return records
