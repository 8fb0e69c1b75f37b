"""Find leaks of a built data set: near-duplicates with one image in train and one in test.

Splitting by video keeps frames of the same video together. That a source contains a cropped or
mirrored image of another source is written nowhere, so the pixels have to be compared.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.core.concat_instances import concat_instances
from smallpose.core.counts import format_count
from smallpose.core.instances import SOURCES, Images
from smallpose.core.table import build_text_table, wrap_text
from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.duplicates.image_alignment import DuplicatePair
from smallpose.dataset.duplicates.image_hash import compute_fingerprints
from smallpose.dataset.duplicates.near_duplicates import find_near_duplicates
from smallpose.dataset.splits import find_closest_subset
from smallpose.sources.shared_videos import name_video

Splits = Sequence[str]


@dataclass(frozen=True)
class LeakReport:
    """The near-duplicates among the images of a data set.

    Args:
        names: (m,) file names of the images that were compared.
        splits: (m,) "train" or "test" of each.
        sources: (m,) name of each one's source.
        groups: (m,) images that must stay together: split, source and video; "" without a video.
        pairs: all near-duplicates, as indices into `names`. Images of the same group were not
            compared, because they stay together anyway.
        missing: file names of images that are missing or cannot be decoded.
    """

    names: tuple[str, ...]
    splits: tuple[str, ...]
    sources: tuple[str, ...]
    groups: tuple[str, ...]
    pairs: tuple[DuplicatePair, ...]
    missing: tuple[str, ...] = ()

    @property
    def leaking_pairs(self) -> list[DuplicatePair]:
        """Return the pairs that are leaks: one image in train, one in test."""
        return find_leaking_pairs(self.splits, self.pairs)

    @property
    def images_to_move(self) -> list[int]:
        """Return the indices of the images that `move_leaking_images` would move."""
        moved = move_leaking_images(self.splits, self.pairs, self.groups)
        return [index for index, split in enumerate(self.splits) if moved[index] != split]


def find_leaks(built: BuiltSet, workers: int = 1) -> LeakReport:
    """Compare all images of a built data set."""
    parts = list(built.parts.values())
    images = concat_instances(parts, parts[0].skeleton).images
    splits = [split for split, part in built.parts.items() for _ in range(len(part.images))]
    paths = [built.find_image(name) for name in images.file_names]
    return find_leaks_among(images, range(len(images)), splits, paths, workers)


def find_leaks_among(
    images: Images,
    rows: Sequence[int],
    splits: Splits,
    paths: Sequence[Path | None],
    workers: int = 1,
) -> LeakReport:
    """Compare some of the images.

    Args:
        rows: rows of `images`.
        splits, paths: (r,) split and file of each; None where there is no file.
    Returns: the report; images without a file, or that cannot be decoded, are among the missing.
    """
    with_file = [index for index, path in enumerate(paths) if path is not None]
    videos = [name_video(str(images.source[row]), images.groups[row]) for row in rows]
    labels = [
        f"{split} {video}" if video else "" for split, video in zip(splits, videos, strict=True)
    ]
    unreadable: list[int] = []
    files = [path for path in paths if path is not None]
    prints = compute_fingerprints(files, workers, unreadable)
    is_unreadable = {with_file[n] for n in unreadable}
    pairs = find_near_duplicates(prints, labels=[labels[n] for n in with_file])
    # Unreadable images are in no pair, so they can be left out.
    compared = [n for n in with_file if n not in is_unreadable]
    index_of = {n: index for index, n in enumerate(compared)}
    pairs = [
        replace(p, first=index_of[with_file[p.first]], second=index_of[with_file[p.second]])
        for p in pairs
    ]
    names = [images.file_names[row] for row in rows]
    return LeakReport(
        names=tuple(names[n] for n in compared),
        splits=tuple(splits[n] for n in compared),
        sources=tuple(SOURCES[images.source[rows[n]]] or "unknown" for n in compared),
        groups=tuple(labels[n] for n in compared),
        pairs=tuple(pairs),
        missing=tuple(name for n, name in enumerate(names) if n not in index_of),
    )


def find_leaking_pairs(splits: Splits, pairs: Sequence[DuplicatePair]) -> list[DuplicatePair]:
    """Return the pairs whose images are in different splits."""
    return [p for p in pairs if splits[p.first] != splits[p.second]]


def move_leaking_images(
    splits: Splits,
    pairs: Sequence[DuplicatePair],
    groups: Sequence[str] | None = None,
    target: str = "test",
) -> tuple[str, ...]:
    """Return the (m,) splits after every leak is moved to the target split.

    Images are moved in connected components: if a is similar to b and b to c, all three move
    together although a and c are not a pair. A component with images in both splits moves to
    `target` entirely; the others do not change.

    The default is test, as for videos in `splits.py`. Then a model is never trained on what a
    source published for testing, results on that source's test set stay comparable with others,
    and training, the larger split, loses few images.

    Args:
        splits: (m,) "train" or "test".
        groups: (m,) images with the same group, unless it is "", are connected as well: if one
            frame of a video moves, its neighbours would be the next leaks.
        target: the split that leaking images move to.
    """
    leaking = set().union(*_find_leaking_components(splits, pairs, groups))
    return tuple(target if index in leaking else split for index, split in enumerate(splits))


def balance_leaking_images(
    splits: Splits,
    pairs: Sequence[DuplicatePair],
    groups: Sequence[str],
    is_official_test: Sequence[bool],
    rng: np.random.Generator,
) -> tuple[str, ...]:
    """Return the (m,) splits without leaks, with the number of test images as before if possible.

    Connected components move entirely, as in `move_leaking_images`. One with an image that its
    source published for testing moves to test, so that results on the source's own test set stay
    comparable. The others move to the split that brings the number of test images closest to what
    it was.

    Args:
        is_official_test: (m,) true for images that their source published for testing.
        rng: chooses among assignments that are equally close.
    """
    balanced = np.array(splits, dtype=object)
    free_components = []
    for component in _find_leaking_components(splits, pairs, groups):
        rows = np.array(sorted(component), dtype=np.intp)
        if any(is_official_test[row] for row in rows):
            balanced[rows] = "test"
        else:
            balanced[rows] = "train"
            free_components.append(rows)
    num_test = sum(split == "test" for split in splits)
    num_lacking = int(num_test - np.count_nonzero(balanced == "test"))
    sizes = [len(rows) for rows in free_components]
    for index in find_closest_subset(sizes, num_lacking, rng):
        balanced[free_components[index]] = "test"
    return tuple(str(split) for split in balanced)


def _find_leaking_components(
    splits: Splits, pairs: Sequence[DuplicatePair], groups: Sequence[str] | None
) -> list[set[int]]:
    """Find connected components of near-duplicates and groups with images in both splits."""
    parent = list(range(len(splits)))

    def find_root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for pair in pairs:
        parent[find_root(pair.first)] = find_root(pair.second)
    first_of_group: dict[str, int] = {}
    for index, group in enumerate(groups or ()):
        if group:
            parent[find_root(index)] = find_root(first_of_group.setdefault(group, index))
    components: dict[int, set[int]] = {}
    for index in range(len(splits)):
        components.setdefault(find_root(index), set()).add(index)
    return [c for c in components.values() if len({splits[index] for index in c}) > 1]


def encode_leaks(leaks: LeakReport) -> dict[str, Any]:
    """Return the report as JSON: counts, every pair, and the images to move."""
    leaking = set(leaks.leaking_pairs)
    return {
        "pictures": len(leaks.names),
        "missing": list(leaks.missing),
        "near_duplicates": len(leaks.pairs),
        "leaks": len(leaking),
        "kinds": dict(sorted(Counter(p.kind for p in leaks.pairs).items())),
        "sources": _count_by_source(leaks, list(leaks.pairs)),
        "pairs": [
            {
                "first": leaks.names[p.first],
                "second": leaks.names[p.second],
                "kind": p.kind,
                "similarity": p.similarity,
                "overlap": p.overlap,
                "leak": p in leaking,
            }
            for p in leaks.pairs
        ],
        "move_to_test": [leaks.names[index] for index in leaks.images_to_move],
    }


def format_leaks(leaks: LeakReport, max_rows: int = 20) -> str:
    """Format the report for a terminal, with the `max_rows` most similar leaks."""
    leaking = sorted(leaks.leaking_pairs, key=lambda p: (-p.similarity, p))
    lines = [
        f"{format_count(len(leaks.names), 'image')}, {format_count(len(leaks.pairs), 'pair')} of "
        f"near-duplicates, {len(leaking):,} of them leaks between train and test."
    ]
    if leaks.missing:
        lines.append(
            f"{format_count(len(leaks.missing), 'image is', 'images are')} missing or cannot be "
            "decoded, and were not compared."
        )
    if leaks.pairs:
        counts = _count_by_source(leaks, leaks.pairs)
        rows = [(sources, f"{count:,}") for sources, count in counts.items()]
        lines.append(build_text_table(("sources", "pairs"), rows).to_text())
    if leaking:
        pairs = [
            (leaks.names[p.first], leaks.names[p.second], p.kind, f"{p.similarity:.2f}")
            for p in leaking[:max_rows]
        ]
        heads = ("image", "near-duplicate", "kind", "similarity")
        lines.append(build_text_table(heads, pairs).to_text())
        if len(leaking) > max_rows:
            lines.append(f"… and {len(leaking) - max_rows:,} more.")
        lines.append(
            f"To remove the leaks, move {format_count(len(leaks.images_to_move), 'image')} from "
            "train to test, or build again with `--leaks move`."
        )
    return wrap_text("\n\n".join(lines)) + "\n"


def _count_by_source(leaks: LeakReport, pairs: Sequence[DuplicatePair]) -> dict[str, int]:
    counts = Counter(
        " – ".join(sorted({leaks.sources[p.first], leaks.sources[p.second]})) for p in pairs
    )
    return dict(sorted(counts.items()))
