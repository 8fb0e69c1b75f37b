"""Read PoseTrack18 and 21: one JSON file per video, boxes around keypoints (paper, Sec. 3.1).

Only some frames of a video are labelled, and these may have regions that are not.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from smallpose.core import boxes
from smallpose.core.counts import format_count, format_phrase
from smallpose.core.errors import InputError
from smallpose.core.skeleton import POSETRACK17
from smallpose.sources.locate import ImagePaths, find_base, find_files
from smallpose.sources.posetrack_file import Annotation, Image, read_ignore_regions, read_video
from smallpose.sources.source import ImageFile, Source
from smallpose.sources.table_builder import TableBuilder
from smallpose.system.progress import show_progress

# PoseTrack18's two layouts, then 21's.
LAYOUTS = ("annotations", "posetrack_data/annotations", "posetrack_data")
SPLITS = {"train": "train", "val": "test"}
BOX_SCALE = 1.3  # enlargement of both sides, measured on all people of the three public val files
K = len(POSETRACK17)


def read_posetrack(root: Path) -> Source:
    """Read PoseTrack's people in labelled frames and its ignore regions; val becomes our test.

    A missing box becomes the box around the keypoints with both sides enlarged by 1.3. PoseTrack
    never labels the two ears.

    Raises: InputError naming the video and record at fault; RefusedError for a file_name that
        leaves the root.
    """
    patterns = [f"{layout}/{split}/*.json" for layout in LAYOUTS for split in SPLITS]
    base = find_base(root, patterns, "PoseTrack")
    inner = base / "posetrack_data"
    images_are_inside = (inner / "images").is_dir() and not (base / "images").is_dir()
    image_paths = ImagePaths(inner if images_are_inside else base)
    builder = TableBuilder("posetrack", POSETRACK17, "extent130", {0: 0, 1: 2, 2: 2})
    note_counts: Counter[str] = Counter()
    names: dict[str, Path] = {}
    missing = []
    for folder, split in SPLITS.items():
        candidates = (find_files(base, f"{layout}/{folder}/*.json") for layout in LAYOUTS)
        videos: list[Path] = next(filter(None, candidates), [])
        if not videos:
            missing.append(f"annotations/{folder}/*.json")
        for path in show_progress(videos, f"posetrack: {folder}"):
            _read_sequence(path, image_paths, split, builder, names, note_counts)
    return builder.finish(
        base, missing, [format_phrase(n, what) for what, n in note_counts.items()]
    )


def _read_sequence(
    path: Path,
    image_paths: ImagePaths,
    split: str,
    builder: TableBuilder,
    names: dict[str, Path],
    note_counts: Counter[str],
) -> None:
    """Add one video.

    Args:
        names: file of each frame name seen so far, over all videos.
        note_counts: counts what was merged or left out.
    """
    video = read_video(path, note_counts)
    used = {a.image_id for a in video.annotations}
    rows: dict[int, int] = {}
    for image in video.images:
        if image.is_labeled or (image.is_labeled is None and image.id in used):
            rows[image.id] = _add_image(path, image, image_paths, split, builder, names)
    if len(rows) < len(video.images):
        note_counts["frames that are not labelled left out"] += len(video.images) - len(rows)
    for annotation in video.annotations:
        if annotation.image_id not in rows:
            note_counts["people in frames marked as not labelled left out"] += 1
            continue
        _add_person(path, annotation, rows[annotation.image_id], builder, note_counts)


def _add_image(
    path: Path,
    image: Image,
    image_paths: ImagePaths,
    split: str,
    builder: TableBuilder,
    names: dict[str, Path],
) -> int:
    where = f"{path}, image {image.id}"
    # The image folder may be a link to another disk, and file names begin above it.
    prefixes = ("images", f"images/{path.parent.name}")
    folder = next((p for p in reversed(prefixes) if image.file_name.startswith(p + "/")), ".")
    relative = image.file_name if folder == "." else image.file_name.removeprefix(folder + "/")
    image_file = ImageFile(image_paths.path(folder, relative, where))
    if image.file_name in names:
        raise InputError(
            where,
            f"{image.file_name} is listed in {names[image.file_name].name} too",
            "keep one of them",
        )
    names[image.file_name] = path
    sequence = Path(image.file_name).parent.name
    row = builder.add_image(
        image.file_name,
        image_file,
        source_id=str(image.id),
        split=split,
        group="_".join(sequence.split("_")[:2]),  # the ending names the split
        width=int(image.width or 0),
        height=int(image.height or 0),
    )
    for box in read_ignore_regions(image, where):
        builder.add_ignore_region(row, box)
    return row


def _add_person(
    path: Path, annotation: Annotation, row: int, builder: TableBuilder, note_counts: Counter[str]
) -> None:
    where = f"{path}, annotation {annotation.id}"
    points = annotation.keypoints or [0.0] * (3 * K)
    for name, box in (("bbox", annotation.bbox), ("bbox_head", annotation.bbox_head)):
        if box and len(box) != 4:
            raise InputError(
                where,
                f"{name} has {format_count(len(box), 'value')} instead of 4",
                "correct the record",
            )
    box = annotation.bbox or _box_from_keypoints(points) or annotation.bbox_head
    if not box and len(points) == 3 * K:
        note_counts["people without box and keypoints left out"] += 1
        return
    if box and annotation.iscrowd:  # only in files that were converted from another format
        builder.add_ignore_region(row, box)
    else:
        builder.add_person(
            row,
            box or (),
            points,
            where,
            track_id=annotation.track_id,
            head_xywh=annotation.bbox_head or None,
        )


def _box_from_keypoints(points: list[float]) -> list[float] | None:
    if len(points) % 3 or not any(points[2::3]):
        return None
    keypoints = np.array(points).reshape(1, -1, 3)
    enlarged: list[float] = boxes.scale_boxes(boxes.box_around_keypoints(keypoints), BOX_SCALE)[
        0
    ].tolist()
    return enlarged
