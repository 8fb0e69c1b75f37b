"""Find the test images that a training set contains, for a board's rows that were trained on it.

Images are the same where their files are equal byte for byte, or where they are near-duplicates:
scaled, cropped, recompressed or mirrored. What was not compared is never counted as unseen.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError, SmallposeError
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.dataset.meant_folder import suggest_image_folder
from smallpose.evaluation.evaluate import evaluate
from smallpose.io.coco_annotations import read_coco
from smallpose.io.image_files import list_media_files
from smallpose.report.inputs.arguments import check_name
from smallpose.report.leaderboard.board import (
    RANKED,
    Board,
    Rest,
    Row,
    Rules,
    TrainingSet,
)
from smallpose.system.files import hash_file
from smallpose.system.image_formats import is_video_name
from smallpose.system.progress import print_status


def compare_with_training_set(
    truth_path: Path, name: str, images: Path, training_images: Path, workers: int = 1
) -> TrainingSet:
    """Compare the test images with those of a training set.

    Args:
        truth_path: the ground truth of the board.
        name: of the training set, as rows refer to it.
        images: the folder of the test images.
        training_images: the folder of the training images, with all folders in it.

    Raises: InputError when one of the folders has none of its images.
    """
    name = check_name("--name", name)
    truth = read_coco(truth_path)
    paths = _locate_images(truth, images)
    if not any(paths):
        raise InputError(
            f"--images {images}",
            f"has none of the {format_count(len(paths), 'image')} of the ground truth",
            suggest_image_folder(
                images,
                truth.images.file_names,
                "pass the folder that each file_name starts from",
            ),
        )
    training = _list_training_images(training_images)
    known = {hash_file(path) for path in training}
    is_exact = [path is not None and hash_file(path) in known for path in paths]
    others = [row for row, path in enumerate(paths) if path and not is_exact[row]]
    near, unreadable = _find_near([paths[row] for row in others], training, workers)
    return TrainingSet(
        name=name,
        num_images=len(training),
        exact=_list_ids(truth, np.flatnonzero(is_exact).tolist()),
        near=_list_ids(truth, [others[index] for index in near]),
        not_compared=_list_ids(
            truth,
            [
                *(row for row, path in enumerate(paths) if path is None),
                *(others[index] for index in unreadable if index not in set(near)),
            ],
        ),
    )


def _list_training_images(folder: Path) -> list[Path]:
    """List the images in and below a folder; videos are left out, which is told."""
    files = list_media_files([folder])
    videos = [path for path in files if is_video_name(path)]
    images = [path for path in files if not is_video_name(path)]
    if not images:
        raise InputError(
            f"--training-images {folder}", "has no images", "pass the folder of the images"
        )
    if videos:
        count = format_count(len(videos), "video")
        print_status(
            f"{folder}: {count} left out (first: {videos[0].name}); their frames were not "
            "compared: save those that you trained on as images"
        )
    return images


def _locate_images(truth: Instances, images: Path) -> list[Path | None]:
    from smallpose.dataset.image_folder import open_image_folder

    folder = open_image_folder(images)
    paths: list[Path | None] = []
    for name in truth.images.file_names:
        try:
            path = folder.resolve_path(name)
        except SmallposeError:
            paths.append(None)
            continue
        paths.append(path if path.is_file() else None)
    return paths


def _find_near(
    images: Sequence[Path | None], training: Sequence[Path], workers: int
) -> tuple[list[int], list[int]]:
    """Return indices of the images with a near-duplicate in training, and of unreadable ones."""
    from smallpose.dataset.duplicates.image_hash import compute_fingerprints
    from smallpose.dataset.duplicates.near_duplicates import find_near_duplicates

    unreadable: list[int] = []
    every = [*(path for path in images if path), *training]
    prints = compute_fingerprints(every, workers, unreadable)
    labels = ["test"] * len(images) + ["training"] * len(training)
    blank = set(unreadable)
    near = {
        pair.first
        for pair in find_near_duplicates(prints, labels=labels, workers=workers)
        if not {pair.first, pair.second} & blank
    }
    return sorted(near), [index for index in unreadable if index < len(images)]


def _list_ids(truth: Instances, rows: Sequence[int]) -> list[int]:
    return sorted(int(truth.images.ids[row]) for row in rows)


@dataclass(frozen=True)
class Overlap:
    """The test images that a row has trained on, as far as its training sets are known.

    Args:
        seen: ids of images that at least one of its sets contains.
        not_compared: ids of other images that were not compared with every known set.
        unknown: its training sets whose images the board does not know.
        num_images: of the ground truth.
    """

    seen: frozenset[int]
    not_compared: frozenset[int]
    unknown: tuple[str, ...]
    num_images: int

    @property
    def is_known(self) -> bool:
        """Return whether every image was compared with every set."""
        return not self.unknown and not self.not_compared

    @property
    def excluded(self) -> frozenset[int]:
        """Return the ids of images that are not known to be unseen."""
        return self.seen | self.not_compared

    def describe(self) -> str:
        """Describe the share of the test images, as a lower limit where some are unknown."""
        count = len(self.seen)
        share = f"{count:,} of {self.num_images:,} ({100 * count / max(self.num_images, 1):.1f} %)"
        if self.unknown:
            names = ", ".join(self.unknown)
            return f"at least {share}; unknown for {names}" if count else f"unknown for {names}"
        if self.not_compared:
            return f"at least {share}; {len(self.not_compared):,} not compared"
        return share


def find_overlap(board: Board, trained_on: Sequence[str] | None) -> Overlap | None:
    """Find which test images the named training sets contain; None where none were declared."""
    if trained_on is None:
        return None
    sets = {one.name: one for one in board.training_sets}
    known = [sets[name] for name in trained_on if name in sets]
    seen = frozenset(image for one in known for image in (*one.exact, *one.near))
    not_compared = frozenset(image for one in known for image in one.not_compared)
    return Overlap(
        seen=seen,
        not_compared=not_compared - seen,
        unknown=tuple(name for name in trained_on if name not in sets),
        num_images=board.num_images,
    )


def score_rest(
    overlap: Overlap | None,
    truth: Instances,
    predictions: Predictions,
    rules: Rules,
    **options: Any,
) -> Rest | None:
    """Score a result on the images that are known to be unseen.

    Args:
        overlap: None, or one with unknown sets, gives None: nothing is known to be unseen.
        options: of `evaluate`, those of the row's other scores.
    """
    if overlap is None or overlap.unknown:
        return None
    excluded = np.array(sorted(overlap.excluded), dtype=np.int64)
    left = truth.take_images(np.flatnonzero(~np.isin(truth.images.ids, excluded)))
    if not left.is_counted.any():
        return None
    kept = predictions.take(np.flatnonzero(~np.isin(predictions.image_ids, excluded)))
    result = evaluate(left, kept, keypoints=rules.keypoints, **options)
    return Rest(
        excluded_sha256=_hash_images(overlap),
        num_images=len(left.images),
        num_people=int(left.is_counted.sum()),
        scores={
            protocol: {name: result[protocol][name] for name in RANKED}
            for protocol in result.protocols
        },
    )


def get_rest(board: Board, row: Row) -> Rest | None:
    """Return the row's scores on unseen images; None where they are of other images by now."""
    overlap = find_overlap(board, row.trained_on)
    if overlap is None or overlap.unknown or row.rest is None:
        return None
    return row.rest if row.rest.excluded_sha256 == _hash_images(overlap) else None


def _hash_images(overlap: Overlap) -> str:
    return hashlib.sha256(msgspec.json.encode(sorted(overlap.excluded))).hexdigest()
