"""Near-duplicates side by side, as one picture: what a search for leaks found, to be looked at."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from smallpose.core.errors import InputError, RefusedError
from smallpose.dataloading.images import read_image
from smallpose.dataset.builder.leak_step import LEAKS_FILE
from smallpose.dataset.built_set import BuiltSet, open_set
from smallpose.report.images.contact_sheet import INK, QUIET, load_font
from smallpose.report.images.encode import encode_image
from smallpose.report.images.pose_drawing import RgbImage
from smallpose.system.files import write_atomically
from smallpose.system.json_decode import read_json
from smallpose.system.progress import print_status

MAX_PAIRS = 48  # at most on a sheet
_CELL_WH, _PER_LINE, _GAP, _PAD = (300, 225), 3, 10, 40

Read = Callable[[str], RgbImage | None]


def draw_leak_pairs(folder: Path, target: Path) -> None:
    """The pairs that a build found, drawn to `target`; nothing where it found none."""
    pairs = read_json(folder / LEAKS_FILE, dict)["pairs"]
    draw_image_pairs(pairs, open_set_reader(open_set(folder)), target)


def open_set_reader(built: BuiltSet) -> Read:
    """A reader of a set's pictures by file name."""

    def read(name: str) -> RgbImage | None:
        path = built.find_image(name)
        return None if path is None else read_image(path)

    return read


def draw_image_pairs(pairs: Sequence[Mapping[str, Any]], read: Read, target: Path) -> None:
    """Leaks first, then by similarity, the least alike of the leaks last.

    Args:
        pairs: records with `first`, `second`, `kind`, `similarity`, `leak`.
        read: a picture by its file name; None where it is not there.
    """
    order = sorted(pairs, key=lambda p: (not p["leak"], -p["similarity"], p["first"]))
    shown: list[tuple[Mapping[str, Any], RgbImage, RgbImage]] = []
    for pair in order:
        if len(shown) == MAX_PAIRS:
            break
        try:
            both = read(pair["first"]), read(pair["second"])
        except (InputError, RefusedError):
            continue
        if both[0] is not None and both[1] is not None:
            shown.append((pair, both[0], both[1]))
    if not shown:
        print_status("no near-duplicates to draw")
        return
    write_atomically(target, encode_image(_draw_sheet(shown, len(pairs)), "png"))
    print_status(f"{target}: {len(shown):,} of {len(pairs):,} pairs")


def _draw_sheet(
    shown: Sequence[tuple[Mapping[str, Any], RgbImage, RgbImage]], total: int
) -> RgbImage:
    wide, high = 2 * _CELL_WH[0] + 4, _CELL_WH[1] + 58
    lines = -(-len(shown) // _PER_LINE)
    width = 2 * _PAD + _PER_LINE * wide + (_PER_LINE - 1) * 4 * _GAP
    canvas = Image.new("RGB", (width, 130 + lines * (high + 2 * _GAP) + _PAD), (255, 255, 255))
    pen = ImageDraw.Draw(canvas)
    title = f"Near-duplicates: {len(shown):,} of {total:,} pairs"
    pen.text((_PAD, _PAD), title, INK, font=load_font(36, bold=True))
    note = "Leaks between train and test first, then by similarity."
    pen.text((_PAD, _PAD + 46), note, QUIET, font=load_font(22))
    for number, (pair, *both) in enumerate(shown):
        x = _PAD + number % _PER_LINE * (wide + 4 * _GAP)
        y = 130 + number // _PER_LINE * (high + 2 * _GAP)
        for side, picture in enumerate(both):
            thumb = Image.fromarray(np.ascontiguousarray(picture))
            thumb.thumbnail(_CELL_WH)
            canvas.paste(thumb, (x + side * (_CELL_WH[0] + 4), y))
        head = f"{'leak, ' if pair['leak'] else ''}{pair['kind']}, {pair['similarity']:.2f}"
        pen.text((x, y + _CELL_WH[1] + 4), head, INK, font=load_font(20, bold=True))
        names = f"{_shorten_name(pair['first'])}  |  {_shorten_name(pair['second'])}"
        pen.text((x, y + _CELL_WH[1] + 30), names, QUIET, font=load_font(16))
    return np.asarray(canvas, dtype=np.uint8)


def _shorten_name(name: str, most: int = 34) -> str:
    return name if len(name) <= most else "…" + name[1 - most :]
