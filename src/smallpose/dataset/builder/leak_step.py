"""Leaks while a set is being built: found among the chosen pictures, reported, mended if asked.

The pictures are looked at after the selection, because only what is handed out can leak. `audit.py`
does the same for a set that stands; here the sides may still change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.dataset.builder.select_images import Selection, describe_selection
from smallpose.dataset.duplicates.leaks import (
    LeakReport,
    balance_leaking_images,
    find_leaking_pairs,
    find_leaks_among,
)
from smallpose.dataset.splits import SPLITS
from smallpose.system.progress import print_status

LEAK_MODES = ("report", "move", "off")
LEAKS_FILE = "leaks.json"


@dataclass(frozen=True)
class LeakSearch:
    """What was found among the chosen pictures, and what was done about it.

    Args:
        leaks: as the selection left the sides.
        moved: file name to the side that it went to.
    """

    leaks: LeakReport
    moved: Mapping[str, str]

    def summary(self, how: str) -> dict[str, Any]:
        """The counts, for the manifest and the card."""
        sides = [self.moved.get(n, s) for n, s in zip(*self._columns, strict=True)]
        to = list(self.moved.values())
        return {
            "how": how,
            "pictures": len(self.leaks.names),
            "not_looked_at": len(self.leaks.missing),
            "near_duplicates": len(self.leaks.pairs),
            "leaks": len(self.leaks.leaking_pairs),
            "moved_to_test": to.count("test"),
            "moved_to_train": to.count("train"),
            "leaks_left": len(find_leaking_pairs(sides, self.leaks.pairs)),
        }

    def to_json(self) -> dict[str, Any]:
        """Every pair: its two pictures and sides before anything moved, and how alike they are."""
        across = set(self.leaks.leaking_pairs)
        names, sides = self._columns
        return {
            "pairs": [
                {
                    "first": names[p.first],
                    "second": names[p.second],
                    "sides": [sides[p.first], sides[p.second]],
                    "kind": p.kind,
                    "similarity": p.similarity,
                    "overlap": p.overlap,
                    "leak": p in across,
                }
                for p in self.leaks.pairs
            ],
            "moved": dict(sorted(self.moved.items())),
            "not_looked_at": sorted(self.leaks.missing),
        }

    @property
    def _columns(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.leaks.names, self.leaks.splits


def find_and_fix_leaks(
    people: Instances,
    chosen: Mapping[str, Selection],
    official: Sequence[str],
    paths: Mapping[int, Path],
    *,
    move: bool,
    rng: np.random.Generator,
    workers: int,
) -> tuple[dict[str, Selection], LeakSearch]:
    """Look at the chosen pictures; with `move`, put what leaks on one side.

    Args:
        official: (m,) the source's own split of each image, "" where there is none.
        paths: image row to its picture, for those that are there.
        jobs: threads.
    Returns: the selection, the same without `move`, and what was found.
    """
    rows = np.concatenate([chosen[s].rows for s in SPLITS]).tolist()
    sides = [s for s in SPLITS for _ in range(len(chosen[s].rows))]
    leaks = find_leaks_among(people.images, rows, sides, [paths.get(r) for r in rows], workers)
    moved: dict[str, str] = {}
    if move:
        row_of = {people.images.file_names[r]: r for r in rows}
        kept = [official[row_of[n]] == "test" for n in leaks.names]
        after = balance_leaking_images(leaks.splits, leaks.pairs, leaks.groups, kept, rng)
        columns = zip(leaks.names, leaks.splits, after, strict=True)
        moved = {name: new for name, old, new in columns if new != old}
        to = _extend_to_videos(people, chosen, {row_of[n]: side for n, side in moved.items()})
        chosen = _move_images(people, chosen, to)
    search = LeakSearch(leaks, moved)
    _print_summary(search, move)
    return dict(chosen), search


def _extend_to_videos(
    people: Instances, chosen: Mapping[str, Selection], to: Mapping[int, str]
) -> dict[int, str]:
    """`to`, with those of a moved video whose pictures nobody could look at."""
    images = people.images

    def group_of(row: int, side: str) -> tuple[str, int, str] | None:
        name = images.groups[row]
        return (side, int(images.source[row]), name) if name else None

    came_from = {row: side for side, s in chosen.items() for row in s.rows.tolist()}
    moved = {group_of(row, came_from[row]): side for row, side in to.items()}
    moved.pop(None, None)
    more = {
        row: moved[key] for row, side in came_from.items() if (key := group_of(row, side)) in moved
    }
    return {**more, **to}


def _move_images(
    people: Instances, chosen: Mapping[str, Selection], to: Mapping[int, str]
) -> dict[str, Selection]:
    out = {}
    for split in SPLITS:
        stay = [r for r in chosen[split].rows.tolist() if to.get(r, split) == split]
        come = [r for r, side in to.items() if side == split]
        rows: NDArray[np.intp] = np.array(sorted({*stay, *come}), dtype=np.intp)
        out[split] = replace(describe_selection(people, rows, split), pool=chosen[split].pool)
    return out


def _print_summary(search: LeakSearch, move: bool) -> None:
    n = search.summary("")
    text = f"{n['leaks']:,} near-duplicates stand on both sides"
    if move and search.moved:
        text += (
            f"; {n['moved_to_test']:,} pictures went to test and {n['moved_to_train']:,} to "
            f"train, {n['leaks_left']:,} leaks are left"
        )
    elif n["leaks"]:
        text += "; --leaks move puts each on one side"
    print_status(text)
