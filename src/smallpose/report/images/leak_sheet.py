"""Draw near-duplicate images side by side, to check the pairs that a search for leaks returned."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError, RefusedError
from smallpose.dataloading.images import ImageArray, read_image
from smallpose.dataset.builder.leak_step import LEAKS_FILE
from smallpose.dataset.built_set import BuiltSet, open_set
from smallpose.report.images.encode import encode_image
from smallpose.report.images.sheet_drawing import INK, QUIET, load_font
from smallpose.system.files import write_atomically
from smallpose.system.json_decode import read_json
from smallpose.system.progress import print_status

MAX_PAIRS = 48  # on one sheet
_IMAGE_WH = (300, 225)
_PER_LINE = 3
_GAP = 10
_PAD = 40
_TOP = 130
_MAX_NAME = 34  # characters

ReadSetImage = Callable[[str], ImageArray | None]


@dataclass(frozen=True)
class _Pair:
    """A pair of near-duplicates and its two images."""

    record: Mapping[str, Any]
    images: tuple[ImageArray, ImageArray]


def draw_leak_pairs(folder: Path, target: Path) -> None:
    """Draw the pairs that a build recorded to `target`; nothing if there are none."""
    pairs = read_json(folder / LEAKS_FILE, dict)["pairs"]
    draw_image_pairs(pairs, open_set_reader(open_set(folder)), target)


def open_set_reader(built: BuiltSet) -> ReadSetImage:
    """Return a function that reads a set's images by file name."""

    def read(name: str) -> ImageArray | None:
        path = built.find_image(name)
        return None if path is None else read_image(path)

    return read


def draw_image_pairs(pairs: Sequence[Mapping[str, Any]], read: ReadSetImage, target: Path) -> None:
    """Draw pairs of images to `target`: leaks first, then by similarity.

    Args:
        pairs: records with `first`, `second`, `kind`, `similarity`, `leak`.
        read: returns an image by its file name; None if it is missing.
    """
    order = sorted(pairs, key=lambda p: (not p["leak"], -p["similarity"], p["first"]))
    shown: list[_Pair] = []
    for record in order:
        if len(shown) == MAX_PAIRS:
            break
        try:
            first, second = read(record["first"]), read(record["second"])
        except (InputError, RefusedError):
            continue
        if first is not None and second is not None:
            shown.append(_Pair(record, (first, second)))
    if not shown:
        print_status("no near-duplicates to draw")
        return
    write_atomically(target, encode_image(_draw_pairs(shown, len(pairs)), "png"))
    print_status(f"{target}: {len(shown):,} of {format_count(len(pairs), 'pair')}")


def _draw_pairs(shown: Sequence[_Pair], total: int) -> ImageArray:
    pair_w, pair_h = 2 * _IMAGE_WH[0] + 4, _IMAGE_WH[1] + 58
    lines = -(-len(shown) // _PER_LINE)
    width = 2 * _PAD + _PER_LINE * pair_w + (_PER_LINE - 1) * 4 * _GAP
    canvas = Image.new("RGB", (width, _TOP + lines * (pair_h + 2 * _GAP) + _PAD), (255, 255, 255))
    pen = ImageDraw.Draw(canvas)
    title = f"Near-duplicates: {len(shown):,} of {format_count(total, 'pair')}"
    pen.text((_PAD, _PAD), title, INK, font=load_font(36, bold=True))
    note = "Leaks between train and test first, then by similarity."
    pen.text((_PAD, _PAD + 46), note, QUIET, font=load_font(22))
    for number, pair in enumerate(shown):
        x = _PAD + number % _PER_LINE * (pair_w + 4 * _GAP)
        y = _TOP + number // _PER_LINE * (pair_h + 2 * _GAP)
        for column, image in enumerate(pair.images):
            thumbnail = Image.fromarray(np.ascontiguousarray(image))
            thumbnail.thumbnail(_IMAGE_WH)
            canvas.paste(thumbnail, (x + column * (_IMAGE_WH[0] + 4), y))
        record = pair.record
        head = f"{'leak, ' if record['leak'] else ''}{record['kind']}, {record['similarity']:.2f}"
        pen.text((x, y + _IMAGE_WH[1] + 4), head, INK, font=load_font(20, bold=True))
        names = f"{_shorten_name(record['first'])}  |  {_shorten_name(record['second'])}"
        pen.text((x, y + _IMAGE_WH[1] + 30), names, QUIET, font=load_font(16))
    return np.asarray(canvas, dtype=np.uint8)


def _shorten_name(name: str) -> str:
    return name if len(name) <= _MAX_NAME else "…" + name[1 - _MAX_NAME :]
