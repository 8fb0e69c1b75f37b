"""`settings.comparable_to`: COCO keypoints 2017 as published, or what differs from it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE, map_joints
from smallpose.evaluation.analysis.comparison import compare
from smallpose.evaluation.comparability import COCO_AS_PUBLISHED
from smallpose.evaluation.evaluate import evaluate, merge_evaluations
from smallpose.evaluation.evaluator import Evaluator

NUM_WITH_PEOPLE = 2346
NUM_PEOPLE = 6352


@pytest.fixture(scope="module")
def truth():
    """As many images and people as val2017, its first and last id, areas of masks and crowds."""
    rng = np.random.default_rng(0)
    middle = np.sort(rng.choice(np.arange(140, 581781), 4998, replace=False))
    ids = np.concatenate([[139], middle, [581781]])
    rows = np.sort(np.concatenate([np.arange(2346), rng.integers(0, 2346, NUM_PEOPLE - 2346)]))
    rows = np.concatenate([rows, rng.integers(0, 2346, 300)])  # the last are ignored
    n = len(rows)
    boxes = np.hstack([rng.uniform(0, 400, (n, 2)), rng.uniform(10, 200, (n, 2))]).round(2)
    keypoints = np.zeros((n, 17, 3))
    keypoints[:, :, :2] = boxes[:, None, :2] + rng.random((n, 17, 2)) * boxes[:, None, 2:]
    keypoints[:NUM_PEOPLE, :, 2] = 2
    return make_instances(
        COCO17,
        make_images(ids, [f"{one:012d}.jpg" for one in ids], [640] * 5000, [640] * 5000),
        rows,
        boxes,
        keypoints,
        iscrowd=np.arange(n) >= n - 100,
        file_area=boxes[:, 2] * boxes[:, 3] * 0.5,
    )


@pytest.fixture(scope="module")
def predictions(truth):
    """Detected poses of all people and some more, with boxes that are not those of the labels."""
    rng = np.random.default_rng(1)
    rows = np.concatenate([np.arange(len(truth)), rng.integers(0, len(truth), 500)])
    return make_predictions(
        COCO17,
        truth.images.ids[truth.image_rows[rows]],
        truth.keypoints[rows] + rng.normal(0, 2, (len(rows), 17, 3)),
        rng.random(len(rows)),
        truth.boxes_xywh[rows] + rng.uniform(1, 2, (len(rows), 4)),
    )


def describe(truth, predictions, **options):
    return evaluate(truth, predictions, **options).settings["comparable_to"]


def with_joints(table, skeleton):
    keypoints = map_joints(table.keypoints, table.skeleton, skeleton)
    return replace(table, skeleton=skeleton, keypoints=keypoints)


def take(truth, is_kept):
    return truth.take(np.flatnonzero(is_kept))


def test_defaults_on_a_file_like_cocos_are_as_published(truth, predictions):
    assert describe(truth, predictions) == COCO_AS_PUBLISHED
    assert describe(truth, predictions, protocols=("coco", "owned", "recall")) == COCO_AS_PUBLISHED
    no_boxes = replace(predictions, boxes_xywh=np.full((len(predictions), 4), np.nan))
    assert describe(truth, no_boxes) == COCO_AS_PUBLISHED
    sizes = {"size_area": "file", "size_limits": (1024.0, 9216.0)}
    assert describe(truth, predictions, **sizes) == COCO_AS_PUBLISHED
    assert describe(truth, predictions, sigmas=COCO17.sigmas) == COCO_AS_PUBLISHED
    some = predictions.take(predictions.scores > 0.15)  # a threshold loses a few images
    assert describe(truth, some) == COCO_AS_PUBLISHED
    other_order = COCO17.take(range(16, -1, -1))
    assert describe(with_joints(truth, other_order), predictions) == COCO_AS_PUBLISHED


OPTIONS = {
    "area: OKS is scaled by width": {"oks_area": "box"},
    "area: OKS is scaled by 0.53": {"oks_area": "0.53box"},
    "sigmas": {"sigmas": [0.05] * 17},
    "cap: 100": {"max_detections": 100},
    "cap: all": {"max_detections": None},
    "size classes: by --size-area file": {"size_area": "file"},
    "size classes: by --size-area box": {"size_limits": (1024.0, 9216.0)},
    "protocol": {"protocols": ("owned",)},
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_each_option_is_the_one_difference(kind, truth, predictions):
    (difference,) = describe(truth, predictions, **OPTIONS[kind])
    assert difference.startswith(kind)


CHANGES = {
    "area: 2 of 6,352": lambda t, p: (
        replace(t, file_area=np.where(np.arange(len(t)) < 2, np.nan, t.file_area)),
        p,
    ),
    "area: the file has": lambda t, p: (replace(t, file_area=t.area), p),
    "joints: 16 joints": lambda t, p: (t, with_joints(p, COCO17.take(range(16)))),
    "joints: smallpose21": lambda t, p: (with_joints(t, SMALLPOSE), with_joints(p, SMALLPOSE)),
    "ignored people: none": lambda t, p: (take(t, t.is_counted), p),
    "people: 6,351": lambda t, p: (take(t, np.arange(len(t)) > 0), p),
    "categories: 2": lambda t, p: (replace(t, more_category_ids=(2,)), p),
    "images: not those": lambda t, p: (
        replace(t, images=replace(t.images, ids=t.images.ids + 1)),
        replace(p, image_ids=p.image_ids + 1),
    ),
    "images: 4,999": lambda t, p: (t.take_images(np.arange(4999)), p),
    "images missing: 1,346 of 2,346": lambda t, p: (
        t,
        p.take(p.image_ids < t.images.ids[1000]),
    ),
    "boxes: in 2,": lambda t, p: (
        t,
        replace(p, boxes_xywh=np.concatenate([t.boxes_xywh, p.boxes_xywh[len(t) :]]).round(2)),
    ),
    "boxes: one detection": lambda t, p: (t, p.take(np.arange(NUM_PEOPLE))),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_each_change_of_the_files_is_the_one_difference(kind, truth, predictions):
    (difference,) = describe(*CHANGES[kind](truth, predictions))
    assert difference.startswith(kind)


@pytest.mark.parametrize(("num_images", "has_boxes"), [(50, True), (50, False), (2346, True)])
def test_a_detector_that_finds_everyone_in_a_few_images_has_its_own_boxes(
    truth, predictions, num_images, has_boxes
):
    """MoveNet's results on a few images were called one detection for each person, from labels."""
    everyone = predictions.take(np.arange(NUM_PEOPLE))
    some = truth.take_images(np.unique(truth.image_rows)[:num_images])
    results = everyone.take(np.isin(everyone.image_ids, some.images.ids))
    if not has_boxes:
        results = replace(results, boxes_xywh=np.full((len(results), 4), np.nan))
    says_so = any(one.startswith("boxes: one detection") for one in describe(some, results))
    assert says_so == (num_images > 50 or not has_boxes)
    # Images that were not predicted do not make them a detector's.
    part = results.take(results.image_ids != results.image_ids[0])
    also = any(one.startswith("boxes: one detection") for one in describe(some, part))
    assert also == says_so


def test_images_missing_are_those_with_people_who_are_scored(truth, predictions):
    """Fewer images than are labelled have them, where the results lack some joints."""
    few = predictions.take(predictions.image_ids < truth.images.ids[1000])
    visibility = truth.keypoints[:, :, 2].copy()
    in_last = truth.image_rows == truth.image_rows.max()
    visibility[in_last, 1:] = 0
    visibility[in_last, 0] = 2
    keypoints = np.concatenate([truth.keypoints[:, :, :2], visibility[:, :, None]], axis=2)
    differences = describe(
        replace(truth, keypoints=keypoints), with_joints(few, COCO17.take(range(1, 17)))
    )
    assert (
        "images missing: 1,345 of 2,345 with people who are scored have no detection" in differences
    )


def test_people_with_labels_at_other_joints_only_are_named(truth, predictions):
    wide = with_joints(truth, SMALLPOSE)
    visibility = wide.keypoints[:, :, 2].copy()
    visibility[:5] = np.array(SMALLPOSE.joints) == "head_top"
    keypoints = np.concatenate([wide.keypoints[:, :, :2], visibility[:, :, None]], axis=2)
    differences = describe(replace(wide, keypoints=keypoints), predictions)
    assert differences == [
        "ignored people: 5 whose labels are other joints",
        "people: 6,347 (val2017 has 6,352)",
    ]


def test_pieces_and_merged_parts_say_what_the_whole_says(truth, predictions):
    labels = CHANGES["boxes: in 2,"](truth, predictions)[1]
    for results in (predictions, labels):
        evaluator = Evaluator(truth)
        for part in np.array_split(np.arange(len(results)), 3):
            evaluator.add(results.take(part))
        expected = describe(truth, results)
        assert evaluator.result().settings["comparable_to"] == expected
        parts = []
        for rows in np.array_split(np.arange(5000), 3):
            some = truth.take_images(rows)
            is_there = np.isin(results.image_ids, some.images.ids)
            parts.append(evaluate(some, results.take(is_there)))
            assert parts[-1].settings["comparable_to"] != expected
        assert merge_evaluations(parts).settings["comparable_to"] == expected


def test_compare_names_it_for_each_file(truth, predictions):
    labels = CHANGES["boxes: in 2,"](truth, predictions)[1]
    results = {"a": predictions, "b": labels}
    comparison = compare(truth, results, num_resamples=100)
    mixed = "b has the boxes of the labels, and a not: a part of the difference is the boxes"
    assert any(note.startswith(mixed) for note in comparison.notes)
    same = compare(truth, {"a": labels, "b": labels}, num_resamples=100)
    assert not any("the boxes of the labels" in note for note in same.notes)
    content = json.loads(comparison.to_json())
    comparable = content["settings"]["comparable_to"]
    assert comparable["a"] == COCO_AS_PUBLISHED
    (difference,) = comparable["b"]
    assert difference.endswith("of 2,346 images the best detection has the box of a label")


def test_the_table_has_one_sentence(truth, predictions):
    text = " ".join(str(evaluate(truth, predictions)).split())
    assert f"Comparable to {COCO_AS_PUBLISHED}: AP, AP50, AP75 and AR" in text
    text = " ".join(str(evaluate(truth, predictions, oks_area="box")).split())
    expected = "in area: OKS is scaled by width × height of the box."
    assert f"Differs from {COCO_AS_PUBLISHED} {expected}" in text


def test_part_of_val2017_is_named_by_the_command(real, tmp_path, capsys):
    folder = real / "coco" / "val_subset250"
    files = [str(folder / "val_subset.json.gz"), str(folder / "detections_C.json.gz")]
    assert main(["evaluate", *files, "--json", str(tmp_path / "a.json")]) == 0
    settings = json.loads((tmp_path / "a.json").read_text())["settings"]
    assert settings["comparable_to"] == [
        "people: 329 (val2017 has 6,352)",
        "images: 250 (val2017 has 5,000)",
    ]
    assert "Differs from COCO keypoints 2017" in capsys.readouterr().out
