"""Leaks of a built set: near-duplicates that stand on both sides, and who has to move.

Splitting by video keeps frames together that say which video they are from. What nobody says, that
a source holds another's picture cropped or mirrored, only the pixels tell.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.instances import SOURCES, Images, concat
from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.duplicates.image_alignment import Pair
from smallpose.dataset.duplicates.image_hash import fingerprints
from smallpose.dataset.duplicates.near_duplicates import find_near_duplicates
from smallpose.dataset.splits import closest_subset

Sides = Sequence[str]


@dataclass(frozen=True)
class Leaks:
    """What an audit of a set's pictures found.

    Args:
        names: (m,) file names of the pictures that were looked at.
        sides: (m,) "train" or "test" of each.
        sources: (m,) each one's source.
        groups: (m,) what must stay together: source, video and side; "" where there is no video.
        pairs: every two near-duplicates, by number into `names`. Pictures of the same group on the
            same side were not compared: they belong together anyway.
        missing: file names of pictures that are not there or cannot be decoded.
    """

    names: tuple[str, ...]
    sides: tuple[str, ...]
    sources: tuple[str, ...]
    groups: tuple[str, ...]
    pairs: tuple[Pair, ...]
    missing: tuple[str, ...] = ()

    @property
    def across(self) -> list[Pair]:
        """The pairs that are leaks: one in train, one in test."""
        return leaks_between(self.sides, self.pairs)

    @property
    def moves(self) -> list[int]:
        """Numbers of the pictures that `move_offenders` would move."""
        moved = move_offenders(self.sides, self.pairs, self.groups)
        return [n for n, side in enumerate(self.sides) if moved[n] != side]


def find_leaks(built: BuiltSet, jobs: int = 1) -> Leaks:
    """Look at every picture of a built set."""
    parts = list(built.parts.values())
    images = concat(parts, parts[0].skeleton).images
    sides = [side for side, part in built.parts.items() for _ in range(len(part.images))]
    paths = [built.picture(name) for name in images.file_names]
    return find_leaks_among(images, range(len(images)), sides, paths, jobs)


def find_leaks_among(
    images: Images,
    rows: Sequence[int],
    sides: Sides,
    paths: Sequence[Path | None],
    jobs: int = 1,
) -> Leaks:
    """Look at some images' pictures.

    Args:
        rows: of `images`.
        sides, paths: (r,) each one's side and picture; None where there is none.
    Returns: pictures that are not there or cannot be decoded are among the missing.
    """
    there = [n for n, path in enumerate(paths) if path is not None]
    groups = [images.groups[r] for r in rows]
    labels = [
        f"{side} {images.source[r]} {group}" if group else ""
        for r, side, group in zip(rows, sides, groups, strict=True)
    ]
    broken: list[int] = []
    files = [path for path in paths if path is not None]
    prints = fingerprints(files, jobs, broken)
    bad = {there[n] for n in broken}
    pairs = find_near_duplicates(prints, apart=[labels[n] for n in there])
    # Unreadable pictures resemble nothing, so their numbers can go without losing a pair.
    kept = [n for n in there if n not in bad]
    number = {n: i for i, n in enumerate(kept)}
    pairs = [
        replace(p, first=number[there[p.first]], second=number[there[p.second]]) for p in pairs
    ]
    names = [images.file_names[r] for r in rows]
    gone = [n for n in range(len(rows)) if n not in number]
    return Leaks(
        tuple(names[n] for n in kept),
        tuple(sides[n] for n in kept),
        tuple(SOURCES[images.source[rows[n]]] or "unknown" for n in kept),
        tuple(labels[n] for n in kept),
        tuple(pairs),
        tuple(names[n] for n in gone),
    )


def leaks_between(sides: Sides, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs whose two pictures stand on different sides."""
    return [p for p in pairs if sides[p.first] != sides[p.second]]


def move_offenders(
    sides: Sides, pairs: Sequence[Pair], groups: Sequence[str] | None = None, to: str = "test"
) -> tuple[str, ...]:
    """(m,) the sides after every leak is mended.

    Near-duplicates hang together in connected components: if a resembles b and b resembles c, they
    go together although a and c were never found alike. A component that stands on both sides
    goes to `to` as a whole; the others stay where they are.

    Args:
        sides: (m,) "train" or "test".
        groups: (m,) pictures with the same one, unless it is "", hang together too: where one
            frame of a video moves, its neighbours would leak next.
        to: the side that offenders go to.

    The default is the test side, as for videos in `split.py`: what a source published for testing
    is never trained on, so results on its own test set stay comparable with everyone's, and
    training, the larger side, loses a few pictures. With `to="train"` the test side gives way.
    """
    offenders = set().union(*_hanging_together(sides, pairs, groups))
    return tuple(to if n in offenders else side for n, side in enumerate(sides))


def balance_offenders(
    sides: Sides,
    pairs: Sequence[Pair],
    groups: Sequence[str],
    kept: Sequence[bool],
    rng: np.random.Generator,
) -> tuple[str, ...]:
    """(m,) the sides after every leak is mended, the test side as large as before if it can be.

    What hangs together goes to one side as a whole, as in `move_offenders`. Where a source
    published one of it for testing, that is the test side, so that results on the source's own test
    set stay comparable; the others go where they bring the number of test pictures closest to what
    it was.

    Args:
        kept: (m,) true for pictures that their source published for testing.
        rng: chooses among ways that are equally close.
    """
    moved = np.array(sides, dtype=object)
    free = []
    for part in _hanging_together(sides, pairs, groups):
        rows = np.array(sorted(part), dtype=np.intp)
        if any(kept[r] for r in rows):
            moved[rows] = "test"
        else:
            moved[rows] = "train"
            free.append(rows)
    wanted = int(sum(s == "test" for s in sides) - np.count_nonzero(moved == "test"))
    for number in closest_subset([len(rows) for rows in free], wanted, rng):
        moved[free[number]] = "test"
    return tuple(str(side) for side in moved)


def _hanging_together(
    sides: Sides, pairs: Sequence[Pair], groups: Sequence[str] | None
) -> list[set[int]]:
    """Connected components of near-duplicates and groups that stand on both sides."""
    root = list(range(len(sides)))

    def find(n: int) -> int:
        while root[n] != n:
            root[n] = root[root[n]]
            n = root[n]
        return n

    for pair in pairs:
        root[find(pair.first)] = find(pair.second)
    first: dict[str, int] = {}
    for n, group in enumerate(groups or ()):
        if group:
            root[find(n)] = find(first.setdefault(group, n))
    members: dict[int, set[int]] = {}
    for n in range(len(sides)):
        members.setdefault(find(n), set()).add(n)
    return [part for part in members.values() if len({sides[n] for n in part}) > 1]


def leaks_json(leaks: Leaks) -> dict[str, Any]:
    """The findings for machines: counts, every pair with its leak flag, and what to move."""
    across = set(leaks.across)
    return {
        "pictures": len(leaks.names),
        "missing": list(leaks.missing),
        "near_duplicates": len(leaks.pairs),
        "leaks": len(across),
        "kinds": dict(sorted(Counter(p.kind for p in leaks.pairs).items())),
        "sources": _by_source(leaks, list(leaks.pairs)),
        "pairs": [
            {
                "first": leaks.names[p.first],
                "second": leaks.names[p.second],
                "kind": p.kind,
                "similarity": p.similarity,
                "overlap": p.overlap,
                "leak": p in across,
            }
            for p in leaks.pairs
        ],
        "move_to_test": [leaks.names[n] for n in leaks.moves],
    }


def leaks_markdown(leaks: Leaks, most: int = 20) -> str:
    """The findings for people, the first `most` leaks by similarity."""
    across = sorted(leaks.across, key=lambda p: (-p.similarity, p))
    lines = [
        f"{len(leaks.names):,} pictures, {len(leaks.pairs):,} pairs of near-duplicates, "
        f"{len(across):,} of them leaks between train and test."
    ]
    if leaks.missing:
        lines.append(f"{len(leaks.missing):,} pictures are missing and were not looked at.")
    if leaks.pairs:
        rows = [f"| {name} | {count:,} |" for name, count in _by_source(leaks, leaks.pairs).items()]
        lines.append("\n".join(["| sources | pairs |", "| --- | --- |", *rows]))
    if across:
        rows = [
            f"| {leaks.names[p.first]} | {leaks.names[p.second]} | {p.kind} | {p.similarity:.2f} |"
            for p in across[:most]
        ]
        head = ["| one side | other side | kind | similarity |", "| --- | --- | --- | --- |"]
        lines.append("\n".join([*head, *rows]))
        if len(across) > most:
            lines.append(f"… and {len(across) - most:,} more.")
        lines.append(
            f"To mend this, {len(leaks.moves):,} pictures have to move from train to test."
        )
    return "\n\n".join(lines) + "\n"


def _by_source(leaks: Leaks, pairs: Sequence[Pair]) -> dict[str, int]:
    count = Counter(
        " – ".join(sorted({leaks.sources[p.first], leaks.sources[p.second]})) for p in pairs
    )
    return dict(sorted(count.items()))
