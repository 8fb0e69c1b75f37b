"""State that adds up: pieces, merged in any way, give the complete to the last digit."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from smallpose import evaluate
from smallpose.core.errors import InputError
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE, map_joints
from smallpose.evaluation.evaluate import merge_evaluations
from smallpose.evaluation.evaluator import Evaluator
from smallpose.evaluation.matching import native

ALL = ("coco", "owned", "recall")


def rows_of(predictions, rows):
    return replace(
        predictions,
        image_ids=predictions.image_ids[rows],
        keypoints=predictions.keypoints[rows],
        scores=predictions.scores[rows],
        boxes_xywh=predictions.boxes_xywh[rows],
    )


def evaluate_parts(truth, parts, **options):
    evaluator = Evaluator(truth, **options)
    for part in parts:
        evaluator.add(part)
    return evaluator.result()


def same(a, b):
    assert a.to_json() == b.to_json()
    for name in (
        "image_ids",
        "num_detections",
        "num_people",
        "num_matched",
        "image",
        "rank",
        "scores",
        "true_positives",
    ):
        assert np.array_equal(getattr(a.match_counts, name), getattr(b.match_counts, name)), name


@pytest.mark.parametrize("core", [True, False])
def test_predictions_added_in_pieces_equal_one_evaluation(core, crowded_dataset, monkeypatch):
    if not core:
        monkeypatch.setattr(native, "CORE", None)
    for seed in range(25):
        dataset = crowded_dataset(seed, 21, images=5, people=7)
        for protocols in (("coco",), ALL):
            complete = evaluate(dataset.truth, dataset.predictions, protocols=protocols)
            pieces = np.array_split(np.arange(len(dataset.predictions)), 1 + seed % 6)
            parts = (rows_of(dataset.predictions, rows) for rows in pieces)
            same(evaluate_parts(dataset.truth, parts, protocols=protocols), complete)


def test_ranks_with_different_images_merge_to_one_evaluation_in_any_order(crowded_dataset):
    for seed in range(20):
        dataset = crowded_dataset(seed, images=8, people=7)
        complete = evaluate(dataset.truth, dataset.predictions, protocols=ALL)
        rank = np.random.default_rng(seed).integers(
            0, 3, 1 + int(dataset.predictions.image_ids.max()) % 999
        )
        of = (
            rank[dataset.predictions.image_ids % len(rank)]
            if len(dataset.predictions)
            else np.zeros(0)
        )
        ranks = []
        for r in (2, 0, 1):
            evaluator = Evaluator(dataset.truth, protocols=ALL)
            evaluator.add(rows_of(dataset.predictions, np.flatnonzero(of == r)))
            ranks.append(pickle.loads(pickle.dumps(evaluator)))  # as processes send it
        first, *others = ranks
        for other in others:
            first.merge(other)
        same(first.result(), complete)


def test_evaluations_of_different_images_merge_to_one_evaluation(crowded_dataset):
    for seed in range(20):
        dataset = crowded_dataset(seed, images=8, people=7)
        complete = evaluate(dataset.truth, dataset.predictions, protocols=ALL)
        parts = []
        for rows in ([5, 0], [7, 3, 1], [2], [6, 4]):
            truth = dataset.truth.take_images(np.array(rows))
            is_in_part = np.isin(dataset.predictions.image_ids, truth.images.ids)
            parts.append(evaluate(truth, rows_of(dataset.predictions, is_in_part), protocols=ALL))
        same(merge_evaluations(parts), complete)


def test_results_of_the_same_image_or_other_settings_do_not_merge(crowded_dataset):
    dataset = crowded_dataset(1)
    result = evaluate(dataset.truth, dataset.predictions)
    with pytest.raises(InputError, match="it is in two parts"):
        merge_evaluations([result, result])
    with pytest.raises(InputError, match="different settings"):
        merge_evaluations([result, evaluate(dataset.truth, dataset.predictions, max_detections=5)])
    one, other = Evaluator(dataset.truth), Evaluator(dataset.truth, max_detections=5)
    other.add(dataset.predictions)
    with pytest.raises(InputError, match="settings differ"):
        one.merge(other)


def test_intervals_of_a_stream_equal_those_of_one_evaluation(crowded_dataset):
    dataset = crowded_dataset(3, images=12, people=8)
    evaluator = Evaluator(dataset.truth)
    evaluator.add(dataset.predictions)
    complete = evaluate(dataset.truth, dataset.predictions, intervals=40, seed=3)
    assert evaluator.result(40, 3).to_json() == complete.to_json()


def test_an_evaluator_without_predictions_equals_an_evaluation_without_any(crowded_dataset):
    dataset = crowded_dataset(3)
    nothing = make_predictions(COCO17, [], np.zeros((0, 17, 3)), [])
    assert Evaluator(dataset.truth).result().to_json() == evaluate(dataset.truth, nothing).to_json()


def test_results_of_17_joints_stream_onto_a_truth_of_21(crowded_dataset):
    dataset = crowded_dataset(6, 21, images=6, people=6)
    poses = map_joints(dataset.predictions.keypoints, SMALLPOSE, COCO17)
    predictions = replace(dataset.predictions, skeleton=COCO17, keypoints=poses)
    parts = [rows_of(predictions, rows) for rows in np.array_split(np.arange(len(predictions)), 3)]
    same(evaluate_parts(dataset.truth, parts), evaluate(dataset.truth, predictions))
    evaluator = Evaluator(dataset.truth)
    evaluator.add(predictions)
    with pytest.raises(InputError, match="joints changed"):
        evaluator.add(dataset.predictions)


def test_the_first_detection_of_all_decides_whether_boxes_count(crowded_dataset):
    dataset = crowded_dataset(6, images=6, people=6)
    boxes = dataset.predictions.boxes_xywh.copy()
    boxes[:] = (3, 3, 40, 50)
    boxes[0] = np.nan
    mixed = replace(dataset.predictions, boxes_xywh=boxes)
    parts = [rows_of(mixed, rows) for rows in np.array_split(np.arange(len(mixed)), 4)]
    same(evaluate_parts(dataset.truth, parts), evaluate(dataset.truth, mixed))


def test_finishing_gives_the_result_and_forgets_the_predictions(crowded_dataset):
    dataset = crowded_dataset(4, images=6, people=7)
    evaluator = Evaluator(dataset.truth, protocols=ALL)
    for rows in np.array_split(np.arange(len(dataset.predictions)), 3):
        evaluator.add(rows_of(dataset.predictions, rows))
    expected = evaluator.result()
    same(evaluator.result(), expected)
    same(evaluator.finish(), expected)
    assert not evaluator.result().match_counts.num_detections.any()
