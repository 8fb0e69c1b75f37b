"""Count the detections of result files by size; nothing is known of the people but the results."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.predictions import Predictions
from smallpose.core.sizes import MEDIUM_BELOW, SIZES, SMALL_BELOW, classify_sizes
from smallpose.core.table import Column, Table

SHARES = (5, 50, 95)  # percentiles of the heights


@dataclass(frozen=True)
class ResultCounts:
    """The detections of a result file.

    Args:
        images: with at least one counted detection.
        detections: that were counted.
        below_min_score: detections that were not counted, because their scores are lower.
        small, medium, large: of those counted; boxes without area are in none.
        heights: px, at `SHARES` percent of the counted detections; empty without any.
        has_boxes: whether sizes are those of the file's boxes, or else of the poses' extents.
    """

    images: int
    detections: int
    below_min_score: int
    small: int
    medium: int
    large: int
    heights: tuple[float, ...]
    has_boxes: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        return asdict(self)

    def describe_sizes(self) -> str:
        """Describe what the sizes are of, and what they are not, in one sentence."""
        what = "its boxes" if self.has_boxes else "the extents of its poses (it has no boxes)"
        low = format_count(self.below_min_score, "detection")
        left_out = f"; {low} below --min-score" if self.below_min_score else ""
        return f"sizes are those of {what}: of detections, not of labelled people{left_out}"


def count_detections(predictions: Predictions, min_score: float | None = None) -> ResultCounts:
    """Count detections by size.

    Args:
        min_score: below which a detection is not counted; None counts all.
    """
    is_low = np.zeros(len(predictions), dtype=bool)
    if min_score is not None:
        is_low = predictions.scores < min_score
    counted = predictions.take(~is_low)
    classes = classify_sizes(counted.area)
    small, medium, large = np.bincount(classes[classes >= 0], minlength=len(SIZES)).tolist()
    if predictions.has_boxes:
        heights = counted.boxes_xywh[:, 3]
    else:
        heights = np.ptp(counted.keypoints[:, :, 1], axis=1)
    return ResultCounts(
        images=len(np.unique(counted.image_ids)),
        detections=len(counted),
        below_min_score=int(is_low.sum()),
        small=small,
        medium=medium,
        large=large,
        heights=tuple(np.percentile(heights, SHARES).tolist()) if len(counted) else (),
        has_boxes=predictions.has_boxes,
    )


def build_result_table(counts: Mapping[str, ResultCounts]) -> Table:
    """Build the table of result files: a row for each."""
    columns = (
        Column("results"),
        Column("images", "count", "with a detection"),
        Column("detections", "count"),
        Column("small", "count", f"boxes below {SMALL_BELOW:,} px²"),
        Column("medium", "count"),
        Column("large", "count", f"boxes of {MEDIUM_BELOW:,} px² and more"),
        *(Column(f"px, {share} %", "points", "height of the box; percentile") for share in SHARES),
    )
    rows = tuple(
        (
            name,
            one.images,
            one.detections,
            one.small,
            one.medium,
            one.large,
            *(one.heights or (None,) * len(SHARES)),
        )
        for name, one in counts.items()
    )
    return Table(name="results", title="Detections by size", columns=columns, rows=rows)
