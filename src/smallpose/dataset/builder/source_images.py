"""Check the image files of a source: missing, unreadable, or of another size than annotated."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count, format_share
from smallpose.core.errors import InputError, SmallposeError
from smallpose.core.instances import Instances
from smallpose.dataset.builder.build_folder import BuildFolder
from smallpose.dataset.builder.turn_images import (
    choose_turned_images,
    format_source_flag,
    write_turned_images,
)
from smallpose.dataset.builder.video_frames import extract_frames
from smallpose.dataset.image_headers import read_headers
from smallpose.dataset.options import BuildOptions
from smallpose.dataset.pillow_images import ImageHeader
from smallpose.dataset.place_images import check_files_exist
from smallpose.sources.locate import list_archives
from smallpose.sources.source import Source
from smallpose.system.progress import print_status

_MAX_PRINTED = 3

Sizes = dict[int, tuple[int, int]]


def check_source_images(
    source: Source,
    build: BuildFolder,
    options: BuildOptions,
    indexed: Mapping[str, Mapping[str, object]] | None = None,
) -> tuple[Source, list[str], list[tuple[str, str]]]:
    """Read the sizes of a source's images, turn some, and drop those that cannot be used.

    Args:
        indexed: the images of an index, which records those that were turned.
    Returns: the source, with a size for every image whose file exists; notes on its images; and
        the file name of each unreadable image with the reason.
    Raises: InputError for missing images, too many unreadable ones, and wrong sizes.
    """
    has_file = np.array(check_files_exist(source.image_files), dtype=bool)
    frames = [r for r, f in enumerate(source.image_files) if f.frame is not None and has_file[r]]
    sizes, notes = extract_frames(source, frames, build, options.workers)
    has_file[[row for row in frames if row not in sizes]] = False
    for note in notes:
        print_status(f"{source.name}: {note}")
    if not has_file.all() and options.missing_images == "refuse":
        _raise_missing_images(source, has_file, notes)
    rows = [r for r in np.flatnonzero(has_file).tolist() if source.image_files[r].frame is None]
    headers, errors = _read_headers(source, rows, options)
    if indexed is None:
        turned = choose_turned_images(source, headers, options, notes)
        orientations = {row: headers[row].orientation for row in turned}
    else:
        orientations = _get_indexed_orientations(source, headers, indexed)
    errors |= write_turned_images(source, orientations, build, options.workers)
    _check_unreadable(source, errors, len(rows), options.max_unreadable, notes)
    sizes |= {r: h.shown_wh if r in orientations else h.stored_wh for r, h in headers.items()}
    people = _set_image_sizes(source, sizes, options.trust_file, notes)
    names = source.people.images.file_names
    unreadable = [(names[row], f"{error.what}") for row, error in errors.items()]
    image_files = tuple(
        file._replace(orientation=orientations[row]) if row in orientations else file
        for row, file in enumerate(source.image_files)
    )
    source = replace(source, people=people, image_files=image_files)
    drops_missing = options.missing_images == "drop"
    dropped = [
        row
        for row in range(len(has_file))
        if row in errors or (drops_missing and not has_file[row])
    ]
    if dropped:
        num_missing = len(dropped) - len(errors)
        if num_missing:
            print_status(
                f"{source.name}: left out {num_missing:,} of "
                f"{format_count(len(has_file), 'image')}, which are missing"
            )
        source = drop_images(source, dropped)
    return source, notes, unreadable


def drop_images(source: Source, rows: Sequence[int]) -> Source:
    """Return the source without the images of `rows` and their people."""
    kept = np.delete(np.arange(len(source.image_files)), rows)
    return replace(
        source,
        people=source.people.take_images(kept),
        image_files=tuple(source.image_files[r] for r in kept.tolist()),
        splits=tuple(source.splits[r] for r in kept.tolist()),
    )


def _read_headers(
    source: Source, rows: Sequence[int], options: BuildOptions
) -> tuple[dict[int, ImageHeader], dict[int, SmallposeError]]:
    """Read the headers of the image files of `rows`.

    Returns: row to header, and row to error for unreadable images.
    """
    results = read_headers([source.image_files[r].file for r in rows], options.workers)
    headers = {r: h for r, h in zip(rows, results, strict=True) if isinstance(h, ImageHeader)}
    errors = {r: e for r, e in zip(rows, results, strict=True) if isinstance(e, SmallposeError)}
    return headers, errors


def _get_indexed_orientations(
    source: Source,
    headers: Mapping[int, ImageHeader],
    indexed: Mapping[str, Mapping[str, object]],
) -> dict[int, int]:
    """Return the orientation of each image that was turned when the index was made.

    Another orientation in the file is found later, by the hash of the file.
    """
    names = source.people.images.file_names
    recorded = {row: indexed[names[row]].get("orientation") for row in headers}
    return {row: o for row, o in recorded.items() if isinstance(o, int) and 2 <= o <= 8}


def _check_unreadable(
    source: Source,
    errors: Mapping[int, SmallposeError],
    num_images: int,
    max_share: float,
    notes: list[str],
) -> None:
    """Note the unreadable images; raise an error if there are too many."""
    if errors:
        _check_unreadable_share(source, errors, num_images, max_share)
        notes.append(
            f"left out {format_count(len(errors), 'unreadable image')}, which manifest.json lists"
        )
        print_status(f"{source.name}: {notes[-1]}")
        for error in list(errors.values())[:_MAX_PRINTED]:
            print_status(f"{source.name}: {error}")


def _raise_missing_images(
    source: Source, has_file: NDArray[np.bool_], notes: Sequence[str]
) -> None:
    rows = np.flatnonzero(~has_file)
    first_names = [source.people.images.file_names[r] for r in rows[:3]]
    folder = source.image_files[rows[0]].path.parent
    remedy = "download them"
    if not folder.is_dir():
        archives = list_archives(source.root) + list_archives(folder.parent)
        remedy = f"put them into {folder}, which does not exist"
        if archives:
            remedy = f"unpack {archives[0]}"
    elif not os.access(folder, os.R_OK | os.X_OK):
        remedy = f"allow reading {folder} (chmod u+rx)"
    first_note = "".join(f"; {note}" for note in notes[:1])
    raise InputError(
        format_source_flag(source.name, source.root),
        f"{format_share(int((~has_file).sum()), len(has_file), 'image is', 'images are')} missing "
        f"(first: {', '.join(first_names)}){first_note}",
        f"{remedy}, or use --missing-images drop or keep",
    )


def _check_unreadable_share(
    source: Source, errors: Mapping[int, SmallposeError], num_images: int, max_share: float
) -> None:
    """Raise an error if more than a share of the images is unreadable."""
    if len(errors) <= max_share * num_images:
        return
    first = next(iter(errors.values()))
    share = _format_sufficient_share(len(errors), num_images)
    # The class is that of the first error, so that an image refused for safety exits with 3.
    raise type(first)(
        format_source_flag(source.name, first.where),
        f"{first.what}; {format_share(len(errors), num_images, 'image is', 'images are')} "
        "unreadable",
        f"{first.remedy}, or leave such images out with --max-unreadable {share}",
    )


def _format_sufficient_share(num_errors: int, num_images: int) -> str:
    """Return the smallest percentage that allows so many errors."""
    return f"{np.ceil(1000 * 100 * num_errors / num_images) / 1000:g}%"


def _set_image_sizes(
    source: Source, sizes: Mapping[int, tuple[int, int]], trust_file: bool, notes: list[str]
) -> Instances:
    """Set the sizes of the images; raise InputError where annotations declare another size."""
    images = source.people.images
    width, height = images.width.copy(), images.height.copy()
    num_different = 0
    for row, size in sizes.items():
        annotated = (int(width[row]), int(height[row]))
        if 0 not in annotated and annotated != size:
            num_different += 1
            if not trust_file:
                raise InputError(
                    format_source_flag(source.name, f"{source.root}, {images.file_names[row]}"),
                    f"the image is {size[0]} × {size[1]}, but its annotation declares "
                    f"{annotated[0]} × {annotated[1]}",
                    "use the image that was annotated, or --trust file to use the image's size",
                )
        width[row], height[row] = size
    if num_different:
        notes.append(
            f"{format_count(num_different, 'image has', 'images have')} another size than their "
            "annotations declare; the image's size is used"
        )
        print_status(f"{source.name}: {notes[-1]}")
    return replace(source.people, images=replace(images, width=width, height=height))
