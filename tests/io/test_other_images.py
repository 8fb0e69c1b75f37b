"""Results of other images than their ids name are told; poor models and videos are not."""

import json

import numpy as np
import pytest

from smallpose import evaluate, make_images, make_instances, make_predictions, write_results
from smallpose.cli.main import main
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.half_detected import has_doubt
from smallpose.evaluation.file_evaluator import Reading, evaluate_file
from smallpose.io.coco_annotations import write_coco
from smallpose.io.coco_results import read_results
from smallpose.io.mismatch import describe_mismatch

SENTENCE = "number their images differently"


def make_truth(num_images=40, seed=0):
    """Make one or two people of 30 to 200 px in each image, in poses of their own."""
    rng = np.random.default_rng(seed)
    ids = np.arange(1, num_images + 1)
    images = make_images(ids, [f"{i:06d}.jpg" for i in ids], [640] * num_images, [480] * num_images)
    rows = np.sort(np.concatenate([np.arange(num_images), np.arange(0, num_images, 2)]))
    height = rng.uniform(30, 200, len(rows))
    boxes = np.column_stack([rng.uniform(0, 540, len(rows)), rng.uniform(0, 280, len(rows))])
    boxes = np.column_stack([boxes, height * rng.uniform(0.35, 0.5, len(rows)), height])
    points = np.full((len(rows), 17, 3), 2.0)
    points[:, :, :2] = boxes[:, None, :2] + rng.random((len(rows), 17, 2)) * boxes[:, None, 2:]
    return make_instances(COCO17, images, rows, boxes, points)


def detect(truth, noise=0.03, image_ids=None, seed=1):
    rng = np.random.default_rng(seed)
    points = np.array(truth.keypoints)
    points[:, :, :2] += rng.normal(0, 1, points[:, :, :2].shape) * (
        noise * np.sqrt(truth.area)[:, None, None]
    )
    ids = truth.images.ids[truth.image_rows] if image_ids is None else image_ids
    return make_predictions(COCO17, ids, points, rng.random(len(points)))


def shuffle_ids(truth, seed=2):
    order = np.random.default_rng(seed).permutation(truth.images.ids)
    return order[truth.image_rows]


@pytest.mark.parametrize("num_images", [20, 40, 600])
@pytest.mark.parametrize("noise", [0.01, 0.05])
def test_results_of_other_images_are_told_with_an_example(num_images, noise):
    truth = make_truth(num_images)
    ids = shuffle_ids(truth)
    note = describe_mismatch(truth, detect(truth, noise, ids))
    assert SENTENCE in note
    given, fitting = note.split("such as one of image_id ")[1].split(", which fits ")
    row = int(fitting.split(",")[0]) - 1
    assert int(given) in ids[truth.image_rows == row]


def test_shifted_ids_are_told_by_all_commands_without_a_height(tmp_path, capsys):
    truth = make_truth()
    paths = [str(tmp_path / name) for name in ("truth.json", "results.json")]
    write_coco(truth, paths[0])
    write_results(detect(truth, image_ids=np.roll(truth.images.ids, 1)[truth.image_rows]), paths[1])
    for whole in (False, True):
        result = evaluate_file(truth, paths[1], Reading(keep_predictions=whole)).result
        assert sum(SENTENCE in note for note in result.notes) == 1
        assert has_doubt(result.notes)
        assert not result.half_detected.is_named
    assert main(["check", paths[1], "--truth", paths[0]]) == 2
    assert SENTENCE in capsys.readouterr().out
    assert main(["evaluate", *paths, "--json", "-"]) == 0
    assert SENTENCE in " ".join(json.loads(capsys.readouterr().out)["notes"])
    assert has_doubt(read_results(paths[1], truth).notes)


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.2, 0.5, 2.0])
def test_results_of_the_right_images_are_not_doubted(noise):
    truth = make_truth(200)
    for seed in range(3):
        results = detect(truth, noise, seed=seed)
        assert SENTENCE not in str(describe_mismatch(truth, results))


def test_one_mean_pose_and_people_who_are_everywhere_are_not_doubted():
    """Poses that fit somebody by chance, in any image, fit mirrored as well."""
    truth = make_truth(1000)
    rng = np.random.default_rng(3)
    corner = truth.boxes_xywh[rng.permutation(len(truth))]
    mean = np.mean(
        (truth.keypoints[:, :, :2] - truth.boxes_xywh[:, None, :2]) / truth.boxes_xywh[:, None, 2:],
        axis=0,
    )
    points = np.full((len(truth), 17, 3), 1.0)
    points[:, :, :2] = corner[:, None, :2] + mean * corner[:, None, 2:]
    ids = truth.images.ids[truth.image_rows]
    results = make_predictions(COCO17, ids, points, rng.random(len(ids)))
    assert SENTENCE not in str(describe_mismatch(truth, results))


def test_frames_of_people_who_stand_still_are_not_doubted():
    one = make_truth(1)
    num_frames = 60
    ids = np.arange(1, num_frames + 1)
    images = make_images(ids, [f"{i:06d}.jpg" for i in ids], [640] * num_frames, [480] * num_frames)
    rows = np.repeat(np.arange(num_frames), len(one))
    people = np.tile(np.arange(len(one)), num_frames)
    truth = make_instances(
        COCO17, images, rows, one.boxes_xywh[people], np.array(one.keypoints)[people]
    )
    results = detect(truth, noise=0.1)
    assert SENTENCE not in str(describe_mismatch(truth, results))
    assert not has_doubt(evaluate(truth, results).notes)
