"""Write the page of a leaderboard: one HTML file without a network, and its table as CSV."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from smallpose._version import __version__
from smallpose.core.counts import format_count, format_phrase
from smallpose.core.interval import Interval
from smallpose.core.table import Cell, Column, Table
from smallpose.evaluation.doubts import IN_DOUBT
from smallpose.evaluation.protocols import CLASSES
from smallpose.evaluation.scoring.bootstrap import get_class_index
from smallpose.report.leaderboard.board import Board, Draws, Row
from smallpose.report.leaderboard.standings import (
    CANNOT_TELL,
    LEADER,
    SAME,
    Standing,
    list_doubts,
    rank_rows,
)
from smallpose.report.leaderboard.training_sets import find_overlap, get_rest
from smallpose.system.files import write_atomically

# Metrics of the main table beside the one that orders it, and those with a table of their own.
SHOWN = ("AP", "AP_S", "AP_M", "AP_L", "AR")
ORDERED = ("AP", "AP_S", "AP_M", "AP_L", "AP_S_sparse", "AP_S_moderate", "AP_S_dense", "AR")
# The last columns of the table in files.
FILE_COLUMNS = (Column("by"), Column("added"), Column("SHA-256", meaning="of the result file"))
NOT_DECLARED = "not declared"
MEANINGS = {
    "AP": "average precision",
    "AP50": "average precision at an OKS of 0.5",
    "AP75": "average precision at an OKS of 0.75",
    "AP_S": "AP of small people",
    "AP_M": "AP of medium people",
    "AP_L": "AP of large people",
    "AP_S_sparse": "AP of small people with sparse keypoints",
    "AP_S_moderate": "AP of small people with keypoints of moderate density",
    "AP_S_dense": "AP of small people with dense keypoints",
    "AR": "average recall",
}
_NOTE = (
    "The intervals are 95 % ones by a bootstrap over images (or videos). A row is behind the "
    "leader when the paired difference on the same images has p < .05, corrected by Holm over all "
    "rows; otherwise these images cannot tell the two apart. The leader was chosen because its "
    "score is the highest, so that its own score is a little too high. What rows were trained on "
    "and how fast they are is as their authors declared. Test images seen in training are known "
    "only for training sets whose images were compared with the test images; a row without a "
    "declaration may have seen all of them."
)


def write_page(folder: Path, board: Board, draws: Mapping[str, Draws]) -> None:
    """Write `index.html`, `leaderboard.csv` and `leaderboard.md`."""
    rules = board.rules
    standings = rank_rows(board, draws, rules.rank_by, rules.protocol)
    table = build_table(standings, board)
    others = [
        _build_metric_table(rank_rows(board, draws, metric, rules.protocol), board, metric)
        for metric in ORDERED
        if metric != rules.rank_by and _count_people(board, metric)
    ]
    write_atomically(folder / "leaderboard.csv", table.to_csv())
    write_atomically(folder / "leaderboard.md", table.to_markdown())
    values = {
        "version": __version__,
        "headline": _write_headline(standings, board),
        "facts": _describe_board(board),
        "doubts": list_doubts(standings),
        "bars": _build_bars(standings),
        "metric": MEANINGS[rules.rank_by],
        "table": _select_columns(table, len(table.columns) - len(FILE_COLUMNS)),
        "others": others,
        "rows": [_describe_row(board, one.row) for one in standings],
        "truth_file": rules.truth_file,
    }
    write_atomically(folder / "index.html", _render(values))


def build_table(standings: Sequence[Standing], board: Board) -> Table:
    """Build the main table, in the order of the standings."""
    rules = board.rules
    metrics = [metric for metric in SHOWN if metric != rules.rank_by]
    metrics = [metric for metric in metrics if _count_people(board, metric)]
    columns = (
        Column("name"),
        Column("rank", "count"),
        Column(rules.rank_by, "points", MEANINGS[rules.rank_by]),
        Column("minus the leader", "points", "points, paired on the same images"),
        Column("verdict"),
        *(Column(metric, "points", MEANINGS[metric]) for metric in metrics),
        Column("ms per image", "number", "as declared"),
        Column("device"),
        Column("trained on"),
        Column("test images seen", meaning="in training, by hash or as near-duplicates"),
        Column(f"{rules.rank_by} on the rest", "points", "on the test images not seen in training"),
        *FILE_COLUMNS,
    )
    rows = tuple(
        (
            one.row.name,
            one.rank,
            one.score,
            one.difference,
            one.shown_verdict,
            *(one.row.get_score(rules.protocol, metric) for metric in metrics),
            one.row.speed.ms_per_image if one.row.speed else None,
            one.row.speed.device if one.row.speed else "",
            _describe_training(one.row),
            _describe_seen(board, one.row),
            _get_rest_score(board, one.row),
            one.row.by,
            one.row.added,
            one.row.sha256[:12],
        )
        for one in standings
    )
    return Table("leaderboard", f"Ordered by {rules.rank_by}", columns, rows, _NOTE)


def _select_columns(table: Table, num_columns: int) -> Table:
    """Keep the first columns, those that fit a wide screen; the rows of the page have the rest."""
    return replace(
        table,
        columns=table.columns[:num_columns],
        rows=tuple(row[:num_columns] for row in table.rows),
    )


def build_short_table(standings: Sequence[Standing], board: Board) -> Table:
    """Build the table for a terminal: scores, differences and verdicts."""
    rules = board.rules
    table = _build_metric_table(standings, board, rules.rank_by)
    return replace(table, title=f"{board.rules.truth_file}: {table.title}")


def encode_standings(standings: Sequence[Standing], board: Board) -> str:
    """Encode the rows in their order as JSON text."""
    rows = [
        msgspec.to_builtins(one.row)
        | {
            "rank": one.rank,
            "verdict": one.verdict,
            "doubt": one.doubt,
            "difference": None if one.difference is None else one.difference.value / 100,
            "difference_interval": _encode_ends(one.difference),
            "p": one.p,
            "seen": _encode_overlap(board, one.row),
            "rest": msgspec.to_builtins(get_rest(board, one.row)),
        }
        for one in standings
    ]
    return json.dumps(rows, indent=1) + "\n"


def _encode_overlap(board: Board, row: Row) -> dict[str, Any] | None:
    overlap = find_overlap(board, row.trained_on)
    if overlap is None:
        return None
    return {
        "images": len(overlap.seen),
        "not_compared": len(overlap.not_compared),
        "unknown": list(overlap.unknown),
    }


def _encode_ends(interval: Interval | None) -> list[float] | None:
    if interval is None or not interval.has_ends:
        return None
    return [interval.low / 100, interval.high / 100]


def _build_metric_table(standings: Sequence[Standing], board: Board, metric: str) -> Table:
    """Build the table of another metric with its own leader."""
    columns = (
        Column("name"),
        Column("rank", "count"),
        Column(metric, "points", MEANINGS[metric]),
        Column("minus the leader", "points", "points, paired on the same images"),
        Column("verdict"),
    )
    rows = tuple((s.row.name, s.rank, s.score, s.difference, s.shown_verdict) for s in standings)
    people = _count_people(board, metric)
    title = f"By {metric}: {MEANINGS[metric]} ({format_count(people, 'person', 'people')})"
    return Table(f"by_{metric.lower()}", title, columns, rows)


def _count_people(board: Board, metric: str) -> int:
    return board.people[CLASSES[get_class_index(metric)].name]


def _describe_training(row: Row) -> str:
    return NOT_DECLARED if row.trained_on is None else ", ".join(row.trained_on)


def _describe_seen(board: Board, row: Row) -> str:
    overlap = find_overlap(board, row.trained_on)
    return NOT_DECLARED if overlap is None else overlap.describe()


def _get_rest_score(board: Board, row: Row) -> float | None:
    """Return the metric of the board's order on unseen images, in points."""
    rest = get_rest(board, row)
    value = rest.scores[board.rules.protocol].get(board.rules.rank_by) if rest else None
    return None if value is None else 100 * value


def _write_headline(standings: Sequence[Standing], board: Board) -> str:
    if not standings:
        return "No result yet"
    leader = standings[0]
    if leader.score is None:
        return f"No result has a value of {board.rules.rank_by}"
    text = f"{leader.row.name} leads with {leader.score.value:.1f} {board.rules.rank_by}"
    others = standings[1:]
    doubt = f"; {IN_DOUBT}" if any(one.doubt for one in standings) else ""
    return f"{text}{_describe_others(others)}{doubt}"


def _describe_others(others: Sequence[Standing]) -> str:
    """Say in the headline whether the leader is ahead of the others; "" where it is not known."""
    if not others:
        return ""
    open_rows = [one for one in others if one.verdict in (CANNOT_TELL, SAME)]
    if not open_rows:
        is_behind = all(one.verdict not in (LEADER, CANNOT_TELL) for one in others)
        return ", ahead of all others" if is_behind and _all_decided(others) else ""
    names = format_count(len(open_rows), "other")
    return f"; {names} cannot be told from it"


def _all_decided(others: Sequence[Standing]) -> bool:
    return all(one.p is not None for one in others)


def _describe_board(board: Board) -> list[tuple[str, str]]:
    rules = board.rules
    joints = "COCO's 17" if rules.keypoints == "coco17" else "all of the ground truth"
    people = ", ".join(f"{n:,} {name}" for name, n in board.people.items() if name != "all")
    sigmas = "those of COCO and of the 21 joints"
    if rules.sigmas is not None:
        sigmas = ", ".join(f"{sigma:g}" for sigma in rules.sigmas)
    if rules.not_measured:
        sigmas += f"; not measured, but borrowed: {', '.join(rules.not_measured)}"
    return [
        ("ground truth", f"{rules.truth_file}, SHA-256 {rules.truth_sha256}"),
        ("images", f"{board.num_images:,}"),
        ("people", f"{board.people['all']:,}: {people}"),
        ("joints scored", joints),
        ("OKS sigmas", sigmas),
        ("ordered by", f"{rules.rank_by}, protocol {rules.protocol}"),
        ("detections per image", f"at most {rules.max_per_image}; under coco the best 20 count"),
        ("intervals", f"{format_count(rules.num_resamples, 'resample')}, seed {rules.seed}"),
        *(
            (
                f"training set {one.name}",
                f"{format_count(one.num_images, 'image')}; of the test images it has "
                f"{len(one.exact):,} as equal files and {len(one.near):,} as near-duplicates; "
                f"{format_phrase(len(one.not_compared), 'images were')} not compared",
            )
            for one in board.training_sets
        ),
    ]


def _build_bars(standings: Sequence[Standing]) -> list[dict[str, Any]]:
    """Return each row's score and interval in per cent of the axis, which begins at 0."""
    scores = [one.score for one in standings if one.score is not None]
    top = max((s.high if s.has_ends else s.value for s in scores), default=1.0) or 1.0
    bars = []
    for one in standings:
        if one.score is None:
            continue
        low, high = _get_ends(one.score)
        bars.append(
            {
                "name": one.row.name,
                "text": Column("", "points").format(one.score),
                "verdict": one.shown_verdict,
                "is_open": one.verdict in (LEADER, CANNOT_TELL, SAME),
                "value": round(100 * one.score.value / top, 2),
                "low": round(100 * low / top, 2),
                "width": round(100 * (high - low) / top, 2),
            }
        )
    return bars


def _get_ends(score: Interval) -> tuple[float, float]:
    return (score.low, score.high) if score.has_ends else (score.value, score.value)


def _describe_row(board: Board, row: Row) -> dict[str, Any]:
    facts: list[tuple[str, Cell]] = [
        ("file", row.file),
        ("SHA-256", row.sha256),
        ("detections", f"{row.num_detections:,} in {format_count(row.num_images, 'image')}"),
        ("trained on", _describe_training(row)),
        ("test images seen in training", _describe_seen(board, row)),
        *_describe_rest(board, row),
        ("speed", _describe_speed(row)),
        ("added", f"{row.added} by {row.by}" if row.by else row.added),
        *(("note", note) for note in row.notes),
    ]
    return {"name": row.name, "facts": facts}


def _describe_rest(board: Board, row: Row) -> list[tuple[str, Cell]]:
    overlap, rest = find_overlap(board, row.trained_on), get_rest(board, row)
    if overlap is None or overlap.unknown:
        return []
    heading = f"{board.rules.rank_by} on the rest"
    if rest is None:
        return [(heading, "unknown: add the result again with --replace")]
    value = _get_rest_score(board, row)
    counts = (
        f"{format_count(rest.num_people, 'person', 'people')} in "
        f"{format_count(rest.num_images, 'image')}"
    )
    return [(heading, f"{'–' if value is None else f'{value:.1f}'} ({counts})")]


def _describe_speed(row: Row) -> str:
    if row.speed is None:
        return NOT_DECLARED
    return f"{row.speed.ms_per_image:g} ms per image on {row.speed.device}"


def _render(values: Mapping[str, Any]) -> str:
    # Loaded only now, so that a broken result is refused without it.
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [
                jinja2.PackageLoader("smallpose.report.leaderboard", "templates"),
                jinja2.PackageLoader("smallpose.report.page", "static"),
            ]
        ),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("board.html").render(values) + "\n"
