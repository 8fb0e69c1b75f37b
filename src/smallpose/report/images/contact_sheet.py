"""Build contact sheets: people by size class and source, ground truth beside predictions.

A sheet is data, tiles in rows: `sheet_drawing` draws it as one image, the page shows the tiles as
HTML. People are chosen by rank alone: each row goes from the best to the worst.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.density import DENSITIES
from smallpose.core.errors import SmallposeError
from smallpose.core.instances import CUSTOM_SOURCE_JOINTS, SOURCES, Instances
from smallpose.core.sizes import SIZES
from smallpose.dataloading.images import ImageArray
from smallpose.report.images.pose_drawing import draw_person_tile
from smallpose.report.inputs.person_matching import RunPredictions

ReadImage = Callable[[str], ImageArray]
Rows = NDArray[np.intp]

TILE_WH = (240, 320)  # px of one panel; a page shows it at half of that
GAP_PX = 4  # between the panels of a tile
NUM_COLUMNS = 6
NUM_SAMPLE_COLUMNS = 8
SOURCE_NAMES = {
    "": "unknown",
    "coco": "COCO",
    "mpii": "MPII",
    "aic": "AI Challenger",
    "hieve": "HiEve",
    "posetrack": "PoseTrack",
    **{f"own{k}": f"custom, {k} joints" for k in CUSTOM_SOURCE_JOINTS},
}
SIZE_LIMITS = ("box below 128×96 px²", "below 256×192 px²", "from 256×192 px²")


@dataclass(frozen=True)
class Tile:
    """One person: panels side by side, with a caption below them.

    Args:
        image: (h, w, 3) RGB.
        caption: short pieces, such as "24 px", "COCO", "OKS 0.71".
        alt: a sentence for those who cannot see the image.
    """

    image: ImageArray
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
        panels: what a tile shows from left to right, such as ("ground truth", "A", "B").
    """

    name: str
    title: str
    note: str
    panels: tuple[str, ...]
    rows: tuple[TileRow, ...]

    @property
    def has_tiles(self) -> bool:
        """Return whether any row has a tile."""
        return any(row.tiles for row in self.rows)


def build_predictions_sheet(
    truth: Instances,
    results: Sequence[RunPredictions],
    read: ReadImage,
    num_columns: int = NUM_COLUMNS,
) -> ContactSheet:
    """Build the sheet of predictions by size and density class.

    Ground truth is shown beside the predictions of every run; rows are ordered by the last run.
    """
    oks = results[-1].matches.oks
    rows = []
    for title, note, in_class in _list_classes(truth):
        scored = np.flatnonzero(in_class & np.isfinite(oks))
        ranked = scored[np.argsort(-oks[scored], kind="stable")]
        people = _pick_evenly(ranked, num_columns)
        if len(people):
            count = format_count(len(scored), "person", "people")
            rows.append(TileRow(title, note + count, make_tiles(truth, people, results, read)))
    return ContactSheet(
        name="predictions",
        title="Predictions by size and density",
        note="Each row goes from the best to the worst person of its class by the OKS of "
        f"{results[-1].label}, in even steps of rank. OKS compares a prediction with its label: 1 "
        "means identical, 0.5 is COCO's lowest threshold for a match.",
        panels=("ground truth", *(result.label for result in results)),
        rows=tuple(rows),
    )


def build_sample_sheet(
    truth: Instances, read: ReadImage, num_columns: int = NUM_SAMPLE_COLUMNS
) -> ContactSheet:
    """Build the sheet of labelled people by size class (Fig. 1b), from short to tall."""
    rows = []
    for code, name in enumerate(SIZES):
        people = _sample_people(truth, truth.size_class == code, num_columns)
        if len(people):
            rows.append(TileRow(name, SIZE_LIMITS[code], make_label_tiles(truth, people, read)))
    return ContactSheet(
        name="samples",
        title="People by size",
        note="Labelled people of each size class in even steps of height, all scaled to one size. "
        "The box decides the size class.",
        panels=("ground truth",),
        rows=tuple(rows),
    )


def build_source_sheet(
    tables: Sequence[Instances], read: ReadImage, num_columns: int = NUM_SAMPLE_COLUMNS
) -> ContactSheet:
    """Build the sheet of labelled people of each source, from short to tall.

    Args:
        tables: a source's people are taken from the first one that has any, such as test, train.
    """
    rows = []
    for code, name in enumerate(SOURCES):
        if not name:
            continue  # people of unknown source
        for truth in tables:
            people = _sample_people(truth, truth.source == code, num_columns)
            if len(people):
                tiles = make_label_tiles(truth, people, read)
                rows.append(TileRow(SOURCE_NAMES[name], "", tuple(_drop_source(t) for t in tiles)))
                break
    return ContactSheet(
        name="sources",
        title="People from each source",
        note="Labelled people in even steps of height. Each source labels other joints, so the "
        "skeletons differ.",
        panels=("ground truth",),
        rows=tuple(rows),
    )


def make_label_tiles(truth: Instances, people: Rows, read: ReadImage) -> tuple[Tile, ...]:
    """Make tiles of labelled people; those without an image are left out."""
    return make_tiles(truth, people, (), read)


def _drop_source(tile: Tile) -> Tile:
    """Remove the source from the caption; the row's title has it."""
    return replace(tile, caption=tile.caption[:1])


def _list_classes(truth: Instances) -> list[tuple[str, str, NDArray[np.bool_]]]:
    """List title, note and members of each size and density class."""
    sizes = [
        (name, f"{SIZE_LIMITS[code]} · ", truth.size_class == code)
        for code, name in enumerate(SIZES)
    ]
    return sizes + [
        (f"small, {name}", "", truth.density_class == code) for code, name in enumerate(DENSITIES)
    ]


def _pick_evenly(ranked: Rows, count: int) -> Rows:
    """Pick rows at even steps of a ranking, the first and the last included."""
    if len(ranked) <= count:
        return ranked
    return ranked[np.linspace(0, len(ranked) - 1, count).round().astype(np.intp)]


def _sample_people(truth: Instances, in_class: NDArray[np.bool_], count: int) -> Rows:
    """Pick people in even steps of height, of each step the one with the most labelled joints."""
    people = np.flatnonzero(in_class & truth.is_counted & (truth.area > 0))
    ranked = people[np.argsort(truth.boxes_xywh[people, 3], kind="stable")]
    parts = [part for part in np.array_split(ranked, count) if len(part)]
    # By the share of the source's own joints, or sources with many joints would fill the sheet.
    share = truth.num_labelled / truth.num_source_joints
    return np.array([part[share[part].argmax()] for part in parts], dtype=np.intp)


def make_tiles(
    truth: Instances, people: Rows, results: Sequence[RunPredictions], read: ReadImage
) -> tuple[Tile, ...]:
    """Make the tiles of people whose images exist: the label, and the prediction of each result."""
    tiles = []
    for person in people.tolist():
        try:
            image = read(truth.images.file_names[truth.image_rows[person]])
        except SmallposeError:
            continue  # a set built with --missing-images keep lacks some images
        tiles.append(_make_tile(truth, person, results, image))
    return tuple(tiles)


def _make_tile(
    truth: Instances, person: int, results: Sequence[RunPredictions], image: ImageArray
) -> Tile:
    box = truth.boxes_xywh[person]
    keypoints = truth.keypoints[person]
    panels = [draw_person_tile(image, box, TILE_WH, truth.skeleton, keypoints, with_box=True)]
    for result in results:
        row = int(result.matches.rows[person])
        pose = result.predictions.keypoints[row] if row >= 0 else None
        skeleton = result.predictions.skeleton
        panels.append(draw_person_tile(image, box, TILE_WH, skeleton, pose, predicted=True))
    oks_texts = [_format_oks(person, result) for result in results]
    has_source = bool(truth.source[person])
    source = SOURCE_NAMES[SOURCES[truth.source[person]]]
    height = f"{box[3]:.0f} px"
    gap = np.full((TILE_WH[1], GAP_PX, 3), 255, dtype=np.uint8)
    columns = [column for panel in panels for column in (gap, panel)][1:]
    alt = f"A person {height} tall"
    alt += f" from {source}" if has_source else ""
    alt += ", ground truth" + (" beside the prediction" if results else "")
    named = [f"{result.label} {text}" for result, text in zip(results, oks_texts, strict=True)]
    alt += "; OKS " + (", ".join(named) if len(named) > 1 else oks_texts[0]) if named else ""
    caption = [height, *([source] if has_source else [])]
    if oks_texts:  # in the order of the panels, which are named above all rows
        caption.append("OKS " + " | ".join(oks_texts))
    return Tile(np.ascontiguousarray(np.hstack(columns)), tuple(caption), alt)


def _format_oks(person: int, result: RunPredictions) -> str:
    """Format the OKS of one person by one run."""
    oks = float(result.matches.oks[person])
    if np.isnan(oks):
        return "not scored"
    return "no match" if result.matches.rows[person] < 0 else f"{oks:.2f}"
