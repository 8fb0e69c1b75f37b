"""Define the records that all five formats and truth.json share."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Person:
    """One annotated person, or a region of people.

    Args:
        keypoints: (21, 3) as the source's labeller placed them, v as a perfect reader
            returns it; zeros without label. Not yet rounded to the precision of the format.
        exact: (21, 3) as rendered.
        box_xywh: (4,) px by the source's rule, before rounding and before clipping.
        exact_box_xywh: (4,) the same from the rendered geometry.
        iscrowd: a region of people.
        segmentation_area: px² of the mask where the source has masks.
        extra: what only the source's own format needs.
    """

    keypoints: Floats
    exact: Floats
    box_xywh: Floats
    exact_box_xywh: Floats
    iscrowd: bool = False
    segmentation_area: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageRecord:
    """One image and the people annotated in it.

    Args:
        source: coco, mpii, aic, hieve or posetrack.
        file_name: `<source>/<path below the source's records>`.
        source_id: what the source calls it.
        width, height: px.
        split: train or val where the source itself decides, else None.
        group: video or sequence, else "".
        people: all annotated people.
        labelled: False for records the source leaves without annotation.
        extra: what only the source's own format needs.
    """

    source: str
    file_name: str
    source_id: str
    width: int
    height: int
    split: str | None
    group: str
    people: tuple[Person, ...]
    labelled: bool = True
    extra: dict[str, Any] = field(default_factory=dict)
