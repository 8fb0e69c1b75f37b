"""Where every AP is 0, a note names the likely causes, by where the detections are."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose import evaluate, make_images, make_instances, make_predictions, write_results
from smallpose.cli.main import main
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.evaluate import merge_evaluations
from smallpose.evaluation.file_evaluator import Reading, evaluate_file
from smallpose.evaluation.notes import FEW_MATCHES, NO_MATCH, merge_notes
from smallpose.io.coco_annotations import write_coco

NUM_IMAGES = 4


@pytest.fixture
def truth():
    """One person in each of four images, at different places."""
    rng = np.random.default_rng(0)
    images = make_images(range(1, NUM_IMAGES + 1), [f"{i}.jpg" for i in range(NUM_IMAGES)])
    boxes = np.array([[20.0 + 130 * i, 10 + 90 * i, 40, 80] for i in range(NUM_IMAGES)])
    points = np.full((NUM_IMAGES, 17, 3), 2.0)
    points[:, :, :2] = boxes[:, None, :2] + rng.random((NUM_IMAGES, 17, 2)) * boxes[:, None, 2:]
    return make_instances(COCO17, images, range(NUM_IMAGES), boxes, points)


def predict(truth, image_ids=None, points=None):
    ids = truth.images.ids if image_ids is None else image_ids
    poses = truth.keypoints if points is None else points
    return make_predictions(COCO17, ids, poses, np.linspace(0.5, 0.9, len(poses)))


def find_note(result):
    return next((note for note in result.notes if note.startswith(NO_MATCH)), "")


def make_faulty(truth, fault):
    points = truth.keypoints.copy()
    if fault == "order":
        return predict(truth, points=np.roll(points, 5, axis=1))
    if fault == "ids":
        return predict(truth, image_ids=np.roll(truth.images.ids, 1))
    return predict(truth, points=points[:, :, [1, 0, 2]])  # y before x


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("order", "though 4 of 4 detections are centred in the box of a person, so images and px"),
        ("ids", "and 0 of 4 detections are centred in the box of a person: coordinates may be no"),
        ("axes", "of 4 detections are centred in the box of a person: coordinates may be no px"),
    ],
)
def test_the_causes_are_named_by_python_and_the_commands(truth, fault, words, tmp_path, capsys):
    results = make_faulty(truth, fault)
    note = find_note(evaluate(truth, results))
    assert words in note
    paths = [str(tmp_path / name) for name in ("truth.json", "results.json")]
    write_coco(truth, paths[0])
    write_results(results, paths[1])
    for whole in (False, True):
        scored = evaluate_file(truth, paths[1], Reading(keep_predictions=whole)).result
        assert find_note(scored) == note
    assert main(["check", paths[1], "--truth", paths[0]]) == 2
    assert note in capsys.readouterr().out


def test_nothing_is_said_where_somebody_is_matched_or_another_note_tells_it(truth):
    assert not find_note(evaluate(truth, predict(truth)))
    shares = replace(predict(truth), keypoints=truth.keypoints / [1000, 1000, 1])
    told = replace(shares, notes=("until that is settled, AP and heights say nothing",))
    assert not find_note(evaluate(truth, told))


def test_parts_without_a_match_do_not_speak_for_the_whole(truth):
    parts = [truth.take_images(np.array(rows)) for rows in ([0, 1], [2, 3])]
    good, bad = predict(parts[0]), make_faulty(parts[1], "ids")
    results = [evaluate(part, one) for part, one in zip(parts, (good, bad), strict=True)]
    assert find_note(results[1]) and not find_note(merge_evaluations(results))


def draw_people(num_people):
    """Draw people in boxes of 40 × 80 px, one to an image."""
    rng = np.random.default_rng(0)
    images = make_images(range(1, num_people + 1), [f"{i}.jpg" for i in range(num_people)])
    boxes = np.column_stack([rng.uniform(0, 500, (num_people, 2)), np.full((num_people, 2), 40.0)])
    points = np.full((num_people, 17, 3), 2.0)
    points[:, :, :2] = boxes[:, None, :2] + rng.random((num_people, 17, 2)) * 40
    return make_instances(COCO17, images, range(num_people), boxes, points)


@pytest.mark.parametrize(
    ("num_people", "num_right", "num_wrong", "is_told"),
    [
        (100, 3, 97, True),  # somebody matches, by luck or as one of many
        (100, 6, 94, False),  # a weak model
        (100, 3, 10, False),  # few detections: those that there are may be right
        (40, 1, 39, False),  # too few people to tell
    ],
)
def test_an_ap_near_0_tells_where_to_look_without_doubting_the_numbers(
    num_people, num_right, num_wrong, is_told
):
    truth = draw_people(num_people)
    poses = truth.keypoints.copy()
    poses[num_right:] = np.roll(poses[num_right:], 5, axis=1)  # joints in another order
    num_detections = num_right + num_wrong
    found = make_predictions(
        COCO17,
        truth.images.ids[:num_detections],
        poses[:num_detections],
        np.linspace(0.5, 0.9, num_detections),
    )
    result = evaluate(truth, found)
    told = [note for note in result.notes if note.startswith(FEW_MATCHES)]
    assert bool(told) == is_told
    if is_told:
        (note,) = told
        assert note.startswith(f"{FEW_MATCHES}{num_right} of {num_people} people have a detection")
        assert "check in this order: the order of the joints, and the scale of the poses" in note
        assert not any("until that is settled" in one for one in result.notes)
        assert note not in merge_notes(result.notes)


def test_detections_beside_the_people_are_to_be_checked_for_their_images_first():
    truth = draw_people(100)
    poses = truth.keypoints.copy()
    poses[3:, :, :2] += 2000  # some match by luck; the others belong to other images, or px
    found = make_predictions(COCO17, truth.images.ids, poses, np.linspace(0.5, 0.9, 100))
    (note,) = (n for n in evaluate(truth, found).notes if n.startswith(FEW_MATCHES))
    places = [note.index(word) for word in ("image_id", "that boxes", "of the joints", "scale")]
    assert places == sorted(places)


def test_images_that_were_taken_as_one_person_are_named_as_the_cause():
    """`predict` without boxes gives each image as the box of one person."""
    size = [640] * 10, [480] * 10
    images = make_images(range(5, 15), [f"{i}.jpg" for i in range(10)], *size)
    points = np.random.default_rng(0).uniform(0, 60, (10, 17, 3))
    points[:, :, 2] = 2
    boxes = np.tile([0.0, 0, 60, 60], (10, 1))
    truth = make_instances(COCO17, images, range(10), boxes, points)
    far = np.random.default_rng(1).uniform(0, 480, (10, 17, 3))
    for height, is_whole in ((480.0, True), (300.0, False)):
        whole = np.tile([0.0, 0, 640, height], (10, 1))
        predictions = make_predictions(COCO17, images.ids, far, np.ones(10), whole)
        notes = " ".join(evaluate(truth, predictions).notes)
        assert "every AP is 0" in notes
        assert ("so each image was taken as one person: predict with --boxes-from" in notes) == (
            is_whole
        )
