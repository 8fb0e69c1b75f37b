"""Read AI Challenger 2017 keypoints (paper, Sec. 3.1).

Each split is one JSON list with an entry per image. An entry has two objects, keypoints and boxes,
with the same people as keys.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, Struct

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.skeleton import AIC14
from smallpose.io.duplicates import drop_duplicates
from smallpose.sources.locate import ImagePaths, find_base, find_one_file, natural_sort_key
from smallpose.sources.source import ImageFile, Source
from smallpose.sources.table_builder import TableBuilder
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode_json, refuse_repeated_keys
from smallpose.system.progress import show_progress

# Split folder, our name of the split, and the image folder, whose date differs in train.
SPLITS = (
    ("keypoint_train_20170909", "train", "keypoint_train_images_20170902"),
    ("keypoint_validation_20170911", "test", "keypoint_validation_images_20170911"),
)
PREFIXES = ("ai_challenger_", "")
# AI Challenger's codes: 1 visible, 2 hidden, 3 not labelled.
VISIBILITY = {1: 2, 2: 1, 3: 0}
BLOCK = 500  # entries decoded at a time, to keep few objects for the garbage collector


class _Entry(Struct, gc=False):
    image_id: str
    keypoint_annotations: dict[str, list[float]]
    human_annotations: dict[str, list[float]]


def read_aic(root: Path) -> Source:
    """Read AI Challenger's people with their drawn boxes; its validation split becomes our test.

    Raises: InputError naming the image and person at fault; RefusedError for an image_id that
        leaves its folder.
    """
    patterns = [
        f"{prefix}{folder}/{_annotation_pattern(folder)}"
        for folder, *_ in SPLITS
        for prefix in PREFIXES
    ]
    base = find_base(root, patterns, "AI Challenger")
    builder = TableBuilder("aic", AIC14, "drawn", VISIBILITY)
    missing: list[str] = []
    notes: list[str] = []
    for folder, split, images in SPLITS:
        for prefix in PREFIXES:
            path = find_one_file(base, f"{prefix}{folder}/{_annotation_pattern(folder)}")
            if path is not None:
                notes += _read_split(path, base, split, images, builder)
                break
        else:
            missing.append(f"{folder}/{_annotation_pattern(folder)}")
    return builder.finish(base, missing, notes)


def _annotation_pattern(folder: str) -> str:
    return f"{folder.rsplit('_', 1)[0]}_annotations_*.json"


def _read_split(
    path: Path, base: Path, split: str, images: str, builder: TableBuilder
) -> list[str]:
    """Add one split and return its notes."""
    data = read_bytes(path)
    raws = decode_json(path, data, list[Raw])
    folders = sorted(path.parent.glob(images.rsplit("_", 1)[0] + "_*/"))
    folder = (folders[0] if folders else path.parent / images).relative_to(base).as_posix()
    names = ImagePaths(base)
    counts: Counter[str] = Counter()
    entries = drop_duplicates(
        show_progress(_iterate_entries(path, raws, counts), f"aic: {split}", total=len(raws)),
        key=lambda entry: entry.image_id,
        is_equal=lambda i, j: msgspec.json.decode(raws[i]) == msgspec.json.decode(raws[j]),
        where=f"{path}, entry",
        describe=lambda entry: f"image_id {entry.image_id}",
    )
    for number, entry in entries:
        counts["kept"] += 1
        if not entry.image_id.strip():
            raise InputError(f"{path}, entry[{number}]", "image_id is empty", "correct the record")
        where = f"{path}, image {entry.image_id}"
        name = f"{entry.image_id}.jpg"
        # The split's own folder has two published names; an image's name should have one.
        row = builder.add_image(
            f"{folder.rsplit('/', 1)[-1]}/{name}",
            ImageFile(names.path(folder, name, where)),
            source_id=entry.image_id,
            split=split,
        )
        _add_people(entry, row, where, builder)
    # Each person is two lists; a repeated key would have lost one of them silently.
    if data.count(b"[") > 1 + 2 * counts["people"]:
        refuse_repeated_keys(path, data)
    num_repeated = len(raws) - counts["kept"]
    return (
        [f"{path.name}: {format_count(num_repeated, 'repeated image')} merged"]
        if num_repeated
        else []
    )


def _add_people(entry: _Entry, row: int, where: str, builder: TableBuilder) -> None:
    keypoints, boxes = entry.keypoint_annotations, entry.human_annotations
    if keypoints.keys() != boxes.keys():
        person = min(keypoints.keys() ^ boxes.keys(), key=natural_sort_key)
        has, lacks = ("keypoints", "box") if person in keypoints else ("a box", "keypoints")
        raise InputError(
            where, f"{person} has {has} but no {lacks}", "add the missing part or remove the person"
        )
    for name in sorted(boxes, key=natural_sort_key):
        box = boxes[name]
        if len(box) != 4:
            raise InputError(
                f"{where}, {name}",
                f"box has {format_count(len(box), 'value')} instead of 4",
                "correct the record",
            )
        x1, y1, x2, y2 = box
        builder.add_person(row, (x1, y1, x2 - x1, y2 - y1), keypoints[name], where, name)


def _iterate_entries(
    path: Path, raws: list[Raw], counts: Counter[str]
) -> Iterator[tuple[int, _Entry]]:
    """Decode the entries, each with its index, and count their people."""
    decoder = msgspec.json.Decoder(list[_Entry])
    for start in range(0, len(raws), BLOCK):
        part = raws[start : start + BLOCK]
        try:
            block = decoder.decode(b"[" + b",".join(bytes(r) for r in part) + b"]")
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            block = [_decode_one(path, number, raw) for number, raw in enumerate(part, start)]
        counts["people"] += sum(len(entry.human_annotations) for entry in block)
        yield from enumerate(block, start)


def _decode_one(path: Path, number: int, raw: Raw) -> _Entry:
    """Decode one entry alone, to name it when it is broken."""
    try:
        entry: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        entry = None
    named = isinstance(entry, dict) and "image_id" in entry
    label = f" (image {entry['image_id']})" if named else ""
    return decode_json(f"{path}, entry[{number}]{label}", bytes(raw), _Entry)
