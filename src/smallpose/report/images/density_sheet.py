"""Build the sheet of sparse, moderate and dense people with their keypoint density (Fig. 4b)."""

from dataclasses import replace

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.density import DENSE_FROM, DENSITIES, SPARSE_BELOW
from smallpose.core.instances import Instances
from smallpose.evaluation.analysis.binned_ap import measure_density
from smallpose.report.images.contact_sheet import (
    ContactSheet,
    ReadImage,
    Tile,
    TileRow,
    make_label_tiles,
)

NUM_COLUMNS = 8
_LIMITS = (
    f"density below {SPARSE_BELOW:g}",
    f"from {SPARSE_BELOW:g} to below {DENSE_FROM:g}",
    f"from {DENSE_FROM:g}",
)


def build_density_sheet(
    truth: Instances, read: ReadImage, num_columns: int = NUM_COLUMNS
) -> ContactSheet:
    """Build the sheet of small people of each density class, in even steps of their rank.

    Each tile has its density (Eq. 3) and how many of the source's joints are labelled.
    """
    density = measure_density(truth)
    rows = []
    for code, name in enumerate(DENSITIES):
        people = np.flatnonzero((truth.density_class == code) & np.isfinite(density))
        ranked = people[np.argsort(density[people], kind="stable")]
        count = min(num_columns, len(ranked))
        steps = np.linspace(0, len(ranked) - 1, count).round().astype(np.intp)
        tiles = [
            tile
            for person in ranked[steps].tolist()
            for tile in _make_density_tiles(truth, person, float(density[person]), read)
        ]
        if tiles:
            note = f"{_LIMITS[code]} · {format_count(len(people), 'person', 'people')}"
            rows.append(TileRow(name, note, tuple(tiles)))
    return ContactSheet(
        name="densities",
        title="Small people by keypoint density",
        note="Small people of each class in even steps of rank by keypoint density (KD, Eq. 3): "
        "dense people have many labelled joints in few pixels. Captions: density, height, labelled "
        "joints of those the source labels.",
        panels=("ground truth",),
        rows=tuple(rows),
    )


def _make_density_tiles(
    truth: Instances, person: int, density: float, read: ReadImage
) -> list[Tile]:
    """Make the tile of one person; none without an image."""
    text = format_density(density)
    labelled, joints = truth.num_labelled[person], truth.num_source_joints[person]
    return [
        replace(
            tile,
            caption=(f"KD {text}", tile.caption[0], f"{labelled}/{joints}"),
            alt=(
                f"{tile.alt}; keypoint density {text}, {labelled} of "
                f"{format_count(joints, 'joint')} labelled"
            ),
        )
        for tile in make_label_tiles(truth, np.array([person]), read)
    ]


def format_density(density: float) -> str:
    """Format a density with three digits, or as many more as keep it in its class.

    0.94996 is moderate, but 0.950 would be dense.
    """
    for digits in range(3, 9):
        text = f"{density:.{digits}f}"
        if all((float(text) < limit) == (density < limit) for limit in (SPARSE_BELOW, DENSE_FROM)):
            break
    return text
