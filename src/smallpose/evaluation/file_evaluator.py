"""Score a result file while it is read: a thread reads a chunk and finds its candidates.

Then the keypoints are dropped, so that the memory is that of the ground truth and of a chunk per
thread, and results of any size can be scored. The numbers are those of `evaluate`.
"""

from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions, concat_predictions
from smallpose.evaluation.ceiling.whole_numbers import (
    MIN_DETECTIONS,
    are_whole,
    has_whole_numbers,
)
from smallpose.evaluation.evaluate import Evaluation, add_intervals, evaluate
from smallpose.evaluation.evaluator import Evaluator, Piece
from smallpose.io.coco_results import read_results
from smallpose.io.coco_results_fast import map_results
from smallpose.io.json_text import UnsupportedJson
from smallpose.io.mismatch import add_mismatch_note, have_other_form
from smallpose.io.pose_pairs import list_sampled_images, list_sampled_rows
from smallpose.io.predicted_images import check_predicted_images, get_image_list_path
from smallpose.io.trained_images import describe_trained_images
from smallpose.io.unknown_images import UnknownImages

if TYPE_CHECKING:
    from smallpose.evaluation.slices.slice_matching import SliceMatching

# With more people in an image, `evaluate` is better: it knows which candidates are hopeless.
MAX_PEOPLE_IN_IMAGE = 1000
_NO_IDS = np.zeros(0, dtype=np.int64)


class FileEvaluation(NamedTuple):
    """The evaluation of a result file.

    Args:
        result: of all detections.
        predictions: where the file was read as a whole, else None.
        is_whole: all coordinates are whole numbers, of enough detections to tell.
        matching: the pairs that could match, from which slices are scored; where asked for.
    """

    result: Evaluation
    predictions: Predictions | None
    is_whole: bool
    matching: "SliceMatching | None" = None


class _Chunk(NamedTuple):
    """What is kept of a chunk of the file.

    Args:
        sampled: detections that tell how the results are written.
        image_ids: of the detections, where a list of images lies beside the file.
    """

    piece: Piece
    has_boxes: bool
    is_whole: bool
    sampled: Predictions
    image_ids: NDArray[np.int64]


class Reading(NamedTuple):
    """How a result file is read, and what is kept of it.

    Args:
        keep_predictions: read the file as a whole.
        keep_matching: read the file as a whole, and keep the pairs that could match.
        predictions: of the file, where they were read already.
        unknown_images: as for `read_results`.
        release_labels: nobody needs the keypoints of the truth afterwards; packed ones may be
            forgotten on the way, for less memory. They are kept where all results have whole
            coordinates, which is looked into.
    """

    keep_predictions: bool = False
    keep_matching: bool = False
    predictions: Predictions | None = None
    unknown_images: UnknownImages = "refuse"
    release_labels: bool = False

    @property
    def is_whole(self) -> bool:
        """Return whether the file has to be read as a whole, or was."""
        return self.keep_predictions or self.keep_matching or self.predictions is not None


_FOR_METRICS = Reading()


def evaluate_file(
    truth: Instances,
    path: Path | str,
    reading: Reading = _FOR_METRICS,
    *,
    intervals: int = 0,
    seed: int = 0,
    **options: Any,
) -> FileEvaluation:
    """Read and score a result file.

    Args:
        options: as for `evaluate`.
    Raises: InputError as `read_results` and `evaluate`.
    """
    scored = None if reading.is_whole else _score_chunks(truth, path, options)
    if scored is not None:
        evaluator, is_whole = scored
        if reading.release_labels and not is_whole:
            evaluator.release_labels()
        return FileEvaluation(evaluator.finish(intervals, seed), None, is_whole)
    predictions = reading.predictions
    if predictions is None:
        predictions = read_results(path, truth, unknown_images=reading.unknown_images)
    if reading.keep_matching:
        # Imported here, because most evaluations have no slices and should start fast.
        from smallpose.evaluation.slices.slice_matching import prepare_matching

        matching = prepare_matching(truth, predictions, options)
        result = matching.evaluate_all(predictions)
        if intervals:
            result = add_intervals(result, intervals, seed)
        return FileEvaluation(result, predictions, has_whole_numbers(predictions), matching)
    result = evaluate(truth, predictions, intervals=intervals, seed=seed, **options)
    return FileEvaluation(result, predictions, has_whole_numbers(predictions))


def _score_chunks(
    truth: Instances, path: Path | str, options: dict[str, Any]
) -> tuple[Evaluator, bool] | None:
    """Return an evaluator of all chunks, and whether all their coordinates are whole numbers.

    None where the file has to be read as a whole.
    """
    if np.bincount(truth.image_rows).max(initial=0) > MAX_PEOPLE_IN_IMAGE:
        return None
    evaluator = Evaluator(truth, **options)
    sampled_images = list_sampled_images(truth)
    has_image_list = get_image_list_path(Path(path)).is_file()
    lock = Lock()

    def search_chunk(predictions: Predictions) -> _Chunk:
        # Whether boxes count is decided by the first detection, which may be in another chunk.
        is_missing = np.isnan(predictions.boxes_xywh[:, 0])  # all four are, or none is
        if is_missing.any() and not is_missing.all():
            raise UnsupportedJson
        with lock:
            evaluator.start(predictions)
        return _Chunk(
            piece=evaluator.search(predictions),
            has_boxes=predictions.has_boxes,
            is_whole=are_whole(predictions),
            sampled=predictions.take(list_sampled_rows(predictions, sampled_images)),
            image_ids=predictions.image_ids.copy() if has_image_list else _NO_IDS,
        )

    results = map_results(path, truth, search_chunk, positions_only=True)
    if results is None or len({chunk.has_boxes for chunk in results.values}) > 1:
        return None
    for chunk in results.values:
        evaluator.add_piece(chunk.piece)
    sampled = replace(concat_predictions([chunk.sampled for chunk in results.values]), notes=())
    if have_other_form(truth, sampled):
        return None
    detected_ids = np.concatenate([chunk.image_ids for chunk in results.values])
    images = check_predicted_images(path, truth, detected_ids, sampled.skeleton.joints)
    if images.skeleton is not None:  # other joints than those that were scored
        return None
    evaluator.covers_images = images.covers_images
    seen = describe_trained_images(path, truth)
    evaluator.add_notes([*results.notes, *images.notes, *seen])
    evaluator.add_later_notes(lambda: add_mismatch_note(truth, sampled).notes)
    num_detections = sum(len(chunk.piece.scores) for chunk in results.values)
    is_whole = all(chunk.is_whole for chunk in results.values)
    return evaluator, is_whole and num_detections >= MIN_DETECTIONS
