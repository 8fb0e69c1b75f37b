"""Draw a contact sheet as one image, with title, legend, rows and captions."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from smallpose.dataloading.images import ImageArray
from smallpose.report.images.contact_sheet import ContactSheet
from smallpose.report.images.pose_drawing import OUTLINE, SIDES, Colour
from smallpose.system.packages import require_packages

INK: Colour = (20, 23, 28)
QUIET: Colour = (84, 90, 100)
LEGEND: Mapping[str, tuple[str, Colour]] = {
    "left": ("left side", SIDES["left"]),
    "right": ("right side", SIDES["right"]),
    "middle": ("middle", SIDES["middle"]),
}
_TILES_PER_LINE = {1: 8, 2: 4}  # by the number of panels; 3 for more
_CAPTION_SIZES = (22, 20, 18, 16, 14)


def draw_sheet(sheet: ContactSheet, width: int = 2000) -> ImageArray:
    """Draw the sheet: (h, w, 3) RGB."""
    pad = 48
    gap = 20
    per_line = _TILES_PER_LINE.get(len(sheet.panels), 3)
    tile_w = (width - 2 * pad - gap * (per_line - 1)) // per_line
    first = next((tile.image for row in sheet.rows for tile in row.tiles), None)
    tile_h = round(tile_w * (first.shape[0] / first.shape[1] if first is not None else 1.0))
    line_h = tile_h + 46
    lines = _wrap_text(sheet.note, width - 2 * pad, 24)
    top = pad + 130 + 34 * len(lines)
    heights = [56 + line_h * -(-len(row.tiles) // per_line) + gap for row in sheet.rows]
    canvas = Image.new("RGB", (width, top + sum(heights)), (255, 255, 255))
    pen = ImageDraw.Draw(canvas)
    pen.text((pad, pad), sheet.title, INK, font=load_font(40, bold=True))
    for number, text in enumerate(lines):
        pen.text((pad, pad + 64 + 34 * number), text, QUIET, font=load_font(24))
    _draw_legend(pen, (pad, pad + 74 + 34 * len(lines)), sheet.panels, width - pad)
    y = top
    captions = ["  ·  ".join(tile.caption) for row in sheet.rows for tile in row.tiles]
    caption_font = _choose_caption_font(captions, tile_w)
    for row, height in zip(sheet.rows, heights, strict=True):
        pen.text((pad, y + 10), row.title, INK, font=load_font(28, bold=True))
        note_x = pad + pen.textlength(row.title, font=load_font(28, bold=True)) + 18
        pen.text((note_x, y + 14), row.note, QUIET, font=load_font(22))
        for number, tile in enumerate(row.tiles):
            x = pad + number % per_line * (tile_w + gap)
            corner = (x, y + 56 + number // per_line * line_h)
            resized = Image.fromarray(tile.image).resize((tile_w, tile_h), Image.Resampling.LANCZOS)
            canvas.paste(resized, corner)
            text = _cut_text("  ·  ".join(tile.caption), caption_font, tile_w)
            pen.text((x, corner[1] + tile_h + 8), text, QUIET, font=caption_font)
        y += height
    return np.asarray(canvas, dtype=np.uint8)


def _draw_legend(
    pen: ImageDraw.ImageDraw, corner: tuple[int, int], panels: Sequence[str], right: int
) -> None:
    x, y = corner
    font = load_font(24)
    for text, colour in LEGEND.values():
        pen.line([(x, y + 16), (x + 44, y + 16)], fill=OUTLINE, width=14)
        pen.line([(x + 3, y + 16), (x + 41, y + 16)], fill=colour, width=8)
        pen.text((x + 56, y), text, QUIET, font=font)
        x += 92 + int(pen.textlength(text, font=font))
    for text, is_filled in (("visible", True), ("occluded", False)):
        pen.ellipse([x, y + 5, x + 22, y + 27], fill=OUTLINE)
        pen.ellipse([x + 3, y + 8, x + 19, y + 24], fill=SIDES["right"])
        if not is_filled:
            pen.ellipse([x + 7, y + 12, x + 15, y + 20], fill=OUTLINE)
        pen.text((x + 34, y), text, QUIET, font=font)
        x += 70 + int(pen.textlength(text, font=font))
    if len(panels) > 1:
        text = "panels: " + " | ".join(panels)
        if font.getlength(text) > right - x:
            font = _choose_caption_font([text], right - x)
        pen.text((x, y), _cut_text(text, font, right - x), QUIET, font=font)


@lru_cache(maxsize=16)
def load_font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Load the sheets' font.

    Matplotlib ships this font, so a sheet looks the same on every machine.
    """
    require_packages("drawing a sheet", "matplotlib")
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(folder / f"DejaVuSans{'-Bold' if bold else ''}.ttf", size)


def _wrap_text(text: str, width: int, size: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and load_font(size).getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _choose_caption_font(captions: Sequence[str], width: int) -> ImageFont.FreeTypeFont:
    """Choose the largest font in which all captions fit; the smallest if none does."""
    for size in _CAPTION_SIZES:
        if all(load_font(size).getlength(text) <= width for text in captions):
            return load_font(size)
    return load_font(_CAPTION_SIZES[-1])


def _cut_text(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Return the text, or as much of it as fits and an ellipsis."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
