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

from smallpose.core.instances import SOURCES, Images, concat_instances
from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.duplicates.image_alignment import DuplicatePair
from smallpose.dataset.duplicates.image_hash import compute_fingerprints
from smallpose.dataset.duplicates.near_duplicates import find_near_duplicates
from smallpose.dataset.splits import find_closest_subset

Splits = Sequence[str]


@dataclass(frozen=True)
class LeakReport:
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
    splits: tuple[str, ...]
    sources: tuple[str, ...]
    groups: tuple[str, ...]
    pairs: tuple[DuplicatePair, ...]
    missing: tuple[str, ...] = ()

    @property
    def leaking_pairs(self) -> list[DuplicatePair]:
        """The pairs that are leaks: one in train, one in test."""
        return find_leaking_pairs(self.splits, self.pairs)

    @property
    def images_to_move(self) -> list[int]:
        """Numbers of the pictures that `move_offenders` would move."""
        moved = move_leaking_images(self.splits, self.pairs, self.groups)
        return [n for n, side in enumerate(self.splits) if moved[n] != side]


def find_leaks(built: BuiltSet, workers: int = 1) -> LeakReport:
    """Look at every picture of a built set."""
    parts = list(built.parts.values())
    images = concat_instances(parts, parts[0].skeleton).images
    sides = [side for side, part in built.parts.items() for _ in range(len(part.images))]
    paths = [built.find_image(name) for name in images.file_names]
    return find_leaks_among(images, range(len(images)), sides, paths, workers)


def find_leaks_among(
    images: Images,
    rows: Sequence[int],
    splits: Splits,
    paths: Sequence[Path | None],
    workers: int = 1,
) -> LeakReport:
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
        for r, side, group in zip(rows, splits, groups, strict=True)
    ]
    broken: list[int] = []
    files = [path for path in paths if path is not None]
    prints = compute_fingerprints(files, workers, broken)
    bad = {there[n] for n in broken}
    pairs = find_near_duplicates(prints, labels=[labels[n] for n in there])
    # Unreadable pictures resemble nothing, so their numbers can go without losing a pair.
    kept = [n for n in there if n not in bad]
    number = {n: i for i, n in enumerate(kept)}
    pairs = [
        replace(p, first=number[there[p.first]], second=number[there[p.second]]) for p in pairs
    ]
    names = [images.file_names[r] for r in rows]
    gone = [n for n in range(len(rows)) if n not in number]
    return LeakReport(
        tuple(names[n] for n in kept),
        tuple(splits[n] for n in kept),
        tuple(SOURCES[images.source[rows[n]]] or "unknown" for n in kept),
        tuple(labels[n] for n in kept),
        tuple(pairs),
        tuple(names[n] for n in gone),
    )


def find_leaking_pairs(splits: Splits, pairs: Sequence[DuplicatePair]) -> list[DuplicatePair]:
    """The pairs whose two pictures stand on different sides."""
    return [p for p in pairs if splits[p.first] != splits[p.second]]


def move_leaking_images(
    splits: Splits,
    pairs: Sequence[DuplicatePair],
    groups: Sequence[str] | None = None,
    target: str = "test",
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
    offenders = set().union(*_find_leaking_components(splits, pairs, groups))
    return tuple(target if n in offenders else side for n, side in enumerate(splits))


def balance_leaking_images(
    splits: Splits,
    pairs: Sequence[DuplicatePair],
    groups: Sequence[str],
    is_official_test: Sequence[bool],
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
    moved = np.array(splits, dtype=object)
    free = []
    for part in _find_leaking_components(splits, pairs, groups):
        rows = np.array(sorted(part), dtype=np.intp)
        if any(is_official_test[r] for r in rows):
            moved[rows] = "test"
        else:
            moved[rows] = "train"
            free.append(rows)
    wanted = int(sum(s == "test" for s in splits) - np.count_nonzero(moved == "test"))
    for number in find_closest_subset([len(rows) for rows in free], wanted, rng):
        moved[free[number]] = "test"
    return tuple(str(side) for side in moved)


def _find_leaking_components(
    sides: Splits, pairs: Sequence[DuplicatePair], groups: Sequence[str] | None
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


def encode_leaks(leaks: LeakReport) -> dict[str, Any]:
    """The findings for machines: counts, every pair with its leak flag, and what to move."""
    across = set(leaks.leaking_pairs)
    return {
        "pictures": len(leaks.names),
        "missing": list(leaks.missing),
        "near_duplicates": len(leaks.pairs),
        "leaks": len(across),
        "kinds": dict(sorted(Counter(p.kind for p in leaks.pairs).items())),
        "sources": _count_by_source(leaks, list(leaks.pairs)),
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
        "move_to_test": [leaks.names[n] for n in leaks.images_to_move],
    }


def format_leaks(leaks: LeakReport, max_rows: int = 20) -> str:
    """The findings for people, the first `most` leaks by similarity."""
    across = sorted(leaks.leaking_pairs, key=lambda p: (-p.similarity, p))
    lines = [
        f"{len(leaks.names):,} pictures, {len(leaks.pairs):,} pairs of near-duplicates, "
        f"{len(across):,} of them leaks between train and test."
    ]
    if leaks.missing:
        lines.append(f"{len(leaks.missing):,} pictures are missing and were not looked at.")
    if leaks.pairs:
        rows = [
            f"| {name} | {count:,} |"
            for name, count in _count_by_source(leaks, leaks.pairs).items()
        ]
        lines.append("\n".join(["| sources | pairs |", "| --- | --- |", *rows]))
    if across:
        rows = [
            f"| {leaks.names[p.first]} | {leaks.names[p.second]} | {p.kind} | {p.similarity:.2f} |"
            for p in across[:max_rows]
        ]
        head = ["| one side | other side | kind | similarity |", "| --- | --- | --- | --- |"]
        lines.append("\n".join([*head, *rows]))
        if len(across) > max_rows:
            lines.append(f"… and {len(across) - max_rows:,} more.")
        lines.append(
            f"To mend this, {len(leaks.images_to_move):,} pictures have to move from train to test."
        )
    return "\n\n".join(lines) + "\n"


def _count_by_source(leaks: LeakReport, pairs: Sequence[DuplicatePair]) -> dict[str, int]:
    count = Counter(
        " – ".join(sorted({leaks.sources[p.first], leaks.sources[p.second]})) for p in pairs
    )
    return dict(sorted(count.items()))
