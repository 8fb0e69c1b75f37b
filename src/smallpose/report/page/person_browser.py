"""Collect the people of the test set for the page's person browser.

Each person comes with label, predictions and image. After the people come each run's false
positives of the highest scores: the same columns, with the prediction's box and the label that it
fits best.

The data are columns and not objects, each as base64 of little-endian numbers: ten thousand people
with three runs are 5 MB of text. Images are small WebP files in packs. The first packs are part of
the page itself; the others are scripts beside it, which a page opened from disk may still load.
Without them the page draws the people without their images.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from smallpose.core.instances import SOURCES, Instances
from smallpose.evaluation.analysis.binned_ap import measure_density
from smallpose.evaluation.areas import get_detection_boxes
from smallpose.evaluation.matching.arrays import Ints
from smallpose.report.images.contact_sheet import SOURCE_NAMES, ReadImage
from smallpose.report.inputs.false_positives import FalsePositives, find_false_positives
from smallpose.report.inputs.person_matching import RunPredictions
from smallpose.report.page.browser_columns import (
    SUBPIXELS,
    BrowserItems,
    encode_column,
    encode_false_positives,
    encode_items,
    encode_run,
    list_substitute_limbs,
)
from smallpose.report.page.browser_images import CELL_WH, encode_images, place_cell_windows

MAX_PEOPLE = 12_000  # in the browser; of more, the worst half of them and a sample of the others
MAX_RUNS = 4
MAX_FALSE_POSITIVES = 2_000  # over all runs
PACK_SIZE = 250  # images
MAX_INLINE_BYTES = 4 << 20  # of images within the page itself, which stays below 15 MB


@dataclass(frozen=True)
class BrowserData:
    """The people of the browser.

    Args:
        data: columns by name, ready for JSON.
        packs: base64 of the images, `PACK_SIZE` each; empty if there are no images.
        num_people: people in the browser, and `num_scored` in the test set.
        false_positives: (shown, total) of each run.
    """

    data: Mapping[str, Any]
    packs: Sequence[str]
    num_people: int
    num_scored: int
    false_positives: Sequence[tuple[int, int]]

    @property
    def inline_packs(self) -> list[int]:
        """Return the packs within the page itself; the others are files beside it.

        They are those of the worst people and of each run's false positives of highest score.
        """
        starts = [run["false_positives"]["start"] for run in self.data["runs"]]
        first = {item // PACK_SIZE for start in starts for item in (start, start + PACK_SIZE - 1)}
        ranked = sorted(range(len(self.packs)), key=lambda number: (number not in first, number))
        sizes = np.cumsum([len(self.packs[number]) for number in ranked])
        limit = MAX_INLINE_BYTES * 4 // 3  # in base64
        return sorted(ranked[: int(np.searchsorted(sizes, limit, side="right"))])

    def to_json(self) -> str:
        """Return JSON for a script element, which no "<" can end."""
        return json.dumps(self.data, separators=(",", ":")).replace("<", "\\u003c")

    def list_external_packs(self) -> Iterator[tuple[str, str]]:
        """List name and text of each script beside the page."""
        for number in sorted(set(range(len(self.packs))) - set(self.inline_packs)):
            yield f"people/{number:03d}.js", f'smallposePack({number},"{self.packs[number]}");\n'


def build_browser_data(
    truth: Instances, results: Sequence[RunPredictions], read: ReadImage | None
) -> BrowserData:
    """Collect the people of the test set that the first run is scored on, its worst first.

    Args:
        results: of at least one run, in the order of the page.
        read: reads images; None if there are none.
    """
    oks = results[0].matches.oks
    scored = np.flatnonzero(results[0].matches.is_scored)
    people = _choose_people(scored[np.argsort(oks[scored], kind="stable")])
    max_false = MAX_FALSE_POSITIVES // len(results)
    false = [find_false_positives(truth, r.predictions, r.matches, max_false) for r in results]
    items = _collect_items(truth, results, people, false)
    windows = place_cell_windows(truth, items.image, items.boxes)
    images = [b""] * len(windows)
    if read is not None:
        images = encode_images(truth, items.image, windows, read)
    packs = [
        base64.b64encode(b"".join(images[start : start + PACK_SIZE])).decode()
        for start in range(0, len(images), PACK_SIZE)
    ]
    starts = np.cumsum([len(people), *(len(f) for f in false)])[: len(results)].tolist()
    runs = [
        encode_run(truth, result, people, windows[: len(people)])
        | {
            "false_positives": encode_false_positives(
                truth, result.predictions, f, start, windows[start : start + len(f)]
            )
        }
        for result, f, start in zip(results, false, starts, strict=True)
    ]
    data = {
        "num_people": len(people),
        "num_items": len(windows),
        "num_scored": len(scored),
        "cell": CELL_WH,
        "subpixels": SUBPIXELS,
        "pack_size": PACK_SIZE,
        "joints": [joint.replace("_", " ") for joint in truth.skeleton.spelled_joints],
        "edges": truth.skeleton.edges,
        "substitute_limbs": list_substitute_limbs(truth.skeleton.joints),
        "sources": [SOURCE_NAMES[s] for s in SOURCES[: truth.source.max(initial=5) + 1]],
        **encode_items(truth, items, windows),
        "image_bytes": encode_column([len(image) for image in images], "<u2"),
        "runs": runs,
    }
    return BrowserData(
        data=data,
        packs=packs if any(images) else (),
        num_people=len(people),
        num_scored=len(scored),
        false_positives=[(len(f), f.total) for f in false],
    )


def _collect_items(
    truth: Instances,
    results: Sequence[RunPredictions],
    people: Ints,
    false: Sequence[FalsePositives],
) -> BrowserItems:
    num_false = sum(len(f) for f in false)
    row_of_image = {image_id: row for row, image_id in enumerate(truth.images.ids.tolist())}
    false_images = [
        row_of_image[image_id]
        for result, f in zip(results, false, strict=True)
        for image_id in result.predictions.image_ids[f.rows].tolist()
    ]
    false_boxes = [
        get_detection_boxes(result.predictions)[f.rows]
        for result, f in zip(results, false, strict=True)
    ]
    false_sources = truth.images.source[np.array(false_images, dtype=np.intp)]
    no_class = np.full(num_false, -1, dtype=np.int8)
    return BrowserItems(
        image=np.array([*truth.image_rows[people].tolist(), *false_images], dtype=np.intp),
        boxes=np.concatenate([truth.boxes_xywh[people], *false_boxes]),
        label=np.concatenate([people, *(f.nearest for f in false)]),
        ids=np.concatenate([truth.ids[people], *(-1 - f.rows for f in false)]),
        source=np.concatenate([truth.source[people], false_sources]),
        density=np.concatenate([measure_density(truth)[people], np.full(num_false, np.nan)]),
        density_class=np.concatenate([truth.density_class[people], no_class]),
    )


def _choose_people(ranked: Ints) -> Ints:
    """Choose all of them, or the worst and a random sample of the others; worst first."""
    if len(ranked) <= MAX_PEOPLE:
        return ranked
    num_worst = MAX_PEOPLE // 2
    num_others = len(ranked) - num_worst
    drawn = np.random.default_rng(0).choice(num_others, MAX_PEOPLE - num_worst, replace=False)
    return np.concatenate([ranked[:num_worst], ranked[num_worst + np.sort(drawn)]])
