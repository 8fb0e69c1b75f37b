"""Count the detections that limits on scores, and on overlap, leave out.

Small people have low scores, so a limit that suits large ones may leave most of the small ones out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from smallpose.core.counts import format_count

MANY_SHARE = 0.5  # of the detections; a limit that leaves out more deserves a remark
MAX_LOW_RATIO = 1.5  # of a limit to a low score


@dataclass(frozen=True)
class ScoreLimit:
    """A limit on scores or on overlap, and how many detections it has left out.

    Args:
        name: of the limit, as it is typed ("--score-above").
        score: detections below it are left out; or those whose OKS with a better one is above it.
        num_left_out: detections.
        num_detections: those left out among them.
        singular, plural: what is counted.
        is_overlap: whether it limits the overlap of people and not their scores.
    """

    name: str
    score: float
    num_left_out: int
    num_detections: int
    singular: str = "detection"
    plural: str = "detections"
    is_overlap: bool = False

    @property
    def leaves_out_many(self) -> bool:
        """Return whether more is left out than kept."""
        return self.num_left_out > MANY_SHARE * self.num_detections

    def to_dict(self) -> dict[str, float]:
        """Return the limit and its counts, for JSON."""
        return {
            "oks" if self.is_overlap else "score": self.score,
            "left_out": self.num_left_out,
            "detections": self.num_detections,
        }

    def describe(self) -> str:
        """Return how many the limit has left out, as a clause.

        >>> ScoreLimit("--min-score", 0.3, 25, 105).describe()
        '--min-score 0.3 left out 25 of 105 detections'
        >>> ScoreLimit("--nms", 0.9, 2, 8, "person", "people", is_overlap=True).describe()
        '--nms 0.9 left out 2 of 8 people as found twice (--nms 1 keeps all)'
        """
        detections = format_count(self.num_detections, self.singular, self.plural)
        ending = " as found twice (--nms 1 keeps all)" if self.is_overlap else ""
        return f"{self.name} {self.score:g} left out {self.num_left_out:,} of {detections}{ending}"


def add_score_limits(limits: Iterable[ScoreLimit]) -> tuple[ScoreLimit, ...]:
    """Add the counts of parts, by limit, in the order in which the limits come first."""
    sums: dict[tuple[str, float, str, str, bool], tuple[int, int]] = {}
    for limit in limits:
        key = (limit.name, limit.score, limit.singular, limit.plural, limit.is_overlap)
        num_left_out, num_detections = sums.get(key, (0, 0))
        sums[key] = (num_left_out + limit.num_left_out, num_detections + limit.num_detections)
    return tuple(
        ScoreLimit(
            name=name,
            score=score,
            num_left_out=num_left_out,
            num_detections=num_detections,
            singular=singular,
            plural=plural,
            is_overlap=is_overlap,
        )
        for (name, score, singular, plural, is_overlap), (
            num_left_out,
            num_detections,
        ) in sums.items()
    )


def describe_score_limits(limits: Iterable[ScoreLimit]) -> str:
    """Return "; …" for each limit that has left something out, to be appended to a sentence."""
    return "".join(f"; {limit.describe()}" for limit in limits if limit.num_left_out)


def list_many_left_out(limits: Iterable[ScoreLimit], low_score: float = 0.0) -> list[str]:
    """Return a remark for each limit on scores that leaves out more than it keeps.

    Args:
        low_score: below which most detections are of nobody; limits near it are right.
    """
    return [
        f"{limit.describe()}, more than half: small people have low scores; a lower limit, or "
        "none, keeps them"
        for limit in limits
        if limit.leaves_out_many
        and not limit.is_overlap
        and limit.score > MAX_LOW_RATIO * low_score
    ]
