"""Read and write COCO keypoint annotations, with the provenance of each person in our own files."""

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import BOX_RULES
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Images, Instances
from smallpose.core.mapped_keypoints import MappedKeypoints
from smallpose.core.packed_keypoints import PackedKeypoints
from smallpose.io import json_text
from smallpose.io.annotation_scan import ScanAhead
from smallpose.io.coco_annotations_fast import read_coco_fast
from smallpose.io.coco_annotations_slow import read_coco_slow
from smallpose.io.result_paths import find_label_path
from smallpose.system.files import read_if_gzip, refuse_content, write_atomically_with

_RECORDS_PER_BLOCK = 2048  # encoded at once, so that their text stays in the cache


def read_coco(
    path: Path | str,
    *,
    derived: bool = False,
    category: int | str | Sequence[int | str] = (),
    keypoints_required: bool = True,
    data: bytes | None = None,
    packed: bool = False,
    ahead: ScanAhead | None = None,
) -> Instances:
    """Read a COCO keypoint file as `Instances`, with the skeleton of its category.

    Boxes are not clipped. Identical duplicates of images and annotations, which real files have,
    are merged and noted. People are the annotations of the categories named `person` in any case,
    else of those with the most joints of people; others are left out, and a note names both.

    Args:
        path: of the file, or of the folder of a built set, of which its test set is read.
        derived: keep the keypoints that `build --derive` computed, with v = 1. Without it they are
            not labelled, so that no count, density or metric uses them as labels.
        category: names in any case, or ids, of the categories to read as people instead.
        keypoints_required: False to read a file of boxes, too; its skeleton has no joints.
        data: the content of the file, where it was read already; then `path` is for messages.
        packed: give the keypoints as `PackedKeypoints` where they can be, for less memory.
        ahead: a scan of the file that was begun before, for `packed`.

    Raises: InputError naming the record that is broken, or two records with one id that differ, or
        where no annotation has keypoints.
    """
    categories = (category,) if isinstance(category, int | str) else category
    wanted = tuple(map(str, categories))
    refuse_content(path)
    if data is None:
        path = find_label_path(Path(path)) if Path(path).is_dir() else Path(path)
        data = read_if_gzip(path)
    people = None if derived else read_coco_fast(path, data, wanted, packed, ahead)
    if people is not None:
        return people
    return read_coco_slow(
        path, derived=derived, category=wanted, keypoints_required=keypoints_required, data=data
    )


def write_coco(
    people: Instances, path: Path | str, derived: NDArray[np.bool_] | None = None
) -> None:
    """Write `Instances` as a COCO keypoint file; the same table gives the same bytes.

    What is unknown (a size, a group, a mask's area) is left out of the record.

    Args:
        derived: (n, k) keypoints that were computed from others; each annotation lists them.
    """

    if not isinstance(people, Instances):
        what = f"is of type {type(people).__name__}, no ground truth"
        raise InputError("write_coco", what, "write results with smallpose.write_results")

    def write(file: IO[bytes]) -> None:
        categories = msgspec.json.encode([_build_category_record(people)])
        file.write(b'{"categories":' + categories + b',\n"images":[')
        file.writelines(_encode_images(people.images))
        file.write(b'],\n"annotations":[')
        file.writelines(_encode_annotations(people, derived))
        file.write(b"]}\n")

    write_atomically_with(path, write)


class _ImageRecord(msgspec.Struct, omit_defaults=True):
    id: int | str
    file_name: str
    width: int = 0
    height: int = 0
    source: str = ""
    source_id: str = ""
    source_split: str = ""
    group: str = ""


def _encode_images(images: Images) -> Iterator[bytes]:
    """Encode the records, each after a line break."""
    has_size = (images.width != 0) & (images.height != 0)
    columns = (
        images.file_ids,
        images.file_names,
        np.where(has_size, images.width, 0).tolist(),
        np.where(has_size, images.height, 0).tolist(),
        map(SOURCES.__getitem__, images.source.tolist()),
        images.source_ids,
        images.source_splits or ("",) * len(images),
        images.groups,
    )
    records = map(_ImageRecord, *columns)
    encoder = msgspec.json.Encoder()
    separator = b"\n"
    while block := list(itertools.islice(records, _RECORDS_PER_BLOCK)):
        lines = encoder.encode_lines(block).removesuffix(b"\n")  # no other line breaks are in it
        yield separator + lines.replace(b"\n", b",\n")
        separator = b",\n"


def _build_category_record(people: Instances) -> dict[str, Any]:
    pairs = people.skeleton.custom_pairs
    swap = {} if pairs is None else {"swap": [[a + 1, b + 1] for a, b in pairs]}
    return swap | {
        "id": people.category_id,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(people.skeleton.spelled_joints),
        "skeleton": [[a + 1, b + 1] for a, b in people.skeleton.edges],
    }


def _encode_annotations(people: Instances, derived: NDArray[np.bool_] | None) -> Iterator[bytes]:
    """Encode the records, each after a line break, with the extension where it was built."""
    area = np.where(np.isnan(people.file_area), people.area, people.file_area)
    source_words = _list_source_words(people)
    for start in range(0, len(people), _RECORDS_PER_BLOCK):
        rows = slice(start, start + _RECORDS_PER_BLOCK)
        block = people.take(rows)
        block_derived = None if derived is None else derived[rows]
        yield b",\n" if start else b"\n"
        if source_words is None or people.text_ids or people.images.text_ids:
            records = _build_annotation_records(block, area[rows], block_derived)
            text = b",\n".join(map(msgspec.json.encode, records))
        else:
            codes, words = source_words
            text = _encode_with_extension(block, area[rows], block_derived, codes[rows], words)
        yield _add_video_fields(text, block)


def _add_video_fields(text: bytes, people: Instances) -> bytes:
    """Add `track_id` and `bbox_head` to the end of the encoded records of people who have them."""
    if not len(people.track_ids) and not len(people.heads_xywh):
        return text
    lines = text.split(b",\n")  # records contain no line break
    tracks = people.track_ids.tolist() or [-1] * len(people)
    heads = people.heads_xywh if len(people.heads_xywh) else np.full((len(people), 4), np.nan)
    has_head = np.asarray(np.isfinite(heads).all(axis=1))
    for row, (line, track) in enumerate(zip(lines, tracks, strict=True)):
        fields: dict[str, Any] = {} if track < 0 else {"track_id": track}
        if has_head[row]:
            fields["bbox_head"] = heads[row].tolist()
        if fields:
            lines[row] = line[:-1] + b"," + msgspec.json.encode(fields)[1:]
    return b",\n".join(lines)


def _list_source_words(people: Instances) -> tuple[NDArray[np.int8], list[str]] | None:
    """Return an (n,) index for each person, and the words after `"source":"` that it refers to.

    A word ends where the extension writes the closing quote, so it may go on with the field
    `source_split`. None where the extension cannot write them.
    """
    if json_text.EXTENSION is None:
        return None
    splits = people.images.source_splits
    if not splits:
        return people.source, list(SOURCES)
    names = sorted({*splits})
    code_of = {name: code for code, name in enumerate(names)}
    split_codes = np.array([code_of[split] for split in splits], dtype=np.int64)
    pairs = people.source * np.int64(len(names)) + split_codes[people.image_rows]
    used, indices = np.unique(pairs, return_inverse=True)
    words = [""]  # index 0 is written as no field at all
    for pair in used.tolist():
        source, split = divmod(pair, len(names))
        text = msgspec.json.encode(names[split])[1:-1].decode()
        if text and not source:
            return None
        words.append(f'{SOURCES[source]}","source_split":"{text}' if text else SOURCES[source])
    if len(words) > np.iinfo(np.int8).max:
        return None
    codes = np.array([i if word else 0 for i, word in enumerate(words)], dtype=np.int8)
    return codes[indices.reshape(-1) + 1], words


def _encode_with_extension(
    people: Instances,
    area: NDArray[np.float64],
    derived: NDArray[np.bool_] | None,
    source_codes: NDArray[np.int8],
    source_words: Sequence[str],
) -> bytes:
    keypoints, visibility = _get_printed_keypoints(people)
    columns = (
        people.boxes_xywh,
        area,
        people.iscrowd,
        people.num_keypoints,
        keypoints,
        visibility,
        source_codes,
        people.box_rule,
        people.segmentation_area,
    )
    arguments = (
        np.ascontiguousarray(people.ids),
        people.images.ids[people.image_rows],
        people.category_id,
        *map(np.ascontiguousarray, columns),
        json_text.encode_words(source_words),
        json_text.encode_words(BOX_RULES),
        len(people.skeleton),
        b"" if derived is None else np.ascontiguousarray(derived),
    )
    text: bytes = json_text.EXTENSION.encode_annotations(*arguments)
    return text


def _get_printed_keypoints(people: Instances) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Return packed positions and v where the keypoints can be packed; else them and nothing."""
    keypoints: Any = people.keypoints
    if isinstance(keypoints, MappedKeypoints):
        keypoints = keypoints.pack() or keypoints
    if isinstance(keypoints, PackedKeypoints):
        return keypoints.positions, keypoints.visibility
    return np.asarray(keypoints), np.zeros(0, np.uint8)


def _build_annotation_records(
    people: Instances, area: NDArray[np.float64], derived: NDArray[np.bool_] | None
) -> Iterator[dict[str, Any]]:
    """Build the records; the fallback of `_json_write.c`."""
    points = np.asarray(people.keypoints)
    values = points.reshape(len(people), 3 * len(people.skeleton)).tolist()
    image_ids = people.images.file_ids
    splits = people.images.source_splits or ("",) * len(people.images)
    columns = (
        people.file_ids,
        [image_ids[row] for row in people.image_rows.tolist()],
        people.boxes_xywh.tolist(),
        area.tolist(),
        people.iscrowd.tolist(),
        people.num_keypoints.tolist(),
        values,
        points[:, :, 2].astype(int).tolist(),
        people.source.tolist(),
        [splits[row] for row in people.image_rows.tolist()],
        people.box_rule.tolist(),
        people.segmentation_area.tolist(),
    )
    records = zip(*columns, strict=True)
    for row, (
        id_,
        image,
        box,
        px2,
        crowd,
        n,
        keypoints,
        v,
        source,
        split,
        rule,
        mask,
    ) in enumerate(records):
        keypoints[2::3] = v
        record: dict[str, Any] = {"id": id_, "image_id": image}
        record |= {"category_id": people.category_id, "bbox": box, "area": px2}
        record |= {"iscrowd": int(crowd), "num_keypoints": n, "keypoints": keypoints}
        if source:
            record["source"] = SOURCES[source]
        if split:
            record["source_split"] = split
        if rule:
            record["box_rule"] = BOX_RULES[rule]
        if not math.isnan(mask):
            record["segmentation_area"] = mask
        if derived is not None and derived[row].any():
            # Counted from 1, as in the category's skeleton.
            record["derived"] = (np.flatnonzero(derived[row]) + 1).tolist()
        yield record
