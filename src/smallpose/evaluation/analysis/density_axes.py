"""Keypoint density for people of all sizes, and the two quantities that it mixes.

Eq. 3 divides a person's area by the upper limit of the small. For medium and large people it is
divided by the upper limit of their own class, 256 × 192 and 512 × 384 px²; for small people the
density is that of Eq. 3, to the last bit. It mixes two quantities that can be read alone: pixels
per labelled joint, and the labelled share of the joints.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from smallpose.core.density import DENSE_FROM, DENSITIES, SPARSE_BELOW, keypoint_density
from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import Predictions
from smallpose.core.sizes import SIZES, SMALL_BELOW
from smallpose.evaluation.analysis.binned_ap import (
    Bin,
    Scale,
    compute_binned_aps,
    score_groups,
)
from smallpose.evaluation.areas import get_person_area
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.matching.arrays import Floats, Mask
from smallpose.evaluation.matching.keypoint_selection import select_keypoints
from smallpose.evaluation.protocols import PAPER_LIMITS, SizeLimits, classify_sizes

LARGE_FACTOR = 4  # the large are measured by 512 × 384 px², four times where they begin
# Where sparse and dense end in each size class: the paper's for the small. The others are chosen on
# COCO and CrowdPose, so that each class of theirs holds 5 % of its size or more.
DENSITY_LIMITS = {
    "small": (SPARSE_BELOW, DENSE_FROM),
    "medium": (0.45, 0.80),
    "large": (0.45, 0.80),
}
MIN_SHARE = 0.05  # of the people of a size; classes with less are named
NUM_BINS = 5
AXES = ("density", "pixels_per_joint", "labelled_share")


@dataclass(frozen=True)
class DensityValues:
    """The quantities of each person; NaN for people who do not count or have no label.

    Args:
        sizes: (3, n) membership in small, medium and large.
        density: (n,) of Eq. 3 by the person's own class.
        pixels_per_joint: (n,) px² per labelled joint.
        labelled_share: (n,) 0 to 1.
    """

    sizes: Mask
    density: Floats
    pixels_per_joint: Floats
    labelled_share: Floats

    def get_axis(self, name: str) -> Floats:
        """Return the quantity of one of `AXES`."""
        return np.asarray(getattr(self, name))


def measure_densities(
    truth: Instances,
    num_joints: int | None = None,
    *,
    size_area: str = "box",
    size_limits: SizeLimits = PAPER_LIMITS,
) -> DensityValues:
    """Measure the density of people of all sizes.

    Args:
        num_joints: K of Eq. 3 for all people; by default each source's own.
        size_area, size_limits: as for `evaluate`.
    """
    area = get_person_area(truth, size_area)
    labelled = truth.num_labelled
    joints = truth.num_source_joints if num_joints is None else np.full(len(truth), num_joints)
    sizes = classify_sizes(area, size_limits)[1:] & truth.is_counted & (labelled > 0)
    is_known = sizes.any(axis=0)
    references = (*size_limits, LARGE_FACTOR * size_limits[1])
    density = np.full(len(truth), np.nan)
    for is_member, reference in zip(sizes, references, strict=True):
        # With the paper's limit the ratio of the small is exactly 1.
        scaled = area[is_member] * (SMALL_BELOW / reference)
        density[is_member] = keypoint_density(scaled, labelled[is_member], joints[is_member])
    n = np.maximum(labelled, 1)
    return DensityValues(
        sizes=sizes,
        density=density,
        pixels_per_joint=np.where(is_known, area / n, np.nan),
        labelled_share=np.where(is_known, labelled / np.maximum(joints, 1), np.nan),
    )


def classify_own_density(values: DensityValues) -> Mask:
    """Return (9, n) membership: sparse, moderate and dense of the small, medium and large."""
    members = []
    for name, is_member in zip(SIZES, values.sizes, strict=True):
        sparse, dense = DENSITY_LIMITS[name]
        is_sparse, is_dense = values.density < sparse, values.density >= dense
        members += [
            is_member & is_sparse,
            is_member & ~is_sparse & ~is_dense,
            is_member & is_dense,
        ]
    return np.stack(members)


@dataclass(frozen=True)
class DensityClass:
    """A density class of one size.

    Args:
        share: of the people of the size; NaN without any.
        ap: None without people.
        is_scarce: as of `GroupScore`.
    """

    size: str
    name: str
    people: int
    share: float
    ap: float | None
    interval: Interval | None
    is_scarce: bool = False


@dataclass(frozen=True)
class DensityBreakdown:
    """AP by density class, and along each axis, for every size.

    Args:
        bins: by size and axis.
    """

    classes: list[DensityClass]
    bins: dict[str, dict[str, list[Bin]]]

    @property
    def scarce(self) -> list[DensityClass]:
        """Return the classes with fewer than 5 % of the people of their size."""
        return [one for one in self.classes if one.share < MIN_SHARE]


def break_down_by_density(
    truth: Instances,
    predictions: Predictions,
    *,
    num_resamples: int = 0,
    seed: int = 0,
    **options: Any,
) -> DensityBreakdown:
    """Compute AP (`owned`) by density class and along density, pixels and labels, per size.

    Args:
        num_resamples: of the bootstrap for intervals; 0 for none.
        options: as for `evaluate`.
    """
    config = ScoringConfig(**{"protocols": ("owned",), **options})
    scored = select_keypoints(truth, predictions, config)
    values = measure_densities(
        truth,
        config.density_joints,
        size_area=config.size_area,
        size_limits=config.size_limits,
    )
    members = classify_own_density(values) & scored.classes[0]
    groups = score_groups(truth, predictions, scored, members, num_resamples, seed)
    names = [(size, density) for size in SIZES for density in DENSITIES]
    totals = (values.sizes & scored.classes[0]).sum(axis=1)
    classes = [
        DensityClass(
            size=size,
            name=density,
            people=group.people,
            share=group.people / total if total else np.nan,
            ap=group.ap,
            interval=group.interval,
            is_scarce=group.is_scarce,
        )
        for (size, density), group, total in zip(
            names, groups, np.repeat(totals, len(DENSITIES)).tolist(), strict=True
        )
    ]
    scales = {
        (size, axis): Scale(np.where(is_member, values.get_axis(axis), np.nan), NUM_BINS)
        for size, is_member in zip(SIZES, values.sizes, strict=True)
        for axis in AXES
    }
    along = compute_binned_aps(
        truth,
        predictions,
        list(scales.values()),
        num_resamples=num_resamples,
        seed=seed,
        **options,
    )
    bins: dict[str, dict[str, list[Bin]]] = {size: {} for size in SIZES}
    for (size, axis), made in zip(scales, along, strict=True):
        bins[size][axis] = made
    return DensityBreakdown(classes=classes, bins=bins)
