"""Sparse, moderate and dense people with their keypoint density printed (Fig. 4b)."""

from dataclasses import replace

import numpy as np

from smallpose.core.density import DENSE_FROM, DENSITIES, SPARSE_BELOW
from smallpose.core.instances import Instances
from smallpose.evaluation.analysis.binned_ap import measure_density
from smallpose.report.images.contact_sheet import (
    ContactSheet,
    ImageReader,
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
    truth: Instances, read: ImageReader, columns: int = NUM_COLUMNS
) -> ContactSheet:
    """Small people of each density class in even steps of their density; nobody is chosen by taste.

    Each tile says its density (Eq. 3) and how many of the source's joints are labelled.
    """
    density = measure_density(truth)
    rows = []
    for code, name in enumerate(DENSITIES):
        people = np.flatnonzero((truth.density_class == code) & np.isfinite(density))
        ranked = people[np.argsort(density[people], kind="stable")]
        steps = np.linspace(0, len(ranked) - 1, min(columns, len(ranked))).round().astype(np.intp)
        tiles = []
        for person in ranked[steps].tolist():
            said = format_density(float(density[person]))
            labelled, joints = truth.labelled[person], truth.joints[person]
            for tile in make_label_tiles(truth, np.array([person]), read):
                words = (f"KD {said}", tile.caption[0], f"{labelled}/{joints}")
                alt = f"{tile.alt}; keypoint density {said}, {labelled} of {joints} joints labelled"
                tiles.append(replace(tile, caption=words, alt=alt))
        if tiles:
            note = f"{_LIMITS[code]} · {len(people):,} {'person' if len(people) == 1 else 'people'}"
            rows.append(TileRow(name, note, tuple(tiles)))
    return ContactSheet(
        "densities",
        "Small people by keypoint density",
        "Small people of each class in even steps of rank of their keypoint density (KD, Eq. 3): "
        "many labelled joints in few pixels are dense. Below each: density, height, labelled "
        "joints of those the source has.",
        ("truth",),
        tuple(rows),
    )


def format_density(density: float) -> str:
    """Three digits, or as many more as keep it in its class: 0.94996 is moderate, 0.950 is not."""
    for digits in range(3, 9):
        text = f"{density:.{digits}f}"
        if all((float(text) < limit) == (density < limit) for limit in (SPARSE_BELOW, DENSE_FROM)):
            break
    return text
