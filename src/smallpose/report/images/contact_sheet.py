"""Contact sheets: people by size class and source, the truth beside what methods said.

A sheet is data, tiles in rows; `paint` makes one picture of it, the page shows the tiles as HTML.
Who is shown is decided by rank and never by taste: each row runs from the best to the worst.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from smallpose.core.density import DENSITIES
from smallpose.core.errors import SmallposeError
from smallpose.core.instances import OWN_JOINTS, SOURCES, Instances
from smallpose.core.predictions import Predictions
from smallpose.core.sizes import SIZES
from smallpose.report.images.pose_drawing import SIDES, Colour, RgbImage, draw_person_tile
from smallpose.report.inputs.person_matching import PersonMatches

ImageReader = Callable[[str], RgbImage]
Rows = NDArray[np.intp]

TILE_WH = (240, 320)  # px of one panel; shown at half of that on a page
NUM_COLUMNS = 6
SOURCE_NAMES = {
    "": "not said",
    "coco": "COCO",
    "mpii": "MPII",
    "aic": "AI Challenger",
    "hieve": "HiEve",
    "posetrack": "PoseTrack",
    **{f"own{k}": f"own, {k} joints" for k in OWN_JOINTS},
}


@dataclass(frozen=True)
class Tile:
    """One person: panels side by side, and what stands below them.

    Args:
        picture: (h, w, 3) RGB.
        caption: short pieces, such as "24 px", "COCO", "OKS 0.71".
        alt: a sentence for those who cannot see it.
    """

    picture: RgbImage
    caption: tuple[str, ...]
    alt: str


@dataclass(frozen=True)
class TileRow:
    """Tiles of one class."""

    title: str
    note: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class ContactSheet:
    """Rows of tiles.

    Args:
        panels: what a tile shows from left to right, such as ("truth", "A", "B").
    """

    name: str
    title: str
    note: str
    panels: tuple[str, ...]
    rows: tuple[TileRow, ...]


@dataclass(frozen=True)
class Answer:
    """What one method said about the people of a sheet."""

    label: str
    found: Predictions
    pairing: PersonMatches


def build_predictions_sheet(
    truth: Instances, answers: Sequence[Answer], read: ImageReader, columns: int = NUM_COLUMNS
) -> ContactSheet:
    """People by size and density class, truth beside every answer, best to worst by the last."""
    oks = answers[-1].pairing.oks
    rows = []
    for title, note, which in _list_classes(truth):
        judged = np.flatnonzero(which & np.isfinite(oks))
        ranked = judged[np.argsort(-oks[judged], kind="stable")]
        people = _pick_evenly(ranked, columns)
        if len(people):
            tiles = _make_tiles(truth, people, answers, read)
            rows.append(
                TileRow(
                    title,
                    f"{note}{len(judged):,} {'person' if len(judged) == 1 else 'people'}",
                    tiles,
                )
            )
    return ContactSheet(
        "predictions",
        "Predictions by size and density",
        f"Each row runs from the best to the worst person of its class by the OKS of "
        f"{answers[-1].label}, in even steps of rank. OKS compares a pose with its label: "
        "1 is equal, 0.5 is COCO's loosest hit.",
        ("truth", *(a.label for a in answers)),
        tuple(rows),
    )


def build_sample_sheet(truth: Instances, read: ImageReader, columns: int = 8) -> ContactSheet:
    """Labelled people by size class (Fig. 1b), from short to tall."""
    rows = []
    for code, name in enumerate(SIZES):
        people = _sample_people(truth, truth.size_class == code, columns)
        if len(people):
            rows.append(
                TileRow(name, _describe_size_limit(code), _make_tiles(truth, people, (), read))
            )
    return ContactSheet(
        "samples",
        "People by size",
        "Labelled people of each size class in even steps of height; the pictures are enlarged or "
        "reduced to one size.",
        ("truth",),
        tuple(rows),
    )


def build_source_sheet(
    tables: Sequence[Instances], read: ImageReader, columns: int = 8
) -> ContactSheet:
    """Labelled people of each source, from short to tall.

    Args:
        tables: a source's people are taken from the first one that has any, such as test, train.
    """
    rows = []
    for code, name in enumerate(SOURCES):
        if not name:
            continue  # people whose file does not say
        for truth in tables:
            people = _sample_people(truth, truth.source == code, columns)
            if len(people):
                tiles = _make_tiles(truth, people, (), read)
                rows.append(TileRow(SOURCE_NAMES[name], "", tuple(_drop_source(t) for t in tiles)))
                break
    return ContactSheet(
        "sources",
        "People from each source",
        "Labelled people in even steps of height. Each source labels other joints, so the "
        "skeletons differ.",
        ("truth",),
        tuple(rows),
    )


def _drop_source(tile: Tile) -> Tile:
    """Without the source, which stands above the row."""
    return replace(tile, caption=tile.caption[:1])


def _list_classes(truth: Instances) -> list[tuple[str, str, NDArray[np.bool_]]]:
    out = [
        (name, f"{_describe_size_limit(code)} · ", truth.size_class == code)
        for code, name in enumerate(SIZES)
    ]
    return out + [
        (f"small, {name}", "", truth.density_class == code) for code, name in enumerate(DENSITIES)
    ]


def _describe_size_limit(code: int) -> str:
    return ("box below 128×96 px²", "below 256×192 px²", "from 256×192 px² on")[code]


def _pick_evenly(ranked: Rows, columns: int) -> Rows:
    """Evenly spaced places of a ranking, first and last included."""
    if len(ranked) <= columns:
        return ranked
    return ranked[np.linspace(0, len(ranked) - 1, columns).round().astype(np.intp)]


def _sample_people(truth: Instances, which: NDArray[np.bool_], columns: int) -> Rows:
    """People in even steps of height, each the one labelled most fully near his step."""
    people = np.flatnonzero(which & truth.counted & (truth.area > 0))
    ranked = people[np.argsort(truth.boxes_xywh[people, 3], kind="stable")]
    parts = [part for part in np.array_split(ranked, columns) if len(part)]
    # By the share of the source's own joints, or sources with many joints would fill the sheet.
    fully = truth.labelled / truth.joints
    return np.array([part[fully[part].argmax()] for part in parts], dtype=np.intp)


def make_label_tiles(truth: Instances, people: Rows, read: ImageReader) -> tuple[Tile, ...]:
    """Labelled people as tiles; those whose picture is not there are left out."""
    return _make_tiles(truth, people, (), read)


def _make_tiles(
    truth: Instances, people: Rows, answers: Sequence[Answer], read: ImageReader
) -> tuple[Tile, ...]:
    tiles = []
    for person in people.tolist():
        try:
            picture = read(truth.images.file_names[truth.image_rows[person]])
        except SmallposeError:
            continue  # a set built with --missing-images keep lacks some pictures
        tiles.append(_make_tile(truth, person, answers, picture))
    return tuple(tiles)


def _make_tile(truth: Instances, person: int, answers: Sequence[Answer], picture: RgbImage) -> Tile:
    box = truth.boxes_xywh[person]
    panels = [draw_person_tile(picture, box, TILE_WH, truth.skeleton, truth.keypoints[person])]
    height, source = f"{box[3]:.0f} px", SOURCE_NAMES[SOURCES[truth.source[person]]]
    caption = [height, source] if truth.source[person] else [height]
    said = []
    for answer in answers:
        row = int(answer.pairing.rows[person])
        pose = answer.found.keypoints[row] if row >= 0 else None
        skeleton = answer.found.skeleton
        panels.append(draw_person_tile(picture, box, TILE_WH, skeleton, pose, predicted=True))
        oks = float(answer.pairing.oks[person])
        text = "not judged" if np.isnan(oks) else "nobody found" if row < 0 else f"{oks:.2f}"
        said.append(f"{answer.label} {text}" if len(answers) > 1 else f"OKS {text}")
    if len(answers) > 1:
        said[0] = f"OKS {said[0]}"
    gap = np.full((TILE_WH[1], 4, 3), 255, dtype=np.uint8)
    joined = [part for panel in panels for part in (gap, panel)][1:]
    alt = f"A person {box[3]:.0f} px tall"
    alt += f" from {source}" if truth.source[person] else ""
    alt += ", labelled pose" + (" beside the predicted one" if answers else " drawn")
    alt += "; " + ", ".join(said) if said else ""
    return Tile(np.ascontiguousarray(np.hstack(joined)), (*caption, *said), alt)


def draw_sheet(sheet: ContactSheet, width: int = 2000) -> RgbImage:
    """(h, w, 3) the whole sheet as one picture with title, legend, rows and captions."""
    pad, gap = 48, 20
    per_line = {1: 8, 2: 4}.get(len(sheet.panels), 3)
    tile_w = (width - 2 * pad - gap * (per_line - 1)) // per_line
    first = next((t.picture for row in sheet.rows for t in row.tiles), None)
    tile_h = round(tile_w * (first.shape[0] / first.shape[1] if first is not None else 1.0))
    line_h = tile_h + 46
    words = _wrap_text(sheet.note, width - 2 * pad, 24)
    top = pad + 130 + 34 * len(words)
    heights = [56 + line_h * -(-len(row.tiles) // per_line) + gap for row in sheet.rows]
    canvas = Image.new("RGB", (width, top + sum(heights)), (255, 255, 255))
    pen = ImageDraw.Draw(canvas)
    pen.text((pad, pad), sheet.title, INK, font=load_font(40, bold=True))
    for number, line in enumerate(words):
        pen.text((pad, pad + 64 + 34 * number), line, QUIET, font=load_font(24))
    _draw_legend(pen, (pad, pad + 74 + 34 * len(words)), sheet.panels)
    y = top
    for row, height in zip(sheet.rows, heights, strict=True):
        pen.text((pad, y + 10), row.title, INK, font=load_font(28, bold=True))
        at = pad + pen.textlength(row.title, font=load_font(28, bold=True)) + 18
        pen.text((at, y + 14), row.note, QUIET, font=load_font(22))
        for number, tile in enumerate(row.tiles):
            x = pad + number % per_line * (tile_w + gap)
            corner = (x, y + 56 + number // per_line * line_h)
            small = Image.fromarray(tile.picture).resize((tile_w, tile_h), _RESIZE)
            canvas.paste(small, corner)
            text, font = _fit_text("  ·  ".join(tile.caption), tile_w)
            pen.text((x, corner[1] + tile_h + 8), text, QUIET, font=font)
        y += height
    return np.asarray(canvas, dtype=np.uint8)


INK, QUIET = (20, 23, 28), (84, 90, 100)
_RESIZE = Image.Resampling.LANCZOS
LEGEND: Mapping[str, tuple[str, Colour]] = {
    "left": ("left side", SIDES["left"]),
    "right": ("right side", SIDES["right"]),
    "middle": ("middle", SIDES["middle"]),
}


def _draw_legend(pen: ImageDraw.ImageDraw, at: tuple[int, int], panels: Sequence[str]) -> None:
    x, y = at
    font = load_font(24)
    for text, colour in LEGEND.values():
        pen.line([(x, y + 16), (x + 44, y + 16)], fill=(18, 20, 26), width=14)
        pen.line([(x + 3, y + 16), (x + 41, y + 16)], fill=colour, width=8)
        pen.text((x + 56, y), text, QUIET, font=font)
        x += 92 + int(pen.textlength(text, font=font))
    for text, filled in (("seen", True), ("hidden", False)):
        pen.ellipse([x, y + 5, x + 22, y + 27], fill=(18, 20, 26))
        pen.ellipse([x + 3, y + 8, x + 19, y + 24], fill=SIDES["right"])
        if not filled:
            pen.ellipse([x + 7, y + 12, x + 15, y + 20], fill=(18, 20, 26))
        pen.text((x + 34, y), text, QUIET, font=font)
        x += 70 + int(pen.textlength(text, font=font))
    if len(panels) > 1:
        pen.text((x, y), "panels: " + " | ".join(panels), QUIET, font=font)


@lru_cache(maxsize=16)
def load_font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    import matplotlib

    # Matplotlib brings this font along, so a sheet looks the same on every machine.
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


def _fit_text(text: str, width: int) -> tuple[str, ImageFont.FreeTypeFont]:
    """The text in the largest type that fits, cut off when even the smallest does not."""
    for size in (22, 20, 18, 16, 14):
        if load_font(size).getlength(text) <= width:
            return text, load_font(size)
    while text and load_font(14).getlength(text + "…") > width:
        text = text[:-1]
    return text + "…", load_font(14)
