"""Build the sheet of the people with the worst predictions, each with its names in the file."""

from dataclasses import replace

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.report.images.contact_sheet import (
    ContactSheet,
    ReadImage,
    Rows,
    TileRow,
    make_tiles,
)
from smallpose.report.inputs.person_matching import RunPredictions

NUM_WORST = 24


def find_worst_people(truth: Instances, result: RunPredictions, count: int = NUM_WORST) -> Rows:
    """Find the rows of the scored people with the lowest OKS, the tallest first among equals."""
    oks = np.where(result.matches.rows >= 0, result.matches.oks, 0.0)
    scored = np.flatnonzero(np.isfinite(result.matches.oks))
    order = np.lexsort((-truth.boxes_xywh[scored, 3], oks[scored]))
    return scored[order[:count]]


def build_worst_sheet(
    truth: Instances, result: RunPredictions, read: ReadImage, count: int = NUM_WORST
) -> ContactSheet:
    """Build the sheet: ground truth beside the prediction, with image and person named."""
    people = find_worst_people(truth, result, count)
    ids = truth.file_ids
    tiles = []
    for person in people.tolist():
        file_name = truth.images.file_names[truth.image_rows[person]].rpartition("/")[2]
        for tile in make_tiles(truth, np.array([person]), [result], read):
            oks = tile.caption[-1].replace("OKS no", "no")
            size = tile.caption[0]
            tiles.append(replace(tile, caption=(oks, size, f"id {ids[person]}", file_name)))
    return ContactSheet(
        name="worst",
        title=f"The worst people of {result.label}",
        note="The scored people with the lowest OKS; of those without a match, because no "
        "detection fits them or those that do are matched with others, the tallest come first. "
        "Below each: OKS, height of the box, id of the annotation, image.",
        panels=("ground truth", result.label),
        rows=(TileRow(format_count(len(tiles), "person", "people"), "", tuple(tiles)),),
    )
