"""The result of `smallpose sigmas` as JSON, as a file for `--sigmas` and as tables."""

import json
import textwrap
from dataclasses import dataclass
from typing import Any

from smallpose.core.counts import format_count, format_phrase
from smallpose.core.interval import Interval
from smallpose.core.skeleton import Skeleton
from smallpose.evaluation.annotators.agreement import Agreement
from smallpose.evaluation.annotators.outliers import Outlier
from smallpose.evaluation.console_table import WIDTH, format_number, format_table
from smallpose.evaluation.sigma_file import format_sigma_file

_MAX_OUTLIERS_SHOWN = 10


@dataclass(frozen=True)
class JointSpread:
    """The sigma of one joint and where it is from.

    Args:
        sigma: with its 95 % interval where it was measured on enough images.
        origin: "measured", or whose sigma it is.
        with_outliers: the sigma if outliers are kept; None where it was not measured.
        people, labels: labelled by two or more annotators.
        published: the sigma that `evaluate` uses for a joint of this name; None for other names.
    """

    sigma: Interval
    origin: str
    with_outliers: float | None = None
    people: int = 0
    labels: int = 0
    published: float | None = None

    @property
    def is_measured(self) -> bool:
        """Return whether the sigma was measured on these people."""
        return self.origin == "measured"

    def to_dict(self) -> dict[str, Any]:
        """Return the sigma for JSON."""
        return {
            "sigma": self.sigma.value,
            "interval": _list_ends(self.sigma),
            "origin": self.origin,
            "with_outliers": self.with_outliers,
            "people": self.people,
            "labels": self.labels,
            "published": self.published,
        }


@dataclass(frozen=True)
class SigmaReport:
    """Sigmas by joint, how well annotators agree, and who was left out.

    Args:
        skeleton: the joints.
        annotators: names of the files.
        joints: (k,) by joint.
        agreement: by kind of group ("all", "size", "source") and group.
        outliers: labels that were left out of the sigmas.
        left_out: counts by reason.
        people, clusters: compared people, and their images or videos.
        settings: what the numbers depend on.
        notes: as plain sentences.
    """

    skeleton: Skeleton
    annotators: tuple[str, ...]
    joints: tuple[JointSpread, ...]
    agreement: dict[str, dict[str, Agreement]]
    outliers: tuple[Outlier, ...]
    left_out: dict[str, int]
    people: int
    clusters: int
    settings: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def not_measured(self) -> dict[str, str]:
        """Return the origin of each sigma that was not measured, by joint."""
        names = self.skeleton.spelled_joints
        return {
            name: joint.origin
            for name, joint in zip(names, self.joints, strict=True)
            if not joint.is_measured
        }

    def to_file(self) -> str:
        """Return the text of a file for `--sigmas`."""
        values = [joint.sigma.value for joint in self.joints]
        return format_sigma_file(values, self.skeleton.spelled_joints, self.not_measured)

    def to_json(self) -> str:
        """Return all numbers as JSON text."""
        names = self.skeleton.spelled_joints
        content = {
            "joints": {n: j.to_dict() for n, j in zip(names, self.joints, strict=True)},
            "agreement": {
                kind: {name: _agreement_to_dict(one) for name, one in groups.items()}
                for kind, groups in self.agreement.items()
            },
            "outliers": [
                {**one.__dict__, "ids": list(one.ids), "annotators": list(one.annotators)}
                for one in self.outliers
            ],
            "people": self.people,
            "clusters": self.clusters,
            "left_out": self.left_out,
            "settings": self.settings,
            "notes": list(self.notes),
        }
        return json.dumps(content, indent=1) + "\n"

    def __str__(self) -> str:
        return _format_report(self)


def _format_report(report: SigmaReport) -> str:
    blocks = ["\n".join(_format_joints(report))]
    if report.agreement:
        blocks.append("\n".join(_format_agreement(report)))
    if report.outliers:
        blocks.append("\n".join(_format_outliers(report)))
    sentences = [
        f"left out: {format_phrase(count, reason)}"
        for reason, count in report.left_out.items()
        if count > 0
    ]
    foot: list[str] = []
    for sentence in (*sentences, *(f"note: {note}" for note in report.notes)):
        foot += textwrap.wrap(sentence, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    if foot:
        blocks.append("\n".join(foot))
    return "\n\n".join(blocks)


def _format_joints(report: SigmaReport) -> list[str]:
    if report.people:
        who = format_count(report.people, "person", "people")
        where = format_count(report.clusters, "image or video", "images or videos")
        title = f"OKS sigmas from {who} in {where}, labelled by {', '.join(report.annotators)}"
    else:
        title = f"BORROWED OKS sigmas for the joints of {report.annotators[0]}; none is measured"
    rows = []
    for name, joint in zip(report.skeleton.spelled_joints, report.joints, strict=True):
        ends = ""
        if joint.sigma.has_ends:
            low, high = (format_number(end) for end in (joint.sigma.low, joint.sigma.high))
            ends = f"{low}–{high}"
        rows.append(
            [
                name,
                joint.origin,
                format_number(joint.sigma.value),
                ends,
                format_number(joint.with_outliers) if joint.with_outliers else "",
                format_number(joint.published, 3) if joint.published else "",
                f"{joint.people:,}",
            ]
        )
    heading = ["joint", "origin", "sigma", "95 %", "with outliers", "published", "people"]
    if not report.people:
        rows = [row[:3] for row in rows]
        heading = [*heading[:2], "borrowed sigma"]
    return [title, *format_table(heading, rows)]


def _format_agreement(report: SigmaReport) -> list[str]:
    rows = []
    for groups in report.agreement.values():
        for name, one in groups.items():
            rows.append(
                [
                    name,
                    f"{one.people:,}",
                    _format_relative(one.relative),
                    "n/a" if one.pixels is None else f"{one.pixels:.2f}",
                    format_number(one.oks, 3),
                    "n/a" if one.only_some is None else f"{100 * one.only_some:.1f} %",
                ]
            )
    heading = ["people", "", "spread / sigma", "px", "OKS", "labelled by some only"]
    return ["Agreement", *format_table(heading, rows, left=1)]


def _format_relative(relative: Interval | None) -> str:
    if relative is None:
        return "n/a"
    return relative.format(2) if relative.has_ends else f"{relative.value:.2f}"


def _format_outliers(report: SigmaReport) -> list[str]:
    shown = report.outliers[:_MAX_OUTLIERS_SHOWN]
    rows = [
        [
            one.image,
            ", ".join("–" if i is None else str(i) for i in one.ids),
            one.joint,
            one.kind,
            " or ".join(one.annotators),
            f"{one.sigmas:.0f}",
        ]
        for one in shown
    ]
    is_kept = report.settings.get("keep_outliers")
    title = f"Outliers ({len(report.outliers):,}, {'counted' if is_kept else 'left out'})"
    if len(report.outliers) > len(shown):
        title += f", the {len(shown)} farthest; all with --json"
    heading = ["image", "ids", "joint", "kind", "file", "sigmas"]
    return [title, *format_table(heading, rows, left=5)]


def _list_ends(interval: Interval | None) -> list[float] | None:
    if interval is None or not interval.has_ends:
        return None
    return [interval.low, interval.high]


def _agreement_to_dict(one: Agreement) -> dict[str, Any]:
    return {
        "people": one.people,
        "relative": None if one.relative is None else one.relative.value,
        "interval": _list_ends(one.relative),
        "pixels": one.pixels,
        "oks": one.oks,
        "only_some": one.only_some,
    }
