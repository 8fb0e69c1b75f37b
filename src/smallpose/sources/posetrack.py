"""PoseTrack18 and 21: a JSON file per video, whose boxes are keypoint extents (paper, Sec. 3.1).

Only some frames of a video are labelled, and in those some regions are not.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from smallpose.core import boxes
from smallpose.core.errors import InputError
from smallpose.core.skeleton import POSETRACK17
from smallpose.sources.locate import PictureNames, files, find_base
from smallpose.sources.posetrack_file import Annotation, Image, ignore_regions, read_video
from smallpose.sources.source import Picture, Source
from smallpose.sources.table_builder import Columns
from smallpose.system.progress import track

# PoseTrack18's two layouts, then 21's.
LAYOUTS = ("annotations", "posetrack_data/annotations", "posetrack_data")
SPLITS = {"train": "train", "val": "test"}
GROW = 1.3  # both sides of the extent, measured on all people of the three public val files
K = len(POSETRACK17)


def read_posetrack(root: Path) -> Source:
    """PoseTrack's people in labelled frames, and its ignore regions; val is our test.

    A box that the file leaves out is the extent of the keypoints, 1.3 times as long on both sides.
    The two ears are never labelled and stay so.

    Raises: InputError naming the video and record at fault; RefusedError for a file_name that
        leads out of the root.
    """
    patterns = [f"{layout}/{split}/*.json" for layout in LAYOUTS for split in SPLITS]
    base = find_base(root, patterns, "PoseTrack")
    inner = base / "posetrack_data"
    beside = (inner / "images").is_dir() and not (base / "images").is_dir()
    pictures = PictureNames(inner if beside else base)
    columns = Columns("posetrack", POSETRACK17, "extent130", {0: 0, 1: 2, 2: 2})
    told: Counter[str] = Counter()
    names: dict[str, Path] = {}
    missing = []
    for folder, split in SPLITS.items():
        found = (files(base, f"{layout}/{folder}/*.json") for layout in LAYOUTS)
        videos: list[Path] = next(filter(None, found), [])
        if not videos:
            missing.append(f"annotations/{folder}/*.json")
        for path in track(videos, f"posetrack: {folder}"):
            _read(path, pictures, split, columns, names, told)
    return columns.finish(base, missing, [f"{n:,} {what}" for what, n in told.items()])


def _read(
    path: Path,
    pictures: PictureNames,
    split: str,
    columns: Columns,
    names: dict[str, Path],
    told: Counter[str],
) -> None:
    """Add one video; `names` are the frames of all, `told` counts what was merged or left out."""
    video = read_video(path, told)
    used = {a.image_id for a in video.annotations}
    rows: dict[int, int] = {}
    for image in video.images:
        if image.is_labeled or (image.is_labeled is None and image.id in used):
            rows[image.id] = _add_image(path, image, pictures, split, columns, names)
    if len(rows) < len(video.images):
        told["frames that are not labelled left out"] += len(video.images) - len(rows)
    for annotation in video.annotations:
        if annotation.image_id not in rows:
            told["people in frames marked as not labelled left out"] += 1
            continue
        _add_person(path, annotation, rows[annotation.image_id], columns, told)


def _add_image(
    path: Path,
    image: Image,
    pictures: PictureNames,
    split: str,
    columns: Columns,
    names: dict[str, Path],
) -> int:
    where = f"{path}, image {image.id}"
    # The pictures' folder may be a link to another disk; the file's names start above it.
    tops = ("images", f"images/{path.parent.name}")
    folder = next((t for t in reversed(tops) if image.file_name.startswith(t + "/")), ".")
    rest = image.file_name if folder == "." else image.file_name.removeprefix(folder + "/")
    picture = Picture(pictures.path(folder, rest, where))
    if image.file_name in names:
        raise InputError(
            where,
            f"{image.file_name} stands in {names[image.file_name].name} too",
            "keep one of them",
        )
    names[image.file_name] = path
    sequence = Path(image.file_name).parent.name
    row = columns.image(
        image.file_name,
        picture,
        source_id=str(image.id),
        split=split,
        group="_".join(sequence.split("_")[:2]),
        width=int(image.width or 0),
        height=int(image.height or 0),
    )
    for box in ignore_regions(image, where):
        columns.region(row, box)
    return row


def _add_person(
    path: Path, annotation: Annotation, row: int, columns: Columns, told: Counter[str]
) -> None:
    where = f"{path}, annotation {annotation.id}"
    points = annotation.keypoints or [0.0] * (3 * K)
    for name, box in (("bbox", annotation.bbox), ("bbox_head", annotation.bbox_head)):
        if box and len(box) != 4:
            raise InputError(where, f"{name} has {len(box)} values instead of 4", "mend the record")
    box = annotation.bbox or _around(points) or annotation.bbox_head
    if not box and len(points) == 3 * K:
        told["people without box and keypoints left out"] += 1
        return
    if box and annotation.iscrowd:  # not in PoseTrack's own files, but in converted ones
        columns.region(row, box)
    else:
        columns.person(row, box or (), points, where)


def _around(points: list[float]) -> list[float] | None:
    if len(points) % 3 or not any(points[2::3]):
        return None
    keypoints = np.array(points).reshape(1, -1, 3)
    grown: list[float] = boxes.grow(boxes.extent(keypoints), GROW)[0].tolist()
    return grown
