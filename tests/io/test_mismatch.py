"""Results that do not fit their labels are told why, and poor models are never told that."""

import json
from dataclasses import replace

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, CROWDPOSE14, SMALLPOSE, map_joints
from smallpose.evaluation.analysis.half_detected_fit import find_half_detected_height
from smallpose.evaluation.evaluate import evaluate
from smallpose.evaluation.file_evaluator import evaluate_file
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.io.coco_results import read_results, write_results
from smallpose.io.mismatch import describe_mismatch
from smallpose.io.mismatch_causes import MIN_OUTSIDE

N = 40
WIDTH = 640
IMAGES = make_images(range(1, N + 1), [f"{i}.jpg" for i in range(1, N + 1)], [WIDTH] * N, [480] * N)
# A person who faces the camera in shares of height: x and y of the 21 joints.
X = "0 0 .02 -.02 .04 -.04 0 0 .1 -.1 .13 -.13 .15 -.15 .06 -.06 0 .07 -.07 .08 -.08"
Y = ".08 0 .07 .07 .08 .08 .15 .18 .18 .18 .33 .33 .47 .47 .5 .5 .5 .72 .72 .95 .95"
BODY = np.stack([np.array(row.split(), dtype=float) for row in (X, Y)], axis=1)
NUM_BEHIND = 16  # of the people, seen from behind, without labels in the face


def make_people(skeleton=COCO17, seed=0):
    """Make people of 100 to 200 px at all places, the first of them seen from behind."""
    rng = np.random.default_rng(seed)
    height = rng.uniform(100, 200, (N, 1, 1))
    body = np.repeat(BODY[None], N, axis=0) + rng.normal(0, 0.02, (N, 21, 2))
    body[:NUM_BEHIND, :, 0] *= -1
    corner = rng.uniform([60, 10], [WIDTH - 60, 250], (N, 2))[:, None]
    keypoints = np.concatenate([corner + height * body, np.full((N, 21, 1), 2.0)], axis=2)
    keypoints = map_joints(keypoints, SMALLPOSE, skeleton)
    names = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
    face = [i for i, joint in enumerate(skeleton.joints) if joint in names]
    keypoints[:NUM_BEHIND, face] = 0
    low, high = corner[:, 0] - 0.17 * height[:, 0], height[:, 0] * [0.34, 1.0]
    return make_instances(skeleton, IMAGES, range(N), np.hstack([low, high]), keypoints)


def detect(truth, noise=0.02, seed=1):
    """Detect everybody, with errors relative to the root of the area."""
    rng = np.random.default_rng(seed)
    keypoints = np.array(truth.keypoints)
    keypoints[keypoints[:, :, 2] == 0, :2] = np.nan
    centre = np.nanmean(keypoints[:, :, :2], axis=1)[:, None]
    keypoints[:, :, :2] = np.where(np.isnan(keypoints[:, :, :2]), centre, keypoints[:, :, :2])
    keypoints[:, :, :2] += rng.normal(0, noise, (N, keypoints.shape[1], 2)) * np.sqrt(
        truth.area[:, None, None]
    )
    return keypoints


def to_predictions(truth, keypoints):
    scores = np.linspace(0.5, 0.9, len(keypoints))
    return make_predictions(truth.skeleton, IMAGES.ids[: len(keypoints)], keypoints, scores)


def exchange_all(keypoints, skeleton=COCO17):
    return keypoints[:, skeleton.flip_indices]


def scale(keypoints, x, y):
    return keypoints * np.reshape([x, y, 1], (-1, 1, 3) if np.ndim(x) else (1, 1, 3))


def scale_each(keypoints, factors):
    return keypoints * np.stack([factors, factors, np.ones(N)], axis=1)[:, None]


MISTAKES = {
    "sides": (lambda k: exchange_all(k), "40 fit with left and right joints exchanged and 0 as"),
    "half": (lambda k: scale(k, 0.5, 0.5), "multiplied by 2, 40 of 40 people looked at fit a"),
    "larger": (lambda k: scale(k, 1.25, 1.25), "multiplied by 0.8, 40 of 40 people"),
    "square": (lambda k: scale(k, 0.5, 0.8), "multiplied by 2 in x and 1.2 in y, 40 of 40"),
    "each": (lambda k: scale_each(k, np.linspace(0.4, 0.9, N)), "for each image, from 1."),
    "shares": (lambda k: scale(k, 1 / WIDTH, 1 / 480), "all coordinates are between 0 and 1"),
    "nearly": (
        lambda k: scale(k, 1 / WIDTH, 1 / 480) + np.array([0.3, 0, 0]),
        "nearly all coordinates are between 0 and 1",
    ),
    "far": (
        lambda k: scale(k, 3, 3) + np.array([900, 900, 0]),
        "40 of 40 detections have most joints out",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_cause_is_named_with_its_evidence(name):
    mistake, message = MISTAKES[name]
    truth = make_people()
    note = describe_mismatch(truth, to_predictions(truth, mistake(detect(truth))))
    assert message in note.replace("1.3 in y", "1.2 in y")
    assert note.endswith("until that is settled, AP and heights say nothing about the model")


def test_sides_are_told_without_a_face_and_of_a_few_people_in_another_skeleton():
    truth = make_people(CROWDPOSE14)
    keypoints = exchange_all(detect(truth), CROWDPOSE14)
    note = describe_mismatch(truth, to_predictions(truth, keypoints))
    assert "or most are seen from behind, and the model takes them for facing the camera" in note
    assert describe_mismatch(truth, to_predictions(truth, keypoints[:12])) is not None
    assert describe_mismatch(truth, to_predictions(truth, keypoints[:8])) is None


def test_labels_by_the_side_of_the_image_are_recognized_by_those_who_face_the_camera():
    people = make_people()
    keypoints = np.array(people.keypoints)
    keypoints[NUM_BEHIND:] = exchange_all(keypoints[NUM_BEHIND:])
    truth = make_instances(COCO17, IMAGES, range(N), people.boxes_xywh, keypoints)
    note = describe_mismatch(truth, to_predictions(people, detect(people)))
    assert "seem to be those of the image in the labels: 40 of 40 people who tell the sides" in note
    assert "24 fit with left and right joints exchanged and 16 as they are" in note


def make_poor_models(truth):
    """Yield the poses of models that are poor, and whose labels are sound."""
    rng = np.random.default_rng(2)
    sound = detect(truth)
    is_chosen = rng.random(N) < 0.5
    yield "everybody well", sound
    yield "with errors", detect(truth, 0.15)
    yield "with large errors", detect(truth, 0.5)
    yield (
        "half of the people exchanged",
        np.where(is_chosen[:, None, None], exchange_all(sound), sound),
    )
    draw = rng.random((N, 17))
    is_joint = draw + draw[:, COCO17.flip_indices] < 1  # half of the pairs
    yield "pairs of joints exchanged", np.where(is_joint[..., None], exchange_all(sound), sound)
    yield "pairs in one place", (sound + exchange_all(sound)) / 2
    facing = sound.copy()
    facing[:NUM_BEHIND] = exchange_all(sound[:NUM_BEHIND])
    yield "everybody taken for facing the camera", facing
    yield "all at one point", np.tile(sound[:1, :1], (N, 17, 1))
    yield "all at 0, 0", np.zeros((N, 17, 3))
    box = truth.boxes_xywh
    share = np.tile(np.append(rng.uniform(0, 1, (17, 2)), np.ones((17, 1)), axis=1), (N, 1, 1))
    share[:, :, :2] = box[:, None, :2] + share[:, :, :2] * box[:, None, 2:]
    yield "one pose in every box", share
    moved = sound.copy()
    moved[:, :, :2] += 0.25 * np.sqrt(truth.area[:, None, None])
    yield "everybody beside their place", moved
    undetected = detect(truth, 0.3)
    undetected[rng.random((N, 17)) < 0.6, :2] = -1
    yield "joints without a detection at -1, -1", undetected


@pytest.mark.parametrize("seed", range(3))
def test_a_poor_model_is_never_taken_for_wrong_labels(seed):
    truth = make_people(seed=seed)
    for name, keypoints in make_poor_models(truth):
        for count in (N, 12, 4, 1):
            predictions = to_predictions(truth, keypoints[:count])
            assert describe_mismatch(truth, predictions) is None, (name, count)


def test_people_from_behind_taken_for_facing_the_camera_are_no_mistake_of_labels():
    truth = make_people().take(np.arange(NUM_BEHIND + 2))  # two others have a face
    keypoints = exchange_all(detect(make_people())[: NUM_BEHIND + 2])
    assert describe_mismatch(truth, to_predictions(truth, keypoints)) is None


def test_real_results_are_not_doubted(real):
    folder = real / "coco"
    for truth_name, name in (
        ("example1/gt_dataset.json", "example1/dt_dataset.json"),
        ("example4/example_coco_val.json", "example4/example_coco_preds.json"),
        ("val_subset250/val_subset.json.gz", "val_subset250/detections_C.json.gz"),
    ):
        truth = read_coco(folder / truth_name)
        notes = evaluate(truth, read_results(folder / name, truth)).notes
        assert not [note for note in notes if "settled" in note]


def test_real_results_with_a_mistake_are(real):
    folder = real / "coco" / "val_subset250"
    truth = read_coco(folder / "val_subset.json.gz")
    results = read_results(folder / "detections_C.json.gz", truth)
    flip = results.skeleton.flip_indices
    for keypoints, message in (
        (results.keypoints[:, flip], "left and right seem to be exchanged"),
        (results.keypoints * [0.5, 0.5, 1], "multiplied by 2, "),
    ):
        changed = make_predictions(results.skeleton, results.image_ids, keypoints, results.scores)
        assert message in describe_mismatch(truth, changed)


def test_all_commands_say_it_and_name_no_height(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    truth = make_people()
    write_coco(truth, "truth.json")
    sound = detect(truth)
    write_results(to_predictions(truth, exchange_all(sound)), "exchanged.json")
    write_results(to_predictions(truth, sound), "sound.json")
    assert main(["evaluate", "truth.json", "exchanged.json"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "40 fit with left and right joints exchanged and 0 as they are" in text
    assert "labels or results seem not to be written as they must be (see the notes)." in text
    assert main(["evaluate", "truth.json", "exchanged.json", "--json", "-", "--diagnose"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["half_detected_px"]["value"] is None
    assert sum("exchanged" in note for note in content["notes"]) == 1
    assert main(["check", "exchanged.json", "--truth", "truth.json"]) == 2
    assert capsys.readouterr().out.count("left and right seem to be exchanged") == 1
    assert main(["compare", "truth.json", "sound.json", "exchanged.json"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "exchanged: left and right seem to be exchanged" in text
    assert "sound: half of the people are detected" in text
    assert text.endswith("so this says nothing about the models.")
    assert main(["check", "sound.json", "--truth", "truth.json"]) == 0
    assert main(["evaluate", "truth.json", "sound.json"]) == 0
    assert "settled" not in capsys.readouterr().out


LABEL_FAULTS = {
    "placeholders": "have 80 labelled keypoints (v > 0) at 0, 0",
    "shares": "all labelled keypoints are between 0 and 1; write pixels",
    "sizes": "40 people have most of their labelled keypoints outside the image",
    "corners": "bbox seems to be x1, y1, x2, y2: 40 of 40 boxes fit",
}


def spoil(people, fault):
    keypoints, boxes, images = np.array(people.keypoints), people.boxes_xywh.copy(), IMAGES
    if fault == "placeholders":
        keypoints[keypoints[:, :, 2] == 0] = [0, 0, 2]
    if fault == "shares":
        keypoints /= [WIDTH, 480, 1]
        boxes /= [WIDTH, 480, WIDTH, 480]
    if fault == "sizes":
        images = make_images(IMAGES.ids, IMAGES.file_names, [30] * N, [20] * N)
    if fault == "corners":
        boxes[:, 2:] += boxes[:, :2]
    return make_instances(COCO17, images, range(N), boxes, keypoints)


@pytest.mark.parametrize("fault", LABEL_FAULTS)
def test_faults_of_labels_that_check_finds_are_noted_by_evaluate(fault, tmp_path, capsys):
    people = make_people()
    truth = spoil(people, fault)
    predictions = to_predictions(people, detect(people))
    result = evaluate(truth, predictions)
    (note,) = [note for note in result.notes if "settled" in note]
    assert LABEL_FAULTS[fault] in note
    assert find_half_detected_height(result).to_dict()["value"] is None
    write_coco(truth, tmp_path / "truth.json")
    write_results(predictions, tmp_path / "found.json")
    main(["check", str(tmp_path / "truth.json")])
    assert LABEL_FAULTS[fault] in capsys.readouterr().out
    assert main(["check", str(tmp_path / "found.json"), "--truth", str(tmp_path / "truth.json")])
    assert LABEL_FAULTS[fault] in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "truth.json"), str(tmp_path / "found.json")]) == 0
    assert LABEL_FAULTS[fault] in " ".join(capsys.readouterr().out.split())


def test_placeholders_are_not_taken_for_joints_in_another_order():
    people = make_people()
    keypoints = np.array(people.keypoints)
    keypoints[:, :5] = [0, 0, 1]  # nobody has a face
    truth = make_instances(COCO17, IMAGES, range(N), people.boxes_xywh, keypoints)
    assert describe_mismatch(truth, to_predictions(people, detect(people))) is None


def test_a_single_placeholder_is_noted_and_leaves_the_numbers_alone():
    people = make_people()
    keypoints = np.array(people.keypoints)
    keypoints[0, 0] = [0, 0, 2]
    truth = make_instances(COCO17, IMAGES, range(N), people.boxes_xywh, keypoints)
    (note,) = [
        n for n in evaluate(truth, to_predictions(people, detect(people))).notes if "0, 0" in n
    ]
    assert note.startswith("1 person has 1 labelled keypoint (v > 0) at 0, 0 (first: id 1, nose)")
    assert note.endswith("give joints without a label v = 0")


@pytest.mark.parametrize("num_detections", [1, 4, 5])
def test_a_few_detections_outside_of_their_images_are_no_evidence(num_detections):
    truth = make_people()
    far = detect(truth)[:num_detections]
    far[:, :, :2] += [900.0, 700.0]
    note = describe_mismatch(truth, to_predictions(truth, far)) or ""
    assert ("most joints outside of the image" in note) == (num_detections >= MIN_OUTSIDE)


def roll_joints(keypoints):
    return np.roll(keypoints, 1, axis=1)


def letterbox(keypoints, side=416):
    scale = side / WIDTH
    border = np.array([0, (side - 480 * scale) / 2, 0])
    return keypoints * [scale, scale, 1] + border


OPENPOSE = "nose right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist "
OPENPOSE += "right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye "
OPENPOSE += "right_ear left_ear"
TO_OPENPOSE = [COCO17.joints.index(name) for name in OPENPOSE.split()]
BY_NAME = np.argsort(COCO17.joints)
OTHER_PLACES = {
    "axes": (lambda k: k[:, :, [1, 0, 2]], "x and y of the keypoints seem to be exchanged: the"),
    "offset": (
        lambda k: k + np.array([50, -9, 0]),
        "with -50 px in x and +9 px in y added, 40 of 40 people",
    ),
    "letterbox": (letterbox, "in px of a square of 416 px with the image in its middle"),
    "openpose": (lambda k: k[:, TO_OPENPOSE], f"as {', '.join(OPENPOSE.split())}, 40 of 40 people"),
    "by name": (lambda k: k[:, BY_NAME], f"as {', '.join(sorted(COCO17.joints))}, 40 of 40"),
    "rolled": (roll_joints, "as right_ankle, nose, left_eye, right_eye, left_ear, right_ear, "),
}


@pytest.mark.parametrize("mistake", OTHER_PLACES)
def test_other_places_and_orders_are_named_and_no_height_is(mistake):
    truth = make_people()
    change, said = OTHER_PLACES[mistake]
    keypoints = change(detect(truth))
    note = describe_mismatch(truth, to_predictions(truth, keypoints))
    assert note is not None
    assert said in note
    assert note.endswith("AP and heights say nothing about the model")
    half = find_half_detected_height(
        evaluate(truth, replace(to_predictions(truth, keypoints), notes=(note,)))
    )
    assert not half.is_named


def test_detections_that_are_written_twice_are_noted(tmp_path):
    truth = make_people()
    predictions = to_predictions(truth, detect(truth))
    for name, rows in (("once", np.arange(N)), ("twice", np.arange(2 * N) % N)):
        write_results(predictions.take(rows), tmp_path / f"{name}.json")
        results = read_results(tmp_path / f"{name}.json", truth)
        notes = evaluate_file(truth, tmp_path / f"{name}.json").result.notes
        for all_notes in (results.notes, notes):
            repeated = [note for note in all_notes if "detections repeat another one" in note]
            assert len(repeated) == (name == "twice")
    assert repeated[0].startswith("40 of 80 detections repeat another one of those looked at")
