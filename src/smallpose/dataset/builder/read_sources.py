"""Read the sources one after the other, check their images, and merge them into one table."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import clip_boxes
from smallpose.core.concat_instances import concat_instances
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.core.packed_keypoints import pack_keypoints
from smallpose.dataset.builder.build_folder import BuildFolder
from smallpose.dataset.builder.source_images import check_source_images, drop_images
from smallpose.dataset.builder.turn_images import format_source_flag
from smallpose.dataset.options import BuildOptions
from smallpose.dataset.place_images import check_files_exist, split_folder
from smallpose.io.label_faults import describe_wrong_units
from smallpose.sources.locate import is_archive_name
from smallpose.sources.shared_videos import tie_clips_to_mpii
from smallpose.sources.source import ImageFile, ListedImage, Source
from smallpose.system.progress import print_status

Reader = Callable[[Path], Source]

_PEOPLE_PER_BLOCK = 8192  # whose boxes are clipped at once

# The sources' own names of their splits. MPII and HiEve publish labels of their training images
# only, which the builder splits.
SPLIT_NAMES = {
    "coco": {"test": "val"},
    "mpii": {"": "train"},
    "aic": {"test": "validation"},
    "hieve": {"": "train"},
    "posetrack": {"test": "val"},
}


@dataclass(frozen=True)
class SourceSummary:
    """What the manifest records about a source.

    Args:
        name, root: its name and its folder.
        images_read, people_read: counts in its annotation files.
        images_missing: images that were left out because they are missing or unreadable.
        missing: annotation files of the published layout that do not exist.
        notes: what was merged, repaired or left out.
        unreadable: file name and reason of each unreadable image.
        link_roots: the folders that links to its images lead to.
    """

    name: str
    root: Path
    images_read: int
    people_read: int
    images_missing: int
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]
    link_roots: tuple[str, ...]


@dataclass(frozen=True)
class MergedSources:
    """All sources in one table.

    Args:
        people: people with the 21 joints, their boxes clipped to the images.
        image_files: (m,) location of each image of `people.images`.
        has_file: (m,) whether the file exists.
        official: (m,) the source's own split, "" where it has none.
        summaries: the sources.
        notes: notes on people whose boxes have no area.
    """

    people: Instances
    image_files: list[ImageFile]
    has_file: NDArray[np.bool_]
    official: list[str]
    summaries: list[SourceSummary]
    notes: list[str]


def read_sources(
    readers: Mapping[str, Reader],
    roots: Mapping[str, Path],
    build: BuildFolder,
    options: BuildOptions,
    indexed: Mapping[str, Mapping[str, object]] | None = None,
) -> MergedSources:
    """Read every source of `roots` and merge them.

    Args:
        indexed: the images of an index. Other images are dropped, and files of images that had
            none when the index was made are ignored.
    Raises: InputError for a source with errors, missing images, or too many unreadable ones;
        RefusedError for a path that leaves its root.
    """
    sources, summaries = _read_each_source(readers, roots, build, options, indexed)
    image_files = [file for s in sources for file in s.image_files]
    official = [split for s in sources for split in s.splits]
    people = concat_instances([s.people for s in sources], mapped=True)
    del sources
    people, box_notes = _clip_boxes_to_images(people)
    has_file = np.array(check_files_exist(image_files), dtype=bool)
    if indexed is not None:
        names = people.images.file_names
        has_file &= np.array(["sha256" in indexed[name] for name in names], dtype=bool)
    return MergedSources(people, image_files, has_file, official, summaries, box_notes)


def _read_each_source(
    readers: Mapping[str, Reader],
    roots: Mapping[str, Path],
    build: BuildFolder,
    options: BuildOptions,
    indexed: Mapping[str, Mapping[str, object]] | None,
) -> tuple[list[Source], list[SourceSummary]]:
    sources = []
    summaries = []
    listed_images: tuple[ListedImage, ...] = ()
    for name in readers:
        if name in roots:
            source = _read_source(name, readers[name], roots[name], listed_images)
            source = _record_source_splits(_pack_keypoints(source))
            listed_images = listed_images or source.listed_images
            if indexed is not None:
                source = _keep_indexed_images(source, indexed)
            kept, notes, unreadable = check_source_images(source, build, options, indexed)
            sources.append(kept)
            summaries.append(_summarise_source(source, kept, notes, unreadable))
    return sources, summaries


def _read_source(
    name: str, reader: Reader, root: Path, listed_images: Sequence[ListedImage]
) -> Source:
    if not root.is_dir():
        what = "is a file" if root.is_file() else "no such folder"
        remedy = f"name the folder that contains {name}"
        if root.is_file() and is_archive_name(root.name):
            what = "is an archive"
            remedy = "unpack it and name that folder"
        raise InputError(format_source_flag(name, root), what, remedy)
    print_status(f"{name}: reading annotations in {root}")
    source = reader(root)
    _refuse_wrong_units(name, root, source.people)
    if name == "posetrack" and listed_images:
        source = tie_clips_to_mpii(source, listed_images)
    print_status(
        f"{name}: {format_count(len(source.people.images), 'image')}, "
        f"{format_count(int(source.people.is_counted.sum()), 'person', 'people')} with keypoints "
        f"in {source.root}"
    )
    for missing in source.missing:
        print_status(f"{name}: missing: {missing}")
    for note in source.people.notes:
        print_status(f"{name}: {note}")
    return source


def _refuse_wrong_units(name: str, root: Path, people: Instances) -> None:
    """Raise InputError for boxes that are no x, y, width, height in px, and keypoints as shares.

    Clipped to their images, such boxes look like boxes, and the sizes of people would be wrong.
    """
    for message in describe_wrong_units(people):
        what, _, remedy = message.partition("; ")
        raise InputError(format_source_flag(name, root), what, f"convert the labels: {remedy}")


def _pack_keypoints(source: Source) -> Source:
    """Pack the keypoints, where none loses a digit, before the next source is read."""
    if not isinstance(source.people.keypoints, np.ndarray):
        return source
    packed: Any = pack_keypoints(source.people.keypoints)
    if packed is None:
        return source
    return replace(source, people=replace(source.people, keypoints=packed))


def _record_source_splits(source: Source) -> Source:
    """Record the source's own name of each image's split, unless its reader has done so."""
    images = source.people.images
    if images.source_splits:
        return source
    names = SPLIT_NAMES.get(source.name, {})
    splits = tuple(names.get(split, split) for split in source.splits)
    if not any(splits):
        return source
    images = replace(images, source_splits=splits)
    return replace(source, people=replace(source.people, images=images))


def _keep_indexed_images(source: Source, indexed: Mapping[str, Mapping[str, object]]) -> Source:
    """Keep the images of an index; the path of an image without a file leads nowhere."""
    names = source.people.images.file_names
    others = [row for row, name in enumerate(names) if name not in indexed]
    source = drop_images(source, others)
    image_files = tuple(
        file if "sha256" in indexed[name] else ImageFile("")
        for name, file in zip(source.people.images.file_names, source.image_files, strict=True)
    )
    return replace(source, image_files=image_files)


def _summarise_source(
    source: Source, kept: Source, notes: list[str], unreadable: list[tuple[str, str]]
) -> SourceSummary:
    root = os.path.realpath(source.root)
    prefixes = {split_folder(image_file.file)[0] for image_file in kept.image_files}
    folders = {os.path.realpath(os.path.dirname(prefix)) for prefix in prefixes}  # noqa: PTH120
    return SourceSummary(
        name=source.name,
        root=source.root,
        images_read=len(source.people.images),
        people_read=int(source.people.is_counted.sum()),
        images_missing=len(source.people.images) - len(kept.people.images),
        missing=source.missing,
        notes=(*source.people.notes, *notes),
        unreadable=tuple(unreadable),
        link_roots=(root, *sorted(f for f in folders if not f.startswith(root + os.sep))),
    )


def _clip_boxes_to_images(people: Instances) -> tuple[Instances, list[str]]:
    """Clip the boxes to the images; people whose boxes have no area become ignore regions."""
    sizes = np.stack([people.images.width, people.images.height]).astype(np.float64)
    boxes = np.empty_like(people.boxes_xywh)
    for start in range(0, len(people), _PEOPLE_PER_BLOCK):
        rows = slice(start, start + _PEOPLE_PER_BLOCK)
        block = people.boxes_xywh[rows]
        block = np.where(_has_area(block)[:, None], block, 0.0)
        boxes[rows] = clip_boxes(block, *sizes[:, people.image_rows[rows]])
    lost = ~_has_area(boxes) & people.is_counted
    notes = []
    keypoints: Any = people.keypoints
    if lost.any():
        first = int(np.argmax(lost))
        name = people.images.file_names[people.image_rows[first]]
        notes.append(
            f"{format_count(int(lost.sum()), 'person', 'people')} whose boxes have no area inside "
            f"the image became ignore regions (first: in {name})"
        )
        print_status(notes[0])
        keypoints = keypoints.clear(lost)
    clipped = replace(
        people,
        boxes_xywh=boxes,
        keypoints=keypoints,
        num_keypoints=np.where(lost, 0, people.num_keypoints),
        iscrowd=people.iscrowd | lost,
        file_area=np.full(len(people), np.nan),
    )
    return clipped, notes


def _has_area(boxes_xywh: NDArray[np.float64]) -> NDArray[np.bool_]:
    x, y, width, height = boxes_xywh.T
    is_finite = np.isfinite(x) & np.isfinite(y) & np.isfinite(width) & np.isfinite(height)
    return np.asarray(is_finite & (width > 0) & (height > 0))
