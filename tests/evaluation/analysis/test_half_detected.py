"""The height from which half of the people are detected: where it is, and when none is named."""

import json
import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis import half_detected_fit
from smallpose.evaluation.analysis.comparison import compare
from smallpose.evaluation.analysis.half_detected import HalfDetected
from smallpose.evaluation.analysis.half_detected_fit import (
    find_half_detected_height,
    fit_nondecreasing,
    locate_half,
)
from smallpose.evaluation.evaluate import evaluate, merge_evaluations
from smallpose.evaluation.evaluator import Evaluator
from smallpose.evaluation.file_evaluator import evaluate_file
from smallpose.evaluation.scoring.cluster_units import GROUP
from smallpose.evaluation.scoring.detected_people import DetectedPeople, measure_share_outside
from smallpose.io.coco_annotations import write_coco
from smallpose.io.coco_results import read_results, write_results

TRUE_HEIGHT = 60.0


def draw_people(seed: int, num_images: int, per_image: int, likeness: float, top: float = 1.0):
    """Draw people whose chance to be detected rises with height and is shared within images."""
    rng = np.random.default_rng(seed)
    image = np.repeat(np.arange(num_images), per_image)
    height = np.exp(rng.normal(4.3, 0.9, len(image)))
    skill = 1.5 * np.log(height / TRUE_HEIGHT) + likeness * rng.normal(0, 1, num_images)[image]
    is_detected = (skill + rng.normal(0, 1, len(image)) > 0) & (rng.random(len(image)) < top)
    return DetectedPeople(image, height, np.zeros(len(image)), is_detected), image


def make_detected(height, is_detected, per_image: int = 1):
    height = np.asarray(height, dtype=np.float64)
    image = np.arange(len(height)) // per_image
    people = DetectedPeople(image, height, np.zeros(len(height)), np.asarray(is_detected, bool))
    return people, image


def test_a_sharp_limit_is_named_with_a_narrow_interval():
    height = np.linspace(20, 220, 401)
    half = locate_half(*make_detected(height, height > 80))
    assert half.height == pytest.approx(80.25, abs=0.3)
    assert half.low <= half.height <= half.high
    assert half.high - half.low < 12
    assert "from 80 px on (95 %: " in half.describe()
    assert half.describe().endswith("heights differ in more than size: see `smallpose resolution`")


def test_the_limit_is_where_isotonic_regression_crosses_one_half():
    """The sum of (detected - 1/2) is smallest there: an independent way to the same height."""
    for seed in range(20):
        people, image = draw_people(seed, 100, 3, 0.5)
        order = np.argsort(people.height, kind="stable")
        fit = fit_nondecreasing(people.is_detected[order].astype(float), np.ones(len(order)))
        first = int(np.argmax(fit > 0.5))
        low, high = people.height[order][first - 1 : first + 1]
        # Where the fit is one half exactly, any height of the flat part is right.
        start = int(np.argmax(fit >= 0.5))
        assert people.height[order][max(start - 1, 0)] <= locate_half(people, image).height <= high
        assert low <= high


@pytest.mark.parametrize("likeness", [0.0, 0.7])
def test_the_interval_contains_the_true_height_about_as_often_as_it_promises(likeness):
    num_sets = 150
    num_inside = 0
    for seed in range(num_sets):
        half = locate_half(*draw_people(seed, 120, 4, likeness))
        num_inside += half.low <= TRUE_HEIGHT <= half.high
    assert 0.9 <= num_inside / num_sets <= 0.99


@pytest.mark.long
@pytest.mark.parametrize(
    ("num_images", "per_image", "likeness", "top"),
    [
        (100, 3, 0.0, 1.0),
        (330, 3, 0.7, 0.9),
        (60, 20, 0.7, 0.9),
        (500, 8, 0.7, 0.9),
        (25, 40, 0.7, 0.9),
    ],
)
def test_the_interval_contains_the_true_height_in_95_of_100_sets(
    num_images, per_image, likeness, top
):
    spread = math.sqrt(1 + likeness**2) / 1.5
    true_height = TRUE_HEIGHT * math.exp(NormalDist().inv_cdf(0.5 / top) * spread)
    halves = [
        locate_half(*draw_people(seed, num_images, per_image, likeness, top))
        for seed in range(2000)
    ]
    covered = np.mean([half.low <= true_height <= half.high for half in halves])
    error = 1.96 * math.sqrt(covered * (1 - covered) / len(halves))
    assert covered + error >= 0.935 and covered - error <= 0.965


def test_no_height_is_named_where_the_share_falls_among_tall_people():
    height = np.linspace(20, 400, 1200)
    share = np.where(height < 70, 0.2, np.where(height < 200, 0.75, 0.25))
    is_detected = np.random.default_rng(0).random(len(height)) < share
    half = locate_half(*make_detected(height, is_detected, per_image=3))
    assert half.fall is not None and not half.is_named
    assert half.fall.high <= 210 and half.fall.from_height >= 190
    assert "the share detected falls again" in half.describe()
    assert half.to_dict()["value"] is None


def test_a_share_of_one_half_everywhere_hardly_ever_names_a_height():
    """Chance alone must neither name a height nor report a fall."""
    halves = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        height = np.exp(rng.normal(4.3, 0.9, 600))
        halves.append(locate_half(*make_detected(height, rng.random(600) < 0.5, per_image=3)))
    assert sum(half.fall is not None for half in halves) <= 3
    assert sum(half.is_named for half in halves) <= 12
    reasons = [half.reason for half in halves if half.fall is None and not half.is_named]
    few = "fits best"
    assert all(few in reason or "% of the people" in reason for reason in reasons)


@pytest.mark.long
def test_a_fall_is_hardly_ever_reported_where_there_is_none():
    num_false = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        height = np.exp(rng.normal(4.3, 0.9, 300))
        people, image = make_detected(height, rng.random(300) < 0.5, per_image=3)
        num_false += locate_half(people, image).fall is not None
    assert num_false / 1000 <= 0.05


@pytest.mark.parametrize(
    ("is_detected", "words"),
    [(True, "at every height, down to 30 px"), (False, "at no height, up to 300 px")],
)
def test_all_or_nobody_detected_is_said_so(is_detected, words):
    half = locate_half(*make_detected(np.linspace(30, 300, 60), np.full(60, is_detected)))
    assert words in half.describe()
    assert not half.is_inside and half.is_named


def test_too_few_people_or_images_name_no_height():
    few = locate_half(*make_detected(np.linspace(30, 300, 12), np.arange(12) > 5))
    crowd = locate_half(*make_detected(np.linspace(30, 300, 90), np.arange(90) > 5, per_image=30))
    empty = locate_half(*make_detected([], []))
    for half in (few, crowd, empty):
        assert not half.is_named and "needed" in half.reason
    assert "only 12 people in 12 images" in few.describe()


def test_few_people_above_an_open_interval_name_no_height():
    height = np.linspace(20, 219, 40)
    is_detected = np.isin(np.arange(40), [36, 38])
    half = locate_half(*make_detected(height, is_detected))
    assert np.isinf(half.high) and half.within <= 0.5
    assert not half.is_named and half.short_reason == "too few tall people"
    assert "px, has only 4 people above it, 2 of them detected" in half.describe()
    assert half.to_dict()["value"] is None
    # Where the same people are certainly detected, the interval ends below the tallest of them.
    assert locate_half(*make_detected(height, np.arange(40) > 31)).is_named


def test_missed_tallest_people_are_named_where_they_are_too_few_to_tell_a_fall():
    height = np.linspace(20, 219, 200)
    is_detected = (height > 60) & ((height < 213) | (height > 217))
    half = locate_half(*make_detected(height, is_detected))
    assert half.is_inside and half.fall is None
    assert half.tallest.people == 9 and half.tallest.detected == 4
    assert "of the 9 tallest, from 211 px on, only 4 are detected" in half.describe()
    assert locate_half(*make_detected(height, height > 60)).tallest is None


def test_no_height_is_named_above_which_most_tall_people_are_missed():
    """The sentence named 143 px, and went on that of the tallest most are missed."""
    height = np.linspace(20, 219, 200)
    is_detected = np.zeros(200, bool)
    is_detected[-40:] = [True] * 3 + [False, True] * 17 + [False] * 3
    half = locate_half(*make_detected(height, is_detected))
    assert half.tallest is not None and half.tallest.people >= 0.8 * half.num_above
    assert not half.is_named and half.short_reason == "most tall people are missed"
    assert "px, has 40 people above it, and of the 39 tallest only 19 are" in half.describe()
    assert "from 1" not in half.describe() and half.to_dict()["value"] is None


def test_boxes_around_visible_patches_are_named_where_they_decide():
    boxes = np.array([[0, 0, 10, 20], [0, 0, 10, 60.0]])
    keypoints = np.zeros((2, 4, 3))
    keypoints[:, :3] = [[5, 10, 2], [5, 19, 1], [5, 50, 1]]
    assert measure_share_outside(boxes, keypoints).tolist() == [1 / 3, 0]
    height = np.linspace(20, 220, 201)
    outside = np.where(height < 50, 1 / 3, 0.0)
    image = np.arange(201)
    half = locate_half(DetectedPeople(image, height, outside, height > 60), image)
    assert half.num_partial == 30
    assert "30 have over 30 % of their labelled joints outside the box" in half.describe()


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0, 0, "below 39 px"),
        (0, 60, "below 39 to 60 px"),
        (50, 60, "50 to 60 px"),
        (50, np.inf, "50 to above 364 px"),
        (np.inf, np.inf, "above 364 px"),
    ],
)
def test_an_interval_is_formatted_in_words(low, high, words):
    assert HalfDetected(50, low, high, 39, 364, 100, 50, 0.2).ends == words


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Write 40 images of 3 people; those taller than 100 px are predicted exactly."""
    rng = np.random.default_rng(0)
    n = 120
    images = make_images(range(1, 41), [f"{i}.jpg" for i in range(40)], [999] * 40, [999] * 40)
    height = np.linspace(20, 220, n)[rng.permutation(n)]
    boxes = np.stack([rng.uniform(0, 500, n), rng.uniform(0, 500, n), height / 2, height], axis=1)
    xy = boxes[:, None, :2] + rng.random((n, 17, 2)) * boxes[:, None, 2:]
    keypoints = np.concatenate([xy, np.full((n, 17, 1), 2.0)], axis=2)
    truth = make_instances(COCO17, images, np.arange(n) % 40, boxes, keypoints)
    tall = np.flatnonzero(height > 100)
    predictions = make_predictions(
        COCO17, truth.images.ids[truth.image_rows[tall]], keypoints[tall], np.ones(len(tall))
    )
    folder = tmp_path_factory.mktemp("half")
    write_coco(truth, folder / "truth.json")
    write_results(predictions, folder / "a.json")
    write_results(predictions.take(np.arange(5)), folder / "b.json")
    return folder, truth, predictions


def test_evaluate_ends_with_the_height_and_its_json_has_it(files, capsys):
    folder, _, _ = files
    args = ["evaluate", str(folder / "truth.json"), str(folder / "a.json")]
    main([*args, "--json", str(folder / "out.json")])
    last = capsys.readouterr().out.rstrip().split("\n\n")[-1].replace("\n", " ")
    assert last.startswith("In this file half of the people are detected (OKS .5) from 10")
    content = json.loads((folder / "out.json").read_text())["half_detected_px"]
    assert content["low"] <= content["value"] <= content["high"]
    assert last == content["sentence"] + "."


@pytest.mark.parametrize(
    "protocols", [("coco", "owned", "recall"), ("coco",), ("owned",), ("recall",)]
)
def test_detections_of_nobody_are_told_where_they_are_most(files, protocols):
    """The height is the same with any number of them; only precision is not."""
    _, truth, predictions = files
    away = predictions.keypoints + np.array([5000, 0, 0])
    nobody = replace(predictions, keypoints=away, scores=predictions.scores / 2)
    n = len(predictions)
    for copies, is_told in ((1, False), (2, True), (25, True)):
        ids, poses, scores = (
            np.concatenate([getattr(predictions, name), *[getattr(nobody, name)] * copies])
            for name in ("image_ids", "keypoints", "scores")
        )
        many = make_predictions(COCO17, ids, poses, scores)
        half = evaluate(truth, many, protocols=protocols).half_detected
        assert half.height == evaluate(truth, predictions).half_detected.height
        words = f"; {copies * n:,} of {(1 + copies) * n:,} detections match nobody (OKS .5), which "
        assert (words in half.describe()) == (is_told and protocols != ("recall",))


def test_detections_of_nobody_are_told_where_no_height_is_named(files):
    """Labels of some people in each frame made AP small, and nothing said why."""
    _, truth, predictions = files
    n = len(predictions)
    some = truth.take(np.arange(0, len(truth), 4))
    half = evaluate(some, predictions).half_detected
    assert half.num_detections == n
    matched = np.count_nonzero(some.boxes_xywh[:, 3] > 100)
    half = replace(half, clusters=3)
    assert not half.is_named
    assert (
        f"; {n - matched:,} of {n:,} detections match nobody (OKS .5), which lowers AP; people "
        "without a label are among them where labels are of some people only"
    ) in half.describe()
    assert "match nobody" not in replace(half, doubt="see").describe()
    assert "match nobody" not in replace(half, num_false=n // 2).describe()


@pytest.mark.parametrize(
    ("people", "per_image", "unit", "words"),
    [
        (40, 40, "image", "the 40 people who are counted are in 1 image; 10 images are needed"),
        (40, 20, GROUP, "in 2 groups or videos, and images of one group or video resemble each"),
        (12, 1, "image", "only 12 people in 12 images are counted, and 20 people in 10 images"),
        (12, 12, GROUP, "12 people in 1 group or video are counted, and 20 people in 10 groups"),
    ],
)
def test_what_there_is_too_little_of_is_named(people, per_image, unit, words):
    half = locate_half(*make_detected(np.arange(20, 20 + people), [True] * people, per_image))
    half = replace(half, unit=unit)
    assert words in half.reason
    # The breakdown has the AP of these people, where there are some to speak of.
    assert ("--breakdown height" in half.describe()) == (people >= 20)


def test_frames_of_one_video_are_called_so(files):
    _, truth, predictions = files
    frames = replace(truth.images, groups=("drone",) * len(truth.images))
    half = evaluate(replace(truth, images=frames), predictions).half_detected
    assert "in 1 group or video, and images" in half.describe()
    assert half.short_reason == "too few groups or videos"


def test_compare_names_the_height_of_each_result(files, capsys):
    _, truth, predictions = files
    few = replace(predictions.take(np.arange(5)), covers_images=True)
    result = compare(truth, {"a": predictions, "b": few}, num_resamples=10)
    assert "a: half of the people are detected (OKS .5) from 10" in str(result)
    assert "b: half of the people are detected (OKS .5) at no height" in str(result)
    assert set(json.loads(result.to_json())["half_detected_px"]) == {"a", "b"}


def test_pieces_and_merged_evaluations_give_the_same_height(files):
    _, truth, predictions = files
    whole = find_half_detected_height(evaluate(truth, predictions))
    evaluator = Evaluator(truth)
    evaluator.add(predictions.take(np.arange(0, 40)))
    evaluator.add(predictions.take(np.arange(40, len(predictions))))
    assert find_half_detected_height(evaluator.result()) == whole
    first = truth.images.ids <= 20
    halves = [
        evaluate(
            truth.take_images(np.flatnonzero(images)),
            predictions.take(
                np.flatnonzero(np.isin(predictions.image_ids, truth.images.ids[images]))
            ),
        )
        for images in (first, ~first)
    ]
    assert find_half_detected_height(merge_evaluations(halves)) == whole


def test_no_height_is_named_where_many_images_have_no_detection(files, tmp_path, capsys):
    """It stood below a note that said that 35 of 40 images may not have been predicted."""
    folder, truth, predictions = files
    few = predictions.take(np.flatnonzero(predictions.image_ids <= 8))
    half = find_half_detected_height(evaluate(truth, few))
    assert not half.is_named and half.to_dict()["value"] is None
    assert "many images with people were not predicted, or have no detection" in half.describe()
    # Where they are known to have been predicted, they tell how small people may be.
    known = evaluate(truth, replace(few, covers_images=True))
    assert find_half_detected_height(known).is_named
    assert not [note for note in known.notes if "no detection" in note]
    assert evaluate(truth, few)["coco"] == known["coco"]
    # Command, comparison and Python alike.
    write_results(few, tmp_path / "few.json")
    main(["evaluate", str(folder / "truth.json"), str(tmp_path / "few.json")])
    last = capsys.readouterr().out.rstrip().split("\n\n")[-1]
    assert last == str(evaluate(truth, few)).split("\n\n")[-1]
    assert last.startswith("In this file no height can be named")
    result = compare(truth, {"a": predictions, "few": few}, num_resamples=10)
    assert not result.half_detected["few"].is_named and result.half_detected["a"].is_named
    assert "; many images have no results of few (see the notes), so this may" in str(result)


def test_a_run_is_known_to_have_predicted_its_images(files, tmp_path):
    _, truth, predictions = files
    few = predictions.take(np.arange(5))
    (tmp_path / "run").mkdir()
    write_results(few, tmp_path / "run" / "found.json")
    assert not read_results(tmp_path / "run", truth).covers_images
    (tmp_path / "run" / "result.json").write_text("{}")
    assert read_results(tmp_path / "run", truth).covers_images
    in_chunks = evaluate_file(truth, tmp_path / "run" / "found.json").result
    assert find_half_detected_height(in_chunks).is_named


def test_a_printed_evaluation_ends_with_the_height(files):
    _, truth, predictions = files
    result = evaluate(truth, predictions)
    last = str(result).split("\n\n")[-1].replace("\n", " ")
    assert last == find_half_detected_height(result).describe() + "."
    assert str(result).startswith(result.format_tables())


def test_curves_through_half_are_the_fits_of_their_two_parts():
    rng = np.random.default_rng(0)
    for num_bins in (1, 2, 30):
        share, people = rng.random(num_bins).round(1), rng.integers(1, 9, num_bins).astype(float)
        fits = half_detected_fit._fit_through_half(share, people)
        for i in range(num_bins + 1):
            below = np.minimum(fit_nondecreasing(share[:i], people[:i]), 0.5)
            above = np.maximum(fit_nondecreasing(share[i:], people[i:]), 0.5)
            assert fits[i] == pytest.approx(np.concatenate([below, above]), abs=1e-12)
