"""Order the rows of a board by a metric, each with a verdict against the leader.

Differences are paired: both rows are scored on the same resamples of images, as `compare` does, and
p-values are corrected by Holm over all rows of the board.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from smallpose.core.interval import Interval
from smallpose.core.student_t import compute_two_sided_p
from smallpose.evaluation.analysis.comparison import MIN_TEST_CLUSTERS, apply_holm_correction
from smallpose.evaluation.analysis.cut_scores import ScoreFacts, describe_cut_scores
from smallpose.evaluation.analysis.missing_images import ImageFacts, describe_missing_images
from smallpose.evaluation.comparability import LABEL_BOXES
from smallpose.evaluation.doubts import describe_pair_doubt, find_mixed_boxes, is_doubt
from smallpose.evaluation.protocols import CLASSES
from smallpose.evaluation.scoring.bootstrap import (
    MIN_CLUSTERS,
    compute_difference_interval,
    compute_standard_error,
    get_class_index,
)
from smallpose.report.leaderboard.board import SCORES, Board, Draws, Row

SIGNIFICANCE = 0.05
LEADER = "leader"
BEHIND = "behind"
CANNOT_TELL = "cannot tell"
SAME = "the same scores"
TOO_FEW = "too few images"
UNKNOWN = "no people"


@dataclass(frozen=True)
class Standing:
    """A row of the board by one metric.

    Args:
        rank: from 1; rows of equal scores share it. None without a score.
        score: points with the 95 % interval.
        difference: points, this row minus the leader, with the 95 % interval.
        p: of a difference as large where there is none, corrected over the board.
        verdict: against the leader.
        doubt: why the score or the verdict may say little about the model; "" without a doubt.
        pair_notes: on this row beside the leader, or on the leader.
    """

    row: Row
    rank: int | None
    score: Interval | None
    difference: Interval | None = None
    p: float | None = None
    verdict: str = UNKNOWN
    doubt: str = ""
    pair_notes: tuple[str, ...] = ()

    @property
    def shown_verdict(self) -> str:
        """Return the verdict, and that it is in doubt where it is."""
        return f"{self.verdict} (in doubt)" if self.doubt else self.verdict


def rank_rows(
    board: Board, draws: Mapping[str, Draws], metric: str, protocol: str
) -> list[Standing]:
    """Order all rows by a metric, the leader first, those without a score last."""
    points = {row.name: _get_points(row, metric, protocol) for row in board.rows}
    ordered = sorted(board.rows, key=lambda row: (-points[row.name], row.name))
    standings = []
    for row in ordered:
        score = row.get_score(protocol, metric)
        rank = 1 + sum(value > points[row.name] for value in points.values())
        standings.append(Standing(row, None if score is None else rank, score))
    if not standings or standings[0].score is None:
        return standings
    leader = replace(standings[0], verdict=LEADER, doubt=_describe_doubt([standings[0].row]))
    compared = [
        _add_doubt(
            _compare_with_leader(board, one, leader, draws, f"{protocol}/{metric}"), leader, draws
        )
        for one in standings[1:]
    ]
    return [leader, *_decide_verdicts(compared)]


def _add_doubt(one: Standing, leader: Standing, draws: Mapping[str, Draws]) -> Standing:
    """Add what is in doubt of a row beside the leader, and the notes on the two."""
    pair = [leader.row, one.row]
    facts = {
        row.name: ScoreFacts(draws[row.name][SCORES], row.num_detections, row.score_limit)
        for row in pair
        if SCORES in draws[row.name]  # not of a row that an earlier version added
    }
    images = {row.name: ImageFacts.from_arrays(draws[row.name]) for row in pair}
    missing = describe_missing_images({name: of for name, of in images.items() if of is not None})
    notes = [describe_cut_scores(facts), missing]
    return replace(
        one,
        doubt=_describe_doubt(pair, notes),
        pair_notes=tuple(note for by_name in notes for note in by_name.values()),
    )


def _describe_doubt(rows: Sequence[Row], more: Sequence[Mapping[str, str]] = ()) -> str:
    """Say by the notes of a row, and of the leader that it is compared with, what is in doubt.

    Args:
        more: notes on rows, by their names.
    """
    notes = {
        row.name: [*row.notes, *(by_name.get(row.name, "") for by_name in more)] for row in rows
    }
    return describe_pair_doubt(notes, find_mixed_boxes(rows[0].notes, rows[-1].notes))


def _get_points(row: Row, metric: str, protocol: str) -> float:
    value = row.scores[protocol].get(metric)
    return -1.0 if value is None else value


def _compare_with_leader(
    board: Board, one: Standing, leader: Standing, draws: Mapping[str, Draws], key: str
) -> Standing:
    """Add the difference from the leader, its interval and its uncorrected p-value."""
    if one.score is None or leader.score is None:
        return one
    value = (one.score.value - leader.score.value) / 100
    resamples = draws[one.row.name][key] - draws[leader.row.name][key]
    num_with_people = _count_class_clusters(board, key.partition("/")[2])
    interval = compute_difference_interval(value, resamples, board.num_clusters)
    if interval is None or num_with_people < MIN_CLUSTERS:
        return replace(one, difference=Interval(100 * value), verdict=TOO_FEW)
    if not np.any(resamples) and value == 0:
        return replace(one, difference=interval * 100, verdict=SAME)
    p = None
    if num_with_people >= MIN_TEST_CLUSTERS:
        error = compute_standard_error(resamples[np.isfinite(resamples)], num_with_people)
        t = value / error if error else 0.0
        p = compute_two_sided_p(t, num_with_people - 1)
    verdict = TOO_FEW if p is None else CANNOT_TELL
    return replace(one, difference=interval * 100, p=p, verdict=verdict)


def _decide_verdicts(standings: Sequence[Standing]) -> list[Standing]:
    """Correct the p-values over all rows, and name those that are behind."""
    known = [one.p for one in standings if one.p is not None]
    corrected = iter(apply_holm_correction(known))
    decided = []
    for one in standings:
        if one.p is None:
            decided.append(one)
            continue
        p = next(corrected)
        verdict = BEHIND if p < SIGNIFICANCE else CANNOT_TELL
        decided.append(replace(one, p=p, verdict=verdict))
    return decided


def _count_class_clusters(board: Board, metric: str) -> int:
    return board.class_clusters[CLASSES[get_class_index(metric)].name]


def list_doubts(standings: Sequence[Standing]) -> list[str]:
    """List the notes that put scores or verdicts in doubt; one that all rows have is there once."""
    every = {
        one.row.name: [note for note in one.row.notes if is_doubt(note) or LABEL_BOXES in note]
        for one in standings
    }
    first = next(iter(every.values()), [])
    shared = [note for note in first if all(note in notes for notes in every.values())]
    own = [
        f"{name}: {note}" for name, notes in every.items() for note in notes if note not in shared
    ]
    of_pairs = dict.fromkeys(note for one in standings for note in one.pair_notes)
    return [*shared, *own, *of_pairs]
