"""COCO keypoint results: what a method found, from and to a list of records."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw, Struct
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.io.json_blocks import Whole, blocks, guess_skeleton
from smallpose.io.mmpose_results import Names, read_folder, refuse_pickle
from smallpose.system.files import read_bytes, write_whole
from smallpose.system.json_decode import decode, refuse_repeated_keys

MOST_IN_ONE_IMAGE = 100_000  # people found in one image; more is a mistake, not a crowd


class _Found(Struct):
    image_id: Whole | str
    keypoints: list[float]
    score: float
    category_id: Whole = 1
    bbox: list[float] | None = None


def read_results(path: Path | str, truth: Instances) -> Predictions:
    """A COCO result file as `Predictions` about the images of `truth`.

    Results with the joints of `truth`, or with COCO's 17 where `truth` has those among others.
    Ultralytics' and MMPose's ways of writing them are read too, see `other_results`.

    Raises: InputError naming the entry that is broken, not finite, or of an unknown image.
    """
    folder = Path(path).is_dir()
    data = read_folder(Path(path), truth.images) if folder else read_bytes(Path(path))
    refuse_pickle(path, data)
    raws = decode(path, data, list[Raw])
    if data.count(b'"keypoints"') > len(raws):
        refuse_repeated_keys(path, data)
    skeleton: Skeleton | None = None
    parts: list[tuple[Any, ...]] = []
    names: Names | None = None
    left_out = first = 0
    for block in blocks(path, "entry", raws, _Found):
        kept = [(first + i, f) for i, f in enumerate(block) if f.category_id == truth.category_id]
        left_out += len(block) - len(kept)
        first += len(block)
        if not kept:
            continue
        if any(isinstance(f.image_id, str) for _, f in kept):
            names = names or Names(path, truth.images)
            for number, f in kept:
                if isinstance(f.image_id, str):
                    f.image_id = names.id_of(f.image_id, f"{path}, entry[{number}]")
        skeleton = skeleton or _found_skeleton(path, kept[0], truth)
        parts.append(_found_columns(path, kept, skeleton, truth.images.row_of))
    notes = (f"{left_out:,} results of other categories left out",) if left_out else ()
    if left_out and not parts:
        other = _decode_first(raws).category_id
        raise InputError(
            str(path),
            f"all {left_out:,} results are of other categories, the first of {other}",
            f"give persons the truth's category_id, {truth.category_id}",
        )
    if not parts or skeleton is None:
        k = truth.skeleton
        empty = np.zeros(0)
        return Predictions(
            k, np.zeros(0, np.int64), np.zeros((0, len(k), 3)), empty, np.zeros((0, 4)), notes
        )
    image_ids, keypoints, scores, boxes = (np.concatenate(c) for c in zip(*parts, strict=True))
    _refuse_floods(path, image_ids)
    return Predictions(skeleton, image_ids, keypoints, scores, boxes, notes)


def _decode_first(raws: list[Raw]) -> _Found:
    return msgspec.json.decode(raws[0], type=_Found)


def is_results(path: Path | str) -> bool:
    """Whether the file is a list, as result files are, and not an annotation file."""
    return read_bytes(Path(path)).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def truth_for_results(path: Path | str) -> Instances:
    """A truth without people that fits a result file, for looking at the results alone."""
    found = decode(path, read_bytes(Path(path)), list[_Found])
    skeleton = guess_skeleton(path, [len(f.keypoints) for f in found[:1]]) or COCO17
    ids = sorted({f.image_id for f in found if isinstance(f.image_id, int)})
    words = sorted({f.image_id for f in found if isinstance(f.image_id, str)})
    more = range(max(ids, default=0) + 1, max(ids, default=0) + 1 + len(words))
    images = make_images([*ids, *more], [*map(str, ids), *words])
    category = found[0].category_id if found else 1
    return make_instances(skeleton, images, [], np.zeros((0, 4)), [], category_id=category)


def _found_skeleton(path: Path | str, first: tuple[int, _Found], truth: Instances) -> Skeleton:
    number, found = first
    k = len(found.keypoints)
    if k == 3 * len(truth.skeleton):
        return truth.skeleton
    if k == 3 * len(COCO17) and set(COCO17.joints) <= set(truth.skeleton.joints):
        return COCO17
    raise InputError(
        f"{path}, entry[{number}]",
        f"{k} keypoint values, {truth.skeleton.name} needs {3 * len(truth.skeleton)}",
        "give results of the truth's own skeleton, or of COCO's 17 joints",
    )


def _found_columns(
    path: Path | str, kept: list[tuple[int, _Found]], skeleton: Skeleton, row_of: dict[int, int]
) -> tuple[Any, ...]:
    k3 = 3 * len(skeleton)
    nan4 = [float("nan")] * 4
    for number, f in kept:
        if len(f.keypoints) != k3:
            what = f"{len(f.keypoints)} keypoint values, {skeleton.name} needs {k3}"
        elif f.image_id not in row_of:
            what = f"image {f.image_id} is not in the truth"
        elif f.bbox is not None and len(f.bbox) not in (0, 4):
            what = f"bbox has {len(f.bbox)} values instead of 4"
        else:
            continue
        raise InputError(f"{path}, entry[{number}]", what, "mend the entry or leave it out")
    return (
        np.array([f.image_id for _, f in kept], dtype=np.int64),
        np.array([f.keypoints for _, f in kept]).reshape(len(kept), len(skeleton), 3),
        np.array([f.score for _, f in kept], dtype=np.float64),
        np.array([f.bbox or nan4 for _, f in kept], dtype=np.float64).reshape(len(kept), 4),
    )


def _refuse_floods(path: Path | str, image_ids: NDArray[np.int64]) -> None:
    image, most = max(Counter(image_ids.tolist()).items(), key=lambda item: item[1])
    if most > MOST_IN_ONE_IMAGE:
        raise InputError(
            f"{path}, image {image}",
            f"{most:,} people found in one image",
            f"keep at most {MOST_IN_ONE_IMAGE:,}, the best by score",
        )


def write_results(found: Predictions, path: Path | str, category_id: int = 1) -> None:
    """`Predictions` as a COCO result file, with `bbox` where there is one."""
    write_whole(path, msgspec.json.encode(result_records(found, category_id)))


def result_records(found: Predictions, category_id: int = 1) -> list[dict[str, Any]]:
    """COCO's record of each person; the image's id comes first."""
    records = []
    columns = (
        found.image_ids.tolist(),
        found.keypoints.reshape(len(found), 3 * len(found.skeleton)).tolist(),
        found.scores.tolist(),
        found.boxes_xywh.tolist(),
    )
    for image, keypoints, score, box in zip(*columns, strict=True):
        record = {"image_id": image, "category_id": category_id, "keypoints": keypoints}
        record["score"] = score
        if box[0] == box[0]:
            record["bbox"] = box
        records.append(record)
    return records
