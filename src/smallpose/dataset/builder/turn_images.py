"""Turn the images of a source by their EXIF orientation, where the user asks for it."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from smallpose.core.counts import choose_verb, format_count
from smallpose.core.errors import InputError, RunError, SmallposeError
from smallpose.dataset.builder.build_folder import BuildFolder
from smallpose.dataset.exif_orientation import choose_turned_rows, infer_label_grids, turn_image
from smallpose.dataset.options import BuildOptions
from smallpose.dataset.pillow_images import ImageHeader
from smallpose.sources import READERS
from smallpose.sources.source import Source
from smallpose.system.files import check_file_name
from smallpose.system.progress import print_status, show_progress


def format_source_flag(name: str, value: object) -> str:
    """Return the command-line flag of a source with its value."""
    return f"--{name} {value}" if name in READERS else f"--source {name}={value}"


def choose_turned_images(
    source: Source, headers: Mapping[int, ImageHeader], options: BuildOptions, notes: list[str]
) -> list[int]:
    """Choose the images to turn, among those that viewers turn.

    Without `--exif apply` none is turned, with it those of `choose_turned_rows`.

    Args:
        headers: row of an image to its header.
        notes: receives what was done.
    Raises: InputError where labels refer to the shown grid and `--exif apply` is not given.
    """
    rotated = [row for row, header in headers.items() if header.orientation != 1]
    if not rotated:
        return []
    grids = infer_label_grids(source.people, {row: headers[row] for row in rotated})
    shown = [row for row in rotated if grids[row] == "shown"]
    if not options.apply_exif:
        if shown:
            _raise_shown_grid(source, headers[shown[0]], shown)
        notes.append(
            f"{format_count(len(rotated), 'image has', 'images have')} an EXIF orientation, "
            "which is ignored: labels are taken to refer to the stored grid (--exif apply "
            "turns the images if not)"
        )
        print_status(f"{source.name}: {notes[-1]}")
        return []
    turned = choose_turned_rows(grids)
    notes.append(
        f"{format_count(len(turned), 'image was turned by its', 'images were turned by their')} "
        "EXIF orientation"
    )
    num_kept = len(rotated) - len(turned)
    if num_kept:
        first = next(row for row in rotated if grids[row] == "stored")
        notes[-1] += (
            f"; {num_kept:,} {choose_verb(num_kept, 'were')} not, because labels refer to the "
            "stored grid "
            f"(first: {source.people.images.file_names[first]})"
        )
    print_status(f"{source.name}: {notes[-1]}")
    return turned


def _raise_shown_grid(source: Source, header: ImageHeader, rows: Sequence[int]) -> None:
    name = source.people.images.file_names[rows[0]]
    stored, shown = (f"{w} × {h}" for w, h in (header.stored_wh, header.shown_wh))
    others = f" (and {format_count(len(rows) - 1, 'image')} more)" if len(rows) > 1 else ""
    raise InputError(
        format_source_flag(source.name, f"{source.root}, {name}"),
        f"its labels refer to the image as viewers show it, {shown}, turned by EXIF from the "
        f"stored {stored}{others}",
        "use --exif apply, which turns the image and keeps the labels",
    )


def write_turned_images(
    source: Source, orientations: Mapping[int, int], build: BuildFolder, workers: int
) -> dict[int, SmallposeError]:
    """Write turned images of a source into the unfinished data set, in threads.

    Args:
        orientations: row of an image to its EXIF orientation.
    Returns: row to error for images that cannot be decoded.
    """
    names = source.people.images.file_names

    def write_one(item: tuple[int, int]) -> SmallposeError | None:
        row, orientation = item
        try:
            data = turn_image(source.image_files[row].file, orientation)
        except SmallposeError as error:
            return error
        _write_image(build.data_set / "images", names[row], data)
        return None

    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(write_one, orientations.items())
        shown = show_progress(results, "turning images", total=len(orientations))
        errors = dict(zip(orientations, shown, strict=True))
    return {row: error for row, error in errors.items() if error is not None}


def _write_image(folder: Path, name: str, data: bytes) -> None:
    # Links that an interrupted build left here are replaced, not followed.
    check_file_name(name, folder)
    target = folder / name
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        part.write_bytes(data)
        part.replace(target)
    except OSError as error:
        raise RunError(
            str(target), f"{error.strerror} while writing", "free some space and run it again"
        ) from None
