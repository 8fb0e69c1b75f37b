"""AI Challenger 2017 keypoints (paper, Sec. 3.1).

One JSON list a split, an entry per image with two objects, keypoints and boxes, that have the same
people as keys.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, Struct

from smallpose.core.errors import InputError
from smallpose.core.skeleton import AIC14
from smallpose.sources.locate import PictureNames, find_base, natural, one_file
from smallpose.sources.source import Picture, Source
from smallpose.sources.table_builder import Columns
from smallpose.system.files import read_bytes
from smallpose.system.json_decode import decode, refuse_repeated_keys
from smallpose.system.progress import track

# Split folder, our name of the split, and the pictures' folder, whose date differs in train.
SPLITS = (
    ("keypoint_train_20170909", "train", "keypoint_train_images_20170902"),
    ("keypoint_validation_20170911", "test", "keypoint_validation_images_20170911"),
)
PREFIXES = ("ai_challenger_", "")
# AI Challenger counts the other way round: 1 seen, 2 hidden, 3 not labelled.
VISIBILITY = {1: 2, 2: 1, 3: 0}
BLOCK = 500  # entries decoded at a time: no list per number, and few objects for the collector


class _Entry(Struct, gc=False):
    image_id: str
    keypoint_annotations: dict[str, list[float]]
    human_annotations: dict[str, list[float]]


def read_aic(root: Path) -> Source:
    """AI Challenger's people with their drawn boxes; its validation split is our test.

    Raises: InputError naming the image and person at fault; RefusedError for an image_id that
        leads out of its folder.
    """
    patterns = [
        f"{prefix}{folder}/{_annotations(folder)}" for folder, *_ in SPLITS for prefix in PREFIXES
    ]
    base = find_base(root, patterns, "AI Challenger")
    columns = Columns("aic", AIC14, "drawn", VISIBILITY)
    missing: list[str] = []
    notes: list[str] = []
    for folder, split, pictures in SPLITS:
        for prefix in PREFIXES:
            path = one_file(base, f"{prefix}{folder}/{_annotations(folder)}")
            if path is not None:
                notes += _read(path, base, split, pictures, columns)
                break
        else:
            missing.append(f"{folder}/{_annotations(folder)}")
    return columns.finish(base, missing, notes)


def _annotations(folder: str) -> str:
    return f"{folder.rsplit('_', 1)[0]}_annotations_*.json"


def _read(path: Path, base: Path, split: str, pictures: str, columns: Columns) -> list[str]:
    """Add one split; returns what there is to say about it."""
    data = read_bytes(path)
    raws = decode(path, data, list[Raw])
    there = sorted(path.parent.glob(pictures.rsplit("_", 1)[0] + "_*/"))
    folder = (there[0] if there else path.parent / pictures).relative_to(base).as_posix()
    names = PictureNames(base)
    first: dict[str, int] = {}
    repeats = people = 0
    for number, entry in track(_entries(path, raws), f"aic: {split}", total=len(raws)):
        people += len(entry.human_annotations)
        start = first.setdefault(entry.image_id, number)
        if start != number:
            _refuse_difference(path, entry.image_id, raws, start, number)
            repeats += 1
            continue
        if not entry.image_id.strip():
            raise InputError(f"{path}, entry[{number}]", "image_id is empty", "mend the record")
        where = f"{path}, image {entry.image_id}"
        name = f"{entry.image_id}.jpg"
        # The split's own folder has two published names; an image's name should have one.
        row = columns.image(
            f"{folder.rsplit('/', 1)[-1]}/{name}",
            Picture(names.path(folder, name, where)),
            source_id=entry.image_id,
            split=split,
        )
        _add_people(entry, row, where, columns)
    # Each person is two lists; a key that stood twice would have lost one of them silently.
    if data.count(b"[") > 1 + 2 * people:
        refuse_repeated_keys(path, data)
    return [f"{path.name}: {repeats:,} repeated images merged"] if repeats else []


def _add_people(entry: _Entry, row: int, where: str, columns: Columns) -> None:
    keypoints, boxes = entry.keypoint_annotations, entry.human_annotations
    if keypoints.keys() != boxes.keys():
        lonely = min(keypoints.keys() ^ boxes.keys(), key=natural)
        has, lacks = ("keypoints", "box") if lonely in keypoints else ("a box", "keypoints")
        raise InputError(where, f"{lonely} has {has} but no {lacks}", "add it or leave him out")
    for name in sorted(boxes, key=natural):
        box = boxes[name]
        if len(box) != 4:
            raise InputError(
                f"{where}, {name}", f"box has {len(box)} values instead of 4", "mend the record"
            )
        x1, y1, x2, y2 = box
        columns.person(row, (x1, y1, x2 - x1, y2 - y1), keypoints[name], where, name)


def _entries(path: Path, raws: list[Raw]) -> Iterator[tuple[int, _Entry]]:
    decoder = msgspec.json.Decoder(list[_Entry])
    for start in range(0, len(raws), BLOCK):
        part = raws[start : start + BLOCK]
        try:
            block = decoder.decode(b"[" + b",".join(bytes(r) for r in part) + b"]")
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            block = [_decode_one(path, number, raw) for number, raw in enumerate(part, start)]
        yield from enumerate(block, start)


def _decode_one(path: Path, number: int, raw: Raw) -> _Entry:
    """Slowly, to name the entry that is broken."""
    try:
        entry: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        entry = None
    named = isinstance(entry, dict) and "image_id" in entry
    label = f" (image {entry['image_id']})" if named else ""
    return decode(f"{path}, entry[{number}]{label}", bytes(raw), _Entry)


def _refuse_difference(path: Path, image: str, raws: list[Raw], here: int, there: int) -> None:
    if msgspec.json.decode(raws[here]) != msgspec.json.decode(raws[there]):
        raise InputError(
            f"{path}, entry[{here}] and [{there}]",
            f"image {image} stands there twice and differs",
            "keep one of them",
        )
