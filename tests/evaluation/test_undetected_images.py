"""Images that were not predicted are told from images in which a model finds nobody."""

import numpy as np
import pytest

from smallpose import compare, evaluate, make_images, make_instances, make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.half_detected import lacks_images
from smallpose.evaluation.evaluator import Evaluator
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import read_results

NUM_IMAGES = 60


def make_truth(people_per_image=(1, 2, 3), seed=0):
    """Make people of 20 to 300 px, who are as many in turn in the images."""
    rng = np.random.default_rng(seed)
    ids = np.arange(1, NUM_IMAGES + 1)
    images = make_images(ids, [f"{i}.jpg" for i in ids], [2000] * NUM_IMAGES, [900] * NUM_IMAGES)
    counts = np.resize(people_per_image, NUM_IMAGES)
    rows = np.repeat(np.arange(NUM_IMAGES), counts)
    height = np.exp(rng.uniform(np.log(20), np.log(300), len(rows)))
    left = 600.0 * np.concatenate([np.arange(one) for one in counts])
    boxes = np.column_stack([left, np.full(len(rows), 50.0), height / 2, height])
    points = np.full((len(rows), 17, 3), 2.0)
    points[:, :, :2] = boxes[:, None, :2] + rng.random((len(rows), 17, 2)) * boxes[:, None, 2:]
    return make_instances(COCO17, images, rows, boxes, points)


def detect(truth, is_found, scores=None):
    rows = np.flatnonzero(is_found)
    ids = truth.images.ids[truth.image_rows[rows]]
    scores = np.full(len(rows), 0.5) if scores is None else scores[rows]
    return make_predictions(COCO17, ids, truth.keypoints[rows], scores)


def find_notes(result):
    return [note for note in result.notes if "no detection, and all people" in note]


def miss(truth, share_small, share_tall, seed=1):
    """Return who is found by a model that misses small and tall people at these rates."""
    tallness = np.log(truth.boxes_xywh[:, 3] / 20) / np.log(15)
    share = share_small + (share_tall - share_small) * tallness
    return np.random.default_rng(seed).random(len(truth)) >= share


@pytest.mark.parametrize("num_unpredicted", [8, 12, 25])
def test_images_that_were_not_predicted_are_told_and_no_height_is_named(num_unpredicted):
    truth = make_truth()
    is_found = miss(truth, 0.3, 0.05) & (truth.image_rows >= num_unpredicted)
    result = evaluate(truth, detect(truth, is_found))
    (note,) = find_notes(result)
    assert "of 60 images with scored people have no detection" in note
    assert "by the share of people who are missed in the others" in note
    assert not result.half_detected.is_named
    evaluator = Evaluator(truth)
    evaluator.add(detect(truth, is_found))
    assert find_notes(evaluator.finish()) == [note]
    full = detect(truth, miss(truth, 0.3, 0.05, seed=2))
    verdict = compare(truth, {"full": full, "part": detect(truth, is_found)}).verdicts["part"]
    assert "many images have no results of part" in verdict


def test_less_than_a_tenth_of_the_images_is_no_remark():
    truth = make_truth((2, 3))
    is_found = truth.image_rows >= 6
    assert not find_notes(evaluate(truth, detect(truth, is_found)))


@pytest.mark.parametrize("people_per_image", [(1,), (1, 2), (1, 2, 3), (1, 1, 1, 1, 8)])
@pytest.mark.parametrize("rates", [(0.9, 0.1), (0.6, 0.3), (0.5, 0.5), (0.99, 0.5)])
def test_weak_models_are_not_told_that_images_lack(people_per_image, rates):
    for seed in range(5):
        truth = make_truth(people_per_image, seed)
        result = evaluate(truth, detect(truth, miss(truth, *rates, seed=seed + 10)))
        missing = int(np.count_nonzero(result.match_counts.num_detections == 0))
        if 2 * missing <= NUM_IMAGES:
            assert not find_notes(result), seed


def test_real_results_above_any_score_are_not_told_that_images_lack(real):
    folder = real / "coco" / "val_subset250"
    truth = read_coco(folder / "val_subset.json.gz")
    results = read_results(folder / "detections_C.json.gz", truth)
    for share in (0, 0.1, 0.3, 0.5, 0.7):
        above = results.take(results.scores >= np.quantile(results.scores, share))
        result = evaluate(truth, above)
        assert not lacks_images(result.notes), share
