"""Sources read one after the other, their pictures looked at, and all put into one table."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.core.boxes import clip_boxes
from smallpose.core.errors import InputError, SmallposeError
from smallpose.core.instances import Instances, concat_instances
from smallpose.dataset.builder.build_folder import BuildFolder
from smallpose.dataset.builder.video_frames import extract_frames
from smallpose.dataset.image_headers import ImageHeader, read_headers
from smallpose.dataset.options import BuildOptions
from smallpose.dataset.place_images import check_files_exist
from smallpose.sources import READERS
from smallpose.sources.locate import list_archives
from smallpose.sources.source import ImageFile, Source
from smallpose.system.progress import print_status

Reader = Callable[[Path], Source]


@dataclass(frozen=True)
class SourceSummary:
    """What the manifest says of a source.

    Args:
        name, root: which, and where it was found.
        images_read, people_read: as its files have them.
        images_missing: pictures that were left out because they are missing or unreadable.
        missing: annotation files of the published layout that were not there.
        notes: what was merged, repaired or left out.
        unreadable: file name and reason of each picture that is no whole picture.
        link_roots: the folders that links to its pictures lead to.
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
    """All sources together.

    Args:
        people: in the 21 joints, boxes cut at the image's edge.
        pictures: (m,) where each image of `people.images` lies.
        there: (m,) whether it does.
        official: (m,) the source's own split, "" where it has none.
        origins: the sources.
        notes: what became of people whose box has no area.
    """

    people: Instances
    pictures: list[ImageFile]
    there: NDArray[np.bool_]
    official: list[str]
    origins: list[SourceSummary]
    notes: list[str]


def read_sources(
    readers: Mapping[str, Reader],
    roots: Mapping[str, Path],
    place: BuildFolder,
    options: BuildOptions,
    only: Mapping[str, Mapping[str, object]] | None = None,
) -> MergedSources:
    """Read every source of `roots`.

    Args:
        only: the pictures of an index: other images are not looked at, and neither are the
            pictures of those that had none when the index was made.
    Raises: InputError for a source at fault, for missing and for too many unreadable pictures;
        RefusedError for a path that leaves its root.
    """
    sources, origins = _read_each_source(readers, roots, place, options, only)
    pictures = [p for s in sources for p in s.image_files]
    official = [split for s in sources for split in s.splits]
    people = concat_instances([s.people for s in sources])
    del sources  # at a million people, half a gigabyte
    people, lost = _clip_all_boxes(people)
    there = np.array(check_files_exist(pictures), dtype=bool)
    if only is not None:
        there &= np.array(["sha256" in only[n] for n in people.images.file_names], dtype=bool)
    return MergedSources(people, pictures, there, official, origins, lost)


def _read_each_source(
    readers: Mapping[str, Reader],
    roots: Mapping[str, Path],
    place: BuildFolder,
    options: BuildOptions,
    only: Mapping[str, Mapping[str, object]] | None,
) -> tuple[list[Source], list[SourceSummary]]:
    sources, origins = [], []
    for name in readers:
        if name in roots:
            source = _read_source(name, readers[name], roots[name])
            if only is not None:
                source = _keep_indexed_images(source, only)
            kept, notes, unreadable = _check_images(source, place, options)
            sources.append(kept)
            origins.append(_summarise_source(source, kept, notes, unreadable))
    return sources, origins


def format_source_flag(name: str, where: object) -> str:
    """How the command line names a source: the published ones by flags of their own."""
    return f"--{name} {where}" if name in READERS else f"--source {name}={where}"


def _read_source(name: str, reader: Reader, root: Path) -> Source:
    if not root.is_dir():
        what = "is a file" if root.is_file() else "no such folder"
        raise InputError(format_source_flag(name, root), what, f"name the folder that holds {name}")
    print_status(f"{name}: reading annotations in {root}")
    source = reader(root)
    print_status(
        f"{name}: {len(source.people.images):,} images, "
        f"{int(source.people.is_counted.sum()):,} people with keypoints in {source.root}"
    )
    for missing in source.missing:
        print_status(f"{name}: not there: {missing}")
    for note in source.people.notes:
        print_status(f"{name}: {note}")
    return source


def _keep_indexed_images(source: Source, pictures: Mapping[str, Mapping[str, object]]) -> Source:
    """The images of an index; those that had no picture get a path that leads nowhere."""
    names = source.people.images.file_names
    out = [row for row, name in enumerate(names) if name not in pictures]
    source = _drop_images(source, out)
    shown = tuple(
        picture if "sha256" in pictures[name] else ImageFile("")
        for name, picture in zip(source.people.images.file_names, source.image_files, strict=True)
    )
    return replace(source, image_files=shown)


def _summarise_source(
    source: Source, kept: Source, notes: list[str], unreadable: list[tuple[str, str]]
) -> SourceSummary:
    root = os.path.realpath(source.root)
    folders = {os.path.realpath(f) for f in {os.path.split(p.file)[0] for p in kept.image_files}}
    return SourceSummary(
        source.name,
        source.root,
        len(source.people.images),
        int(source.people.is_counted.sum()),
        len(source.people.images) - len(kept.people.images),
        source.missing,
        (*source.people.notes, *notes),
        tuple(unreadable),
        (root, *sorted(f for f in folders if not f.startswith(root + os.sep))),
    )


def _check_images(
    source: Source, place: BuildFolder, options: BuildOptions
) -> tuple[Source, list[str], list[tuple[str, str]]]:
    """The source with sizes for every image whose picture is there, without those that must go;
    what there is to say about it; and the unreadable pictures with the reason.
    """
    there = np.array(check_files_exist(source.image_files), dtype=bool)
    frames = [r for r, p in enumerate(source.image_files) if p.frame is not None and there[r]]
    sizes, notes = extract_frames(source, frames, place, options.workers)
    there[[r for r in frames if r not in sizes]] = False
    for note in notes:
        print_status(f"{source.name}: {note}")
    if not there.all() and options.missing_images == "refuse":
        _raise_missing_images(source, there, notes)
    rows = [r for r in np.flatnonzero(there).tolist() if source.image_files[r].frame is None]
    found = read_headers([source.image_files[r].file for r in rows], options.workers)
    headers = {r: h for r, h in zip(rows, found, strict=True) if isinstance(h, ImageHeader)}
    errors = {r: e for r, e in zip(rows, found, strict=True) if isinstance(e, SmallposeError)}
    if errors:
        _check_unreadable_share(source, errors, len(rows), options.max_unreadable)
        notes.append(f"{len(errors):,} unreadable pictures left out, manifest.json lists them")
        print_status(f"{source.name}: {notes[-1]}")
        for error in list(errors.values())[:3]:
            print_status(f"{source.name}: {error}")
    turned = sum(h.has_exif_orientation for h in headers.values())
    if turned:
        notes.append(
            f"{turned:,} pictures have an EXIF orientation; labels are taken to be in the stored "
            "grid, which is what smallpose reads"
        )
        print_status(f"{source.name}: {notes[-1]}")
    sizes |= {r: (h.width, h.height) for r, h in headers.items()}
    people = _set_image_sizes(source, sizes, options.trust_file, notes)
    out = [r for r in range(len(there)) if r in errors or not there[r]]
    if options.missing_images != "drop":
        out = [r for r in out if r in errors]
    names = source.people.images.file_names
    unreadable = [(names[r], f"{e.what}") for r, e in errors.items()]
    source = replace(source, people=people)
    if out:
        lacking = len(out) - len(errors)
        if lacking:
            print_status(
                f"{source.name}: {lacking:,} of {len(there):,} pictures are missing; left out"
            )
        source = _drop_images(source, out)
    return source, notes, unreadable


def _raise_missing_images(source: Source, there: NDArray[np.bool_], notes: Sequence[str]) -> None:
    rows = np.flatnonzero(~there)
    gone = [source.people.images.file_names[r] for r in rows[:3]]
    folder = source.image_files[rows[0]].path.parent
    fetch = "fetch them"
    if not folder.is_dir():
        packed = list_archives(source.root) + list_archives(folder.parent)
        absent = f"put them into {folder}, which is not there"
        fetch = f"unpack {packed[0]}" if packed else absent
    elif not os.access(folder, os.R_OK | os.X_OK):
        fetch = f"allow reading {folder} (chmod u+rx)"
    torn = "".join(f"; {note}" for note in notes[:1])
    raise InputError(
        format_source_flag(source.name, source.root),
        f"{int((~there).sum()):,} of {len(there):,} pictures are missing "
        f"(first: {', '.join(gone)}){torn}",
        f"{fetch}, or use --missing-images drop or keep",
    )


def _check_unreadable_share(
    source: Source, errors: Mapping[int, SmallposeError], looked_at: int, share: float
) -> None:
    if len(errors) <= share * looked_at:
        return
    first = next(iter(errors.values()))
    # The first one's own kind: a picture refused for safety is refused for safety here too.
    raise type(first)(
        format_source_flag(source.name, first.where),
        f"{first.what}; {len(errors):,} of {looked_at:,} pictures are unreadable",
        f"{first.remedy}, or leave such pictures out with --max-unreadable {_format_sufficient_share(errors, looked_at)}",
    )


def _format_sufficient_share(errors: Mapping[int, SmallposeError], looked_at: int) -> str:
    """A share that allows so many, as a percentage."""
    return f"{np.ceil(1000 * 100 * len(errors) / looked_at) / 1000:g}%"


def _set_image_sizes(
    source: Source, sizes: Mapping[int, tuple[int, int]], trust_file: bool, notes: list[str]
) -> Instances:
    images = source.people.images
    width, height = images.width.copy(), images.height.copy()
    differ = 0
    for row, size in sizes.items():
        said = (int(width[row]), int(height[row]))
        if 0 not in said and said != size:
            differ += 1
            if not trust_file:
                raise InputError(
                    format_source_flag(source.name, f"{source.root}, {images.file_names[row]}"),
                    f"the picture is {size[0]} × {size[1]}, its annotation says "
                    f"{said[0]} × {said[1]}",
                    "use the picture that was annotated, or --trust file to believe the picture",
                )
        width[row], height[row] = size
    if differ:
        notes.append(f"{differ:,} pictures have another size than their annotation said; trusted")
        print_status(f"{source.name}: {notes[-1]}")
    return replace(source.people, images=replace(images, width=width, height=height))


def _drop_images(source: Source, rows: Sequence[int]) -> Source:
    kept = np.delete(np.arange(len(source.image_files)), rows)
    return replace(
        source,
        people=source.people.take_images(kept),
        image_files=tuple(source.image_files[r] for r in kept.tolist()),
        splits=tuple(source.splits[r] for r in kept.tolist()),
    )


def _clip_all_boxes(people: Instances) -> tuple[Instances, list[str]]:
    """Boxes cut at the image's edge; a box without area becomes a region to ignore."""
    width = people.images.width[people.image_rows].astype(np.float64)
    height = people.images.height[people.image_rows].astype(np.float64)
    boxes = np.where(_has_area(people.boxes_xywh)[:, None], people.boxes_xywh, 0.0)
    boxes = clip_boxes(boxes, width, height)
    lost = ~_has_area(boxes) & people.is_counted
    notes = []
    if lost.any():
        first = int(np.argmax(lost))
        name = people.images.file_names[people.image_rows[first]]
        notes.append(
            f"{int(lost.sum()):,} people whose box has no area inside the image became regions to "
            f"ignore (first: in {name})"
        )
        print_status(notes[0])
        people.keypoints[lost] = 0.0  # in place: the table was made a moment ago, and it is large
    return (
        replace(
            people,
            boxes_xywh=boxes,
            num_keypoints=np.where(lost, 0, people.num_keypoints),
            iscrowd=people.iscrowd | lost,
            file_area=np.full(len(people), np.nan),
        ),
        notes,
    )


def _has_area(boxes_xywh: NDArray[np.float64]) -> NDArray[np.bool_]:
    sides = boxes_xywh[:, 2:]
    return np.asarray((np.isfinite(boxes_xywh).all(axis=1)) & (sides > 0).all(axis=1))
