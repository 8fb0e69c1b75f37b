"""Format how an exported file differs from its original."""

from collections.abc import Sequence

from smallpose.core.counts import choose_verb, format_count
from smallpose.core.table import build_text_table, wrap_text
from smallpose.evaluation.analysis.comparison import Difference
from smallpose.evaluation.console_table import format_number
from smallpose.evaluation.notes import describe_constant_metrics
from smallpose.evaluation.scoring.bootstrap import MIN_CLUSTERS
from smallpose.inference.onnx.check_export import EXPORTED, ORIGINAL, ExportCheck

_METRICS = ("AP", "AP_S")


def format_check(check: ExportCheck) -> str:
    """Format a check for the terminal; people are listed where the file is not equal."""
    first, second = check.num_people
    x, y = check.shift_px
    lines = [
        f"{format_count(first, 'person', 'people')} by the original, {second:,} by the file, "
        f"{check.num_paired:,} {choose_verb(check.num_paired, 'are')} the same person",
        f"joints differ by {check.median_px:.3f} px at the median, 99 % by at most "
        f"{check.p99_px:.3f}, all by at most {check.max_px:.3f} px of the network's input; median "
        f"shift ({x:+.3f}, {y:+.3f})",
    ]
    differences = [d for d in check.comparison.differences if d.name in _METRICS]
    rows = [_format_difference(d) for d in differences]
    ap = build_text_table(["", ORIGINAL, EXPORTED, "difference", "95 %"], rows)
    notes = _explain_missing_intervals(differences)
    if not check.problems:
        return "\n".join([*lines, "", ap.to_text(), *notes])
    worst = build_text_table(
        ["least alike", "height px", "joint", "moved px", "OKS"],
        [
            [
                one.file_name,
                f"{one.height_px:.0f}",
                one.joint,
                f"{one.moved_px:.3f}",
                f"{one.oks:.4f}",
            ]
            for one in check.worst
        ],
    )
    return "\n".join([*lines, "", ap.to_text(), *notes, "", worst.to_text()])


def format_verdict(check: ExportCheck) -> str:
    """Say in one line whether the file is equal to its original."""
    if not check.problems:
        return "equal: the file gives the poses of the original"
    return f"not equal: {'; '.join(check.problems)}"


def _explain_missing_intervals(differences: Sequence[Difference]) -> list[str]:
    """Say why metrics have no interval: scarce people, 0 or 1 always, or too few resamples."""
    missing = [d for d in differences if d.interval is None and d.difference is not None]
    scarce = [f"{d.name} ({d.clusters})" for d in missing if d.clusters < MIN_CLUSTERS]
    constant = {f"{d.name} ({d.protocol})": d.base_value for d in missing if d.error == 0.0}
    others = [d.name for d in missing if d.clusters >= MIN_CLUSTERS and d.error is None]
    notes = describe_constant_metrics(constant)
    if scarce:
        few = f"people in fewer than {MIN_CLUSTERS} images or videos"
        notes.append(f"no interval for {', '.join(scarce)}: {few}")
    if others:
        notes.append(f"no interval for {', '.join(others)}: too few resamples have people")
    return [*map(wrap_text, notes)]


def _format_difference(d: Difference) -> list[str]:
    ends = "n/a"
    if d.interval is not None:
        low, high = (format_number(end, 3, sign=True) for end in (d.interval.low, d.interval.high))
        ends = f"{low}…{high}"
    return [
        d.name,
        format_number(d.base_value, 3),
        format_number(d.other_value, 3),
        format_number(d.difference, 3, sign=True),
        ends,
    ]
