"""Find near-duplicates between train and test during a build, and move them on request.

Only the selected images are compared, because only they are part of the data set.
`duplicates/leaks.py` does the same for a data set that is already built; here the splits may still
change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.dataset.builder.select_images import (
    Selection,
    describe_selection,
    select_all_images,
)
from smallpose.dataset.duplicates.image_alignment import DuplicatePair
from smallpose.dataset.duplicates.leaks import (
    LeakReport,
    balance_leaking_images,
    find_leaking_pairs,
    find_leaks_among,
)
from smallpose.dataset.splits import SPLITS
from smallpose.sources.shared_videos import name_video
from smallpose.system.progress import print_status

LEAK_MODES = ("report", "move", "off")
LEAKS_FILE = "leaks.json"


@dataclass(frozen=True)
class LeakSearch:
    """The near-duplicates among the selected images, and which images were moved.

    Args:
        leaks: the near-duplicates, with the splits before any image was moved.
        moved: file name to the split that the image was moved to.
        is_synthetic: whether all images were rendered; then scenes share painted backgrounds, and
            crops of each other are scenes of one template, no copies.
    """

    leaks: LeakReport
    moved: Mapping[str, str]
    is_synthetic: bool = False

    @property
    def template_pairs(self) -> set[DuplicatePair]:
        """Return the leaking pairs that are scenes of one template."""
        if not self.is_synthetic:
            return set()
        return {p for p in self.leaks.leaking_pairs if p.is_crop}

    def summary(self, mode: str) -> dict[str, Any]:
        """Return the counts, for the manifest and the data card."""
        splits = [
            self.moved.get(name, split)
            for name, split in zip(self.leaks.names, self.leaks.splits, strict=True)
        ]
        targets = list(self.moved.values())
        return {
            "how": mode,
            "pictures": len(self.leaks.names),
            "not_looked_at": len(self.leaks.missing),
            "near_duplicates": len(self.leaks.pairs),
            "leaks": len(self.leaks.leaking_pairs),
            "of_one_template": len(self.template_pairs),
            "moved_to_test": targets.count("test"),
            "moved_to_train": targets.count("train"),
            "leaks_left": len(find_leaking_pairs(splits, self.leaks.pairs)),
        }

    def to_json(self) -> dict[str, Any]:
        """Return every pair with its similarity and its splits before any image was moved."""
        leaking = set(self.leaks.leaking_pairs)
        templates = self.template_pairs
        names, splits = self.leaks.names, self.leaks.splits
        return {
            "pairs": [
                {
                    "first": names[p.first],
                    "second": names[p.second],
                    "sides": [splits[p.first], splits[p.second]],
                    "kind": p.kind,
                    "similarity": p.similarity,
                    "overlap": p.overlap,
                    "leak": p in leaking,
                    "template": p in templates,
                }
                for p in self.leaks.pairs
            ],
            "moved": dict(sorted(self.moved.items())),
            "not_looked_at": sorted(self.leaks.missing),
        }


def find_and_fix_leaks(
    people: Instances,
    selections: Mapping[str, Selection],
    official: Sequence[str],
    paths: Mapping[int, Path],
    *,
    move: bool,
    rng: np.random.Generator,
    workers: int,
    is_synthetic: bool = False,
) -> tuple[dict[str, Selection], LeakSearch]:
    """Find near-duplicates among the selected images; with `move`, put leaks on one side.

    Args:
        official: (m,) the source's own split of each image, "" where there is none.
        paths: image row to its file, for files that exist.
        workers: number of threads.
        is_synthetic: whether all images were rendered.
    Returns: the selections, which change only with `move`, and the near-duplicates.
    """
    rows = np.concatenate([selections[s].rows for s in SPLITS]).tolist()
    splits = [s for s in SPLITS for _ in range(len(selections[s].rows))]
    leaks = find_leaks_among(people.images, rows, splits, [paths.get(r) for r in rows], workers)
    moved: dict[str, str] = {}
    if move:
        row_of = {people.images.file_names[r]: r for r in rows}
        is_official_test = [official[row_of[name]] == "test" for name in leaks.names]
        balanced = balance_leaking_images(
            leaks.splits, leaks.pairs, leaks.groups, is_official_test, rng
        )
        columns = zip(leaks.names, leaks.splits, balanced, strict=True)
        moved = {name: new for name, old, new in columns if new != old}
        targets = {row_of[name]: split for name, split in moved.items()}
        selections = _move_images(
            people, selections, _extend_to_videos(people, selections, targets)
        )
    search = LeakSearch(leaks, moved, is_synthetic)
    _print_summary(search, move)
    return dict(selections), search


def _extend_to_videos(
    people: Instances, selections: Mapping[str, Selection], targets: Mapping[int, str]
) -> dict[int, str]:
    """Add the frames of moved videos whose files could not be compared."""
    images = people.images

    def get_video(row: int, split: str) -> tuple[str, str] | None:
        video = name_video(str(images.source[row]), images.groups[row])
        return (split, video) if video else None

    old_splits = {row: split for split, s in selections.items() for row in s.rows.tolist()}
    moved_videos = {get_video(row, old_splits[row]): split for row, split in targets.items()}
    moved_videos.pop(None, None)
    of_videos = {
        row: moved_videos[video]
        for row, split in old_splits.items()
        if (video := get_video(row, split)) in moved_videos
    }
    return {**of_videos, **targets}


def _move_images(
    people: Instances, selections: Mapping[str, Selection], targets: Mapping[int, str]
) -> dict[str, Selection]:
    moved = {}
    for split in SPLITS:
        staying = [r for r in selections[split].rows.tolist() if targets.get(r, split) == split]
        arriving = [row for row, target in targets.items() if target == split]
        rows: NDArray[np.intp] = np.array(sorted({*staying, *arriving}), dtype=np.intp)
        old = selections[split]
        if np.array_equal(rows, old.rows):
            moved[split] = old
        elif old.select == "all":
            moved[split] = select_all_images(people, rows, split)
        else:
            new = describe_selection(people, rows, split, pool=old.pool, was_moved=True)
            moved[split] = replace(new, num_without_people=old.num_without_people)
    return moved


def _print_summary(search: LeakSearch, move: bool) -> None:
    counts = search.summary("")
    num_templates = counts["of_one_template"]
    text = f"{format_count(counts['leaks'], 'pair')} of near-duplicates between train and test"
    if num_templates:
        text += f", {num_templates:,} of them synthetic scenes of one template and no leaks"
    if move and search.moved:
        text += (
            f"; moved {format_count(counts['moved_to_test'], 'image')} to test and "
            f"{counts['moved_to_train']:,} to train, "
            f"{format_count(counts['leaks_left'], 'pair is', 'pairs are')} left"
        )
    elif counts["leaks"] > num_templates:
        text += "; use --leaks move to put both images of each pair into the same split"
    print_status(text)
