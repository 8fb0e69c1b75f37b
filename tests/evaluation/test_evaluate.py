"""`evaluate`: classes, alignment, empty tables, and what it prints and writes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from smallpose import evaluate
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE, map_joints
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.matching.keypoint_selection import select_keypoints

KEYS = {
    "AP",
    "AP50",
    "AP75",
    "AP_S",
    "AP_M",
    "AP_L",
    "AP_S_sparse",
    "AP_S_moderate",
    "AP_S_dense",
    "AR",
    "AR_S",
    "AR_M",
    "AR_L",
    "AR_S_sparse",
    "AR_S_moderate",
    "AR_S_dense",
}


def people(boxes, skeleton=COCO17, labelled=None, source=0, images=None):
    """One person an image, all joints labelled on a grid in their box (or only the first few)."""
    n, k = len(boxes), len(skeleton)
    boxes = np.asarray(boxes, dtype=float).reshape(n, 4)
    keypoints = np.zeros((n, k, 3))
    for i, (x, y, w, h) in enumerate(boxes):
        t = np.linspace(0.05, 0.95, k)
        keypoints[i] = np.stack([x + w * t, y + h * ((t * 7) % 1), np.full(k, 2)], axis=1)
        if labelled is not None:
            keypoints[i, labelled[i] :] = 0
    ids = list(range(1, n + 1)) if images is None else images
    rows = np.arange(n) if images is None else np.zeros(n, dtype=int)
    named = make_images(ids, [f"{i}.jpg" for i in ids])
    return make_instances(skeleton, named, rows, boxes, keypoints, source=source)


def perfect(truth, rows=None, scores=None):
    rows = np.arange(len(truth)) if rows is None else np.asarray(rows)
    scores = np.full(len(rows), 0.9) if scores is None else scores
    ids = truth.images.ids[truth.image_rows[rows]]
    return make_predictions(
        truth.skeleton, ids, truth.keypoints[rows], scores, truth.boxes_xywh[rows]
    )


def test_perfect_predictions_score_1_wherever_there_are_people():
    truth = people([[0, 0, 60, 80], [0, 0, 128, 96], [0, 0, 300, 300]])
    numbers = evaluate(truth, perfect(truth), protocols=("coco", "owned", "recall"))
    for protocol in ("coco", "owned", "recall"):
        assert set(numbers[protocol]) == KEYS
        got = {name for name, value in numbers[protocol].items() if value is not None}
        assert all(numbers[protocol][name] == pytest.approx(1) for name in got)
        assert KEYS - got == {"AP_S_sparse", "AP_S_dense", "AR_S_sparse", "AR_S_dense"}


def test_a_box_of_exactly_128_by_96_is_medium_and_256_by_192_large():
    truth = people([[0, 0, 128, 96], [0, 0, 256, 192]])
    result = evaluate(truth, perfect(truth, rows=[1]))
    assert (result.people["small"], result.people["medium"], result.people["large"]) == (0, 1, 1)
    assert result["coco"]["AP_M"] == 0.0
    assert result["coco"]["AP_L"] == pytest.approx(1)


def test_a_class_without_people_is_none_in_python_null_in_json_and_listed_in_the_table():
    truth = people([[0, 0, 300, 300]])
    result = evaluate(truth, perfect(truth))
    assert result["coco"]["AP_S"] is None
    assert json.loads(result.to_json())["protocols"]["coco"]["AP_S"] is None
    assert "n/a (0 people)" in str(result)
    assert "-1" not in str(result)


def test_no_detections_score_0_and_not_null():
    truth = people([[0, 0, 300, 300]])
    nothing = make_predictions(COCO17, [], np.zeros((0, 17, 3)), [])
    numbers = evaluate(truth, nothing, protocols=("coco", "owned", "recall"))
    for protocol in ("coco", "owned", "recall"):
        assert numbers[protocol]["AP"] == 0.0
        assert numbers[protocol]["AR_L"] == 0.0
        assert numbers[protocol]["AP_S"] is None


def test_no_people_give_null_everywhere():
    no_people = make_instances(COCO17, make_images([1], ["1.jpg"]), [], np.zeros((0, 4)), [])
    pose = make_predictions(COCO17, [1], np.ones((1, 17, 3)), [0.5])
    for predictions in (pose, make_predictions(COCO17, [], np.zeros((0, 17, 3)), [])):
        result = evaluate(no_people, predictions, protocols=("coco", "owned", "recall"))
        for protocol in ("coco", "owned", "recall"):
            assert set(result[protocol].values()) == {None}
        assert set(result.people.values()) == {0}
        assert "n/a (0 people)" in str(result)


def test_a_truth_without_images_has_no_metrics():
    nothing = make_instances(COCO17, make_images([], []), [], np.zeros((0, 4)), [])
    result = evaluate(nothing, make_predictions(COCO17, [], np.zeros((0, 17, 3)), []))
    assert set(result["coco"].values()) == {None}


def test_a_detection_in_an_unknown_image_is_refused_by_name():
    truth = people([[0, 0, 300, 300]])
    stray = replace(perfect(truth), image_ids=np.array([77]))
    with pytest.raises(InputError, match="image 77 is not in the truth"):
        evaluate(truth, stray)


def test_density_classes_follow_the_reference_values_of_equation_3():
    # (area, labelled, class) at K = 17: the dense and the sparse side of both limits.
    truth = people(
        [[0, 0, 30, 40], [0, 0, 30, 40], [0, 0, 122.87, 100], [0, 0, 122.87, 100]],
        labelled=[17, 14, 7, 17],
    )
    result = evaluate(truth, perfect(truth))
    assert [result.people[c] for c in ("sparse", "moderate", "dense")] == [1, 2, 1]


def test_k_of_the_density_is_the_sources_unless_density_joints_sets_it_for_all_people():
    # 1,220 px² with 17 labelled points: dense by COCO's K of 17, moderate by 21.
    box = [[0, 0, 30.5, 40]]
    count = [17]
    plain = people(box, SMALLPOSE, count)
    from_coco = people(box, SMALLPOSE, count, source=1)
    assert evaluate(plain, perfect(plain)).people["moderate"] == 1
    assert evaluate(from_coco, perfect(plain)).people["dense"] == 1
    assert evaluate(plain, perfect(plain), density_joints=17).people["dense"] == 1


def aligned(truth, scores=None):
    """The truth's poses as a model of COCO's 17 joints would give them."""
    predictions = perfect(truth, scores=scores)
    points = map_joints(predictions.keypoints, SMALLPOSE, COCO17)
    return replace(predictions, skeleton=COCO17, keypoints=points)


def test_results_of_17_joints_on_a_truth_of_21_are_scored_on_the_17():
    truth = people([[0, 0, 60, 80], [0, 0, 300, 300]], SMALLPOSE)
    result = evaluate(truth, aligned(truth))
    assert result["coco"]["AP"] == pytest.approx(1)
    assert result.settings["keypoints"] == "coco17"
    assert len(result.settings["sigmas"]) == 17


def test_the_17_can_be_forced_on_results_of_21_and_then_the_other_4_do_not_count():
    truth = people([[0, 0, 300, 300]], SMALLPOSE)
    predictions = perfect(truth)
    predictions.keypoints[
        :, SMALLPOSE.joint_indices(["head_top", "head_bottom", "chest", "pelvis"]), 0
    ] += 900
    assert evaluate(truth, predictions)["coco"]["AP"] < 1
    assert evaluate(truth, predictions, keypoints="coco17")["coco"]["AP"] == pytest.approx(1)
    with pytest.raises(InputError, match="which is among the scored"):
        evaluate(truth, aligned(truth), keypoints="all")


def test_people_scored_on_17_joints_keep_the_density_class_of_their_21():
    # 9,000 px²; 9 of 21 labelled: sparse. Of its 17 COCO joints 6 are labelled, which with K = 17
    # would be sparse too, so the other way round: 13 of 21 is moderate, though 10 of 17 are scored.
    truth = people([[0, 0, 90, 100], [0, 0, 90, 100]], SMALLPOSE, labelled=[9, 13])
    complete = evaluate(truth, perfect(truth)).people
    assert evaluate(truth, aligned(truth)).people == complete


def test_people_without_any_scored_joint_are_ignored_and_counted():
    truth = people([[0, 0, 300, 300], [0, 0, 300, 300]], SMALLPOSE)
    only = np.zeros((21, 1))
    only[SMALLPOSE.joint_indices(["chest", "pelvis"])] = 1
    keypoints = truth.keypoints.copy()
    keypoints[1] *= only
    truth = replace(truth, keypoints=keypoints)
    result = evaluate(truth, aligned(truth))
    assert result.people["all"] == 1
    assert result["coco"]["AP"] == pytest.approx(1)
    assert any("1 person is ignored: no labelled joint" in note for note in result.notes)
    # They match a detection at their place, which then is no false positive.
    assert evaluate(truth, aligned(truth, scores=[0.5, 0.9]))["coco"]["AP"] == pytest.approx(1)


def test_people_with_labels_but_num_keypoints_0_stay_ignored_when_scored_on_17_joints():
    truth = people([[0, 0, 300, 300], [0, 0, 300, 300]], SMALLPOSE)
    truth = replace(truth, num_keypoints=np.array([21, 0]))
    assert evaluate(truth, aligned(truth)).people["all"] == 1


@pytest.fixture
def shifted():
    """A person of 150 × 100 px whose `area` field is 9,000 px², predicted 6 px off."""
    truth = replace(people([[0, 0, 150, 100]]), file_area=np.array([9000.0]))
    predictions = perfect(truth)
    predictions.keypoints[:, :, 0] += 6
    return truth, predictions


def test_each_area_decides_the_oks_scale_or_the_size_and_never_both(shifted):
    plain = evaluate(*shifted)
    by_box = evaluate(*shifted, oks_area="box")
    smaller = evaluate(*shifted, oks_area="0.53box")
    by_file = evaluate(*shifted, size_area="file")
    assert smaller["coco"]["AP"] < plain["coco"]["AP"] < by_box["coco"]["AP"]
    assert by_file["coco"]["AP"] == plain["coco"]["AP"]
    assert [r.people["medium"] for r in (plain, by_box, smaller, by_file)] == [1, 1, 1, 0]
    assert by_file.people["small"] == 1


def test_settings_and_the_header_of_the_table_name_both_areas(shifted):
    result = evaluate(*shifted, oks_area="0.53box", size_area="file")
    assert (result.settings["oks_area"], result.settings["size_area"]) == ("0.53box", "file")
    head = str(result).splitlines()[:2]
    assert head == [
        "OKS scaled by 0.53 × width × height of the box (--oks-area 0.53box)",
        "Sizes by the area field (--size-area file)",
    ]
    assert str(evaluate(*shifted)).startswith("OKS scaled by the area field (--oks-area file)\n")


def test_people_without_the_field_have_the_area_of_their_box_and_a_note_says_so(shifted):
    truth, predictions = shifted
    bare = replace(truth, file_area=np.array([np.nan]))
    result = evaluate(bare, predictions)
    assert result["coco"] == evaluate(truth, predictions, oks_area="box")["coco"]
    note = "1 labelled person has no area field: width × height of their box is used"
    assert note in result.notes
    assert not evaluate(truth, predictions).notes
    assert not evaluate(bare, predictions, oks_area="box").notes


def test_an_area_field_of_0_is_reported():
    truth = replace(people([[0, 0, 150, 100]]), file_area=np.zeros(1))
    (note,) = evaluate(truth, perfect(truth)).notes
    assert note.startswith("1 labelled person has an area of 0, so only exact poses match")


def test_small_people_without_a_density_class_are_explained():
    truth = people([[0, 0, 60, 80], [0, 0, 60, 80]])
    keypoints = truth.keypoints.copy()
    keypoints[1, :, 2] = 0
    truth = replace(truth, keypoints=keypoints, file_area=truth.area)
    result = evaluate(truth, perfect(truth))
    assert result.people["small"] == 2
    assert sum(result.people[name] for name in ("sparse", "moderate", "dense")) == 1
    assert result.notes[1:] == (
        "1 small person is in no density class: no keypoint with v > 0, so Eq. 3 has no value",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"protocols": ("cocoa",)}, "no such protocol"),
        ({"protocols": ()}, "no protocol is given"),
        ({"oks_area": "mask"}, "use file or box or 0.53box"),
        ({"size_area": "0.53box"}, "use box or file"),
        ({"max_detections": 0}, "not above zero"),
        ({"density_joints": 0}, "not above zero"),
        ({"size_limits": (9, 4)}, "do not rise"),
        ({"keypoints": "mpii"}, "use all or coco17"),
        ({"sigmas": [0.1, 0.2]}, "2 values, coco17 has 17 joints"),
        ({"sigmas": [0.0] * 17}, "not above zero"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_line(arguments, message):
    truth = people([[0, 0, 150, 100]])
    with pytest.raises(InputError, match=message):
        evaluate(truth, perfect(truth), **arguments)


def test_results_of_which_only_some_have_boxes_are_refused_if_the_first_has():
    truth = people([[0, 0, 150, 100], [0, 0, 150, 100]])
    predictions = perfect(truth)
    predictions.boxes_xywh[1] = np.nan
    with pytest.raises(InputError, match=r"entry\[1\]: no bbox"):
        evaluate(truth, predictions)


def test_the_json_holds_numbers_people_and_all_settings():
    truth = people([[0, 0, 60, 80]])
    data = json.loads(evaluate(truth, perfect(truth), protocols=("coco", "recall")).to_json())
    assert set(data["protocols"]) == {"coco", "recall"}
    assert set(data["protocols"]["coco"]) == KEYS
    assert set(data["people"]) == {"all", "small", "medium", "large", "sparse", "moderate", "dense"}
    needed = {"keypoints", "oks_area", "size_area", "detection_area", "max_detections"}
    assert needed | {"density_joints", "sigmas"} <= set(data["settings"])


def test_scores_of_any_finite_size_are_legal():
    truth = people([[0, 0, 60, 80], [0, 0, 60, 80]])
    assert evaluate(truth, perfect(truth, scores=[-3.0, 472.5]))["coco"]["AP"] == pytest.approx(1)


def test_a_density_of_exactly_35_or_95_hundredths_opens_the_next_class(monkeypatch):
    truth = people([[0, 0, 60, 80]] * 4)
    exact = np.array([0.35, np.nextafter(0.35, 0), 0.95, np.nextafter(0.95, 0)])
    monkeypatch.setattr("smallpose.evaluation.protocols.keypoint_density", lambda *_: exact)
    counts = evaluate(truth, perfect(truth)).people
    assert [counts[c] for c in ("sparse", "moderate", "dense")] == [1, 2, 1]


@pytest.mark.parametrize("skeleton", [COCO17, SMALLPOSE])
def test_default_sigmas_are_the_doubles_that_pycocotools_has(skeleton):
    from pycocotools.cocoeval import Params

    truth = people([[0, 0, 60, 80]], skeleton)
    theirs = dict(zip(COCO17.joints, Params("keypoints").kpt_oks_sigmas.tolist(), strict=True))
    ours = dict(
        zip(
            skeleton.joints,
            select_keypoints(truth, perfect(truth), ScoringConfig()).poses.sigmas.tolist(),
            strict=True,
        )
    )
    assert {name: ours[name] for name in theirs} == theirs
