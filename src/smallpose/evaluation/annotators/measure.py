"""Measure the sigmas of a skeleton on people labelled more than once, or borrow them."""

from collections.abc import Mapping

import numpy as np

from smallpose.core.instances import Instances
from smallpose.core.interval import Interval
from smallpose.core.skeleton import SIGMAS, Skeleton
from smallpose.evaluation.annotators.agreement import compare_groups
from smallpose.evaluation.annotators.borrowing import borrow_sigmas
from smallpose.evaluation.annotators.match_annotators import match_annotators
from smallpose.evaluation.annotators.outliers import OUTLIER_SIGMAS, find_outliers
from smallpose.evaluation.annotators.sigma_report import JointSpread, SigmaReport
from smallpose.evaluation.annotators.spread import (
    LEVEL,
    MIN_CLUSTERS,
    MIN_PEOPLE,
    measure_sigmas,
)
from smallpose.io.frame_groups import FRAMES_REMEDY, describe_possible_frames


def measure_annotators(
    tables: Mapping[str, Instances],
    *,
    oks_area: str = "file",
    keep_outliers: bool = False,
    pool_sides: bool = False,
) -> SigmaReport:
    """Measure OKS sigmas on people whom two or more files label; borrow them from one file alone.

    Args:
        tables: ground truths by the name of their file; the joints are those of the first.
        oks_area: a rule of `OKS_AREAS`, the area that distances are divided by.
        keep_outliers: count labels that are far off, too.
        pool_sides: give a left joint and its right one the same sigma, from both.
    Raises: InputError where the files have no image or no person in common, or one file has no
        joint of a known name.
    """
    if len(tables) == 1:
        ((name, table),) = tables.items()
        return _borrow_all(name, table, oks_area)
    labels = match_annotators(tables, oks_area)
    nothing = np.zeros(labels.is_labelled.shape, dtype=bool)
    is_out, outliers = find_outliers(labels)
    complete = measure_sigmas(labels, nothing, pool_sides)
    spreads = complete if keep_outliers else measure_sigmas(labels, is_out, pool_sides)
    measured = {k: one.sigma for k, one in enumerate(spreads) if one.sigma is not None}
    first = next(iter(tables.values()))
    borrowed = borrow_sigmas(first.skeleton, {k: one.value for k, one in measured.items()}, first)
    joints = []
    for k, (spread, whole) in enumerate(zip(spreads, complete, strict=True)):
        is_measured = k in measured
        joints.append(
            JointSpread(
                sigma=measured[k] if is_measured else Interval(borrowed[k].value),
                origin="measured" if is_measured else borrowed[k].origin,
                with_outliers=whole.sigma.value if is_measured and whole.sigma else None,
                people=spread.people,
                labels=spread.labels,
                published=SIGMAS.get(first.skeleton.joints[k]),
            )
        )
    sigmas = np.array([joint.sigma.value for joint in joints])
    num_clusters = len(np.unique(labels.cluster))
    used_out = nothing if keep_outliers else is_out
    return SigmaReport(
        skeleton=first.skeleton,
        annotators=labels.annotators,
        joints=tuple(joints),
        agreement=compare_groups(labels, used_out, sigmas),
        outliers=tuple(outliers),
        left_out=labels.left_out,
        people=len(labels),
        clusters=num_clusters,
        settings={
            "oks_area": oks_area,
            "keep_outliers": keep_outliers,
            "pool_sides": pool_sides,
            "outlier_sigmas": OUTLIER_SIGMAS,
            "level": LEVEL,
            "annotators": list(labels.annotators),
        },
        notes=(
            *_collect_notes(labels.notes, joints, first.skeleton, num_clusters),
            *describe_possible_frames(first.images, FRAMES_REMEDY, first),
        ),
    )


def _borrow_all(name: str, table: Instances, oks_area: str) -> SigmaReport:
    borrowed = borrow_sigmas(table.skeleton, {}, table)
    joints = [
        JointSpread(
            sigma=Interval(borrowed[k].value),
            origin=borrowed[k].origin,
            published=SIGMAS.get(joint),
        )
        for k, joint in enumerate(table.skeleton.joints)
    ]
    note = (
        "one file cannot show how far annotators are apart: no sigma is measured, all are borrowed "
        "from joints of the same or a neighbouring name; label some people twice to measure them"
    )
    return SigmaReport(
        skeleton=table.skeleton,
        annotators=(name,),
        joints=tuple(joints),
        agreement={},
        outliers=(),
        left_out={},
        people=0,
        clusters=0,
        settings={"oks_area": oks_area, "annotators": [name]},
        notes=(*table.notes, note),
    )


def _collect_notes(
    file_notes: tuple[str, ...], joints: list[JointSpread], skeleton: Skeleton, num_clusters: int
) -> list[str]:
    notes = list(file_notes)
    scarce = [
        f"{name} ({joint.people})"
        for name, joint in zip(skeleton.spelled_joints, joints, strict=True)
        if not joint.is_measured
    ]
    if scarce:
        notes.append(
            f"not measured, because fewer than {MIN_PEOPLE} people have the joint labelled twice "
            f"and at different places: {', '.join(scarce)}; the sigma shown is borrowed"
        )
    if num_clusters < MIN_CLUSTERS:
        notes.append(f"no intervals: people in fewer than {MIN_CLUSTERS} images or videos")
    return notes
