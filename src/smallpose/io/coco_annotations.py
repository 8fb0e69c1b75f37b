"""Instances from and to COCO's JSON: anybody's keypoint files, and our own with provenance."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import BOX_RULES
from smallpose.core.instances import SOURCES, Images, Instances
from smallpose.io import mapped_json
from smallpose.io.coco_annotations_fast import read_coco_fast
from smallpose.io.coco_annotations_slow import read_coco_slow
from smallpose.io.json_blocks import BLOCK_SIZE
from smallpose.system.files import write_atomically_with


def read_coco(path: Path | str, *, derived: bool = False) -> Instances:
    """A COCO keypoint file as `Instances`, with whatever skeleton its category names.

    Args:
        derived: keep the keypoints that `build --derive` made up, with v = 1. Without it they are
            not labelled, so that no count, density or metric takes them for labels.

    Boxes stay as they stand. Identical repeats of images and annotations, which real files have,
    are merged and noted; annotations of other categories are left out and noted.

    Raises: InputError naming the record that is broken, repeated with a difference, or unfit.
    """
    people = None if derived else read_coco_fast(path)
    return read_coco_slow(path, derived=derived) if people is None else people


def write_coco(
    people: Instances, path: Path | str, derived: NDArray[np.bool_] | None = None
) -> None:
    """`Instances` as a COCO keypoint file; the same table gives the same bytes.

    Args:
        derived: (n, k) keypoints that were made up; they are listed beside each annotation.

    What is unknown (a size, a group, a mask's area) is left out of the record.
    """

    def fill(file: IO[bytes]) -> None:
        encode = msgspec.json.encode
        file.write(b'{"categories":' + encode([_category_record(people)]) + b',\n"images":[')
        _write_records(file, _image_records(people.images))
        file.write(b'],\n"annotations":[')
        file.writelines(_encode_annotations(people, derived))
        file.write(b"]}\n")

    write_atomically_with(path, fill)


def _write_records(file: IO[bytes], records: Iterator[dict[str, Any]]) -> None:
    encoder = msgspec.json.Encoder()
    for number, record in enumerate(records):
        file.write((b",\n" if number else b"\n") + encoder.encode(record))


def _category_record(people: Instances) -> dict[str, Any]:
    return {
        "id": people.category_id,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(people.skeleton.joints),
        "skeleton": [[a + 1, b + 1] for a, b in people.skeleton.edges],
    }


def _image_records(images: Images) -> Iterator[dict[str, Any]]:
    columns = (
        images.ids.tolist(),
        images.file_names,
        images.width.tolist(),
        images.height.tolist(),
        images.source.tolist(),
        images.source_ids,
        images.groups,
    )
    for one, name, width, height, source, source_id, group in zip(*columns, strict=True):
        record: dict[str, Any] = {"id": one, "file_name": name}
        if width and height:
            record |= {"width": width, "height": height}
        if source:
            record["source"] = SOURCES[source]
        if source_id:
            record["source_id"] = source_id
        if group:
            record["group"] = group
        yield record


def _encode_annotations(people: Instances, derived: NDArray[np.bool_] | None) -> Iterator[bytes]:
    """The records with a line break before each, by whichever twin is there."""
    image_ids = people.images.ids[people.image_rows]
    area = np.where(np.isnan(people.file_area), people.area, people.file_area)
    words = (
        mapped_json.encode_words(SOURCES),
        mapped_json.encode_words(BOX_RULES),
        len(people.skeleton),
    )
    for start in range(0, len(people), BLOCK_SIZE):
        rows = slice(start, start + BLOCK_SIZE)
        yield b",\n" if start else b"\n"
        if mapped_json.EXTENSION is None:
            listed = None if derived is None else derived[rows]
            part = _annotation_records(people, rows, image_ids[rows], area[rows], listed)
            yield b",\n".join(map(msgspec.json.encode, part))
            continue
        columns = (
            people.ids,
            image_ids,
            people.boxes_xywh,
            area,
            people.iscrowd,
            people.num_keypoints,
            people.keypoints,
            people.source,
            people.box_rule,
            people.segmentation_area,
        )
        ids, images, *others = (np.ascontiguousarray(column[rows]) for column in columns)
        made = b"" if derived is None else np.ascontiguousarray(derived[rows])
        yield mapped_json.EXTENSION.people(ids, images, people.category_id, *others, *words, made)


def _annotation_records(
    people: Instances,
    rows: slice,
    image_ids: NDArray[np.int64],
    area: NDArray[np.float64],
    derived: NDArray[np.bool_] | None,
) -> Iterator[dict[str, Any]]:
    """The plain twin of `_write.c`."""
    points = people.keypoints[rows]
    visible = points[:, :, 2].astype(int).tolist()
    flat = points.reshape(len(points), -1).tolist()
    columns = (
        people.ids[rows].tolist(),
        image_ids.tolist(),
        people.boxes_xywh[rows].tolist(),
        area.tolist(),
        people.iscrowd[rows].tolist(),
        people.num_keypoints[rows].tolist(),
        flat,
        visible,
        people.source[rows].tolist(),
        people.box_rule[rows].tolist(),
        people.segmentation_area[rows].tolist(),
    )
    records = zip(*columns, strict=True)
    for row, (one, image, box, a, crowd, n, k, v, source, rule, mask) in enumerate(records):
        k[2::3] = v
        record: dict[str, Any] = {"id": one, "image_id": image}
        record |= {"category_id": people.category_id, "bbox": box, "area": a}
        record |= {"iscrowd": int(crowd), "num_keypoints": n, "keypoints": k}
        if source:
            record["source"] = SOURCES[source]
        if rule:
            record["box_rule"] = BOX_RULES[rule]
        if mask == mask:
            record["segmentation_area"] = mask
        if derived is not None and derived[row].any():
            # Counted from 1, as in the category's skeleton.
            record["derived"] = (np.flatnonzero(derived[row]) + 1).tolist()
        yield record
