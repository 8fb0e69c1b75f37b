"""What a limit on scores leaves out is counted where it is applied, and printed."""

import json
import re
from importlib import import_module

import cv2
import numpy as np
import pytest
import torch

from smallpose import create_method
from smallpose.cli.main import main
from smallpose.core.instances import make_images, make_instances
from smallpose.core.score_limits import (
    ScoreLimit,
    add_score_limits,
    describe_score_limits,
    list_many_left_out,
)
from smallpose.core.skeleton import COCO17
from smallpose.inference.options import InferenceOptions
from smallpose.inference.predict import predict_people
from smallpose.io.coco_annotations import write_coco
from smallpose.io.result_environment import read_environment
from smallpose.training.checkpoint import save_model

TOP_DOWN = "simple_baseline_r18_tiny"
FULL_IMAGE = "cid_hrnet_w8_tiny"
LEFT_OUT = re.compile(r"; --score-above (\S+) left out ([\d,]+) of ([\d,]+) (.+?): ")


def test_counts_of_parts_are_added_by_limit_and_only_a_limit_that_leaves_out_is_named():
    parts = [
        ScoreLimit("--score-above", 0.3, 20, 80),
        ScoreLimit("--min-score", 0.1, 0, 60, "person", "people"),
        ScoreLimit("--score-above", 0.3, 5, 25),
    ]
    limits = add_score_limits(parts)
    assert [limit.num_left_out for limit in limits] == [25, 0]
    assert describe_score_limits(limits) == "; --score-above 0.3 left out 25 of 105 detections"
    assert list_many_left_out(limits) == []
    (remark,) = list_many_left_out([ScoreLimit("--min-score", 0.5, 2, 3, "person", "people")])
    assert remark.startswith("--min-score 0.5 left out 2 of 3 people, more than half: small people")
    assert list_many_left_out([ScoreLimit("--min-score", 0.5, 1, 2)]) == []
    # The limit that a line about low scores advises is no fault.
    assert list_many_left_out([ScoreLimit("--min-score", 0.12, 9, 10)], low_score=0.11) == []
    assert list_many_left_out([ScoreLimit("--min-score", 0.3, 9, 10)], low_score=0.11)


def make_method(name):
    torch.manual_seed(0)
    method = create_method(name)
    method.max_people = method.max_merged_people = None
    method.score_threshold = 0.0
    return method


def predict(method, **options):
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (160, 120))
    images = make_images([1], ["a"], [160], [120])
    people = make_instances(COCO17, images, [], np.zeros((0, 4)), [])
    inference = InferenceOptions(oks_threshold=1.0, **options)
    return predict_people(method, people, None, lambda name: image, inference)


def test_a_limit_leaves_out_whom_the_method_returns_without_it():
    method = make_method("rtmo_tiny")
    everyone = predict(method)
    assert everyone.score_limits == ()
    assert predict(method, score_threshold=0.0).score_limits == ()
    for threshold in np.quantile(everyone.scores, [0.3, 0.9]).tolist():
        predictions = predict(method, score_threshold=threshold)
        (limit,) = predictions.score_limits
        assert limit.num_detections == len(everyone)
        assert limit.num_left_out == len(everyone) - len(predictions) > 0
        is_above = everyone.scores > threshold
        np.testing.assert_array_equal(predictions.keypoints, everyone.keypoints[is_above])
    assert (method.score_threshold, method.counted_from) == (0.0, None)
    least = float(np.median(everyone.scores))
    (limit,) = predict(method, min_score=least).score_limits
    assert (limit.name, limit.num_left_out) == ("--min-score", (everyone.scores < least).sum())


@pytest.mark.parametrize("name", [FULL_IMAGE, "dekr_hrnet_w8_tiny"])
def test_methods_with_a_map_of_roots_count_the_roots_below_a_limit(name, monkeypatch):
    method = make_method(name)
    module = import_module(type(method).__module__)
    values = []
    find_peaks = module.find_peaks

    def record(*args):
        peaks = find_peaks(*args)
        values.extend(peaks.values.tolist())
        return peaks

    with monkeypatch.context() as patch:
        patch.setattr(module, "find_peaks", record)
        predict(method, max_people=40)
    method.score_threshold = values[30]
    everyone = predict(method)
    predictions = predict(method, score_threshold=values[10])
    (limit,) = predictions.score_limits
    num_roots, num_kept = (sum(v > values[index] for v in values) for index in (30, 10))
    assert num_roots > num_kept > 0
    assert (limit.num_detections, limit.num_left_out) == (num_roots, num_roots - num_kept)
    if name == FULL_IMAGE:  # in DEKR several roots may be of one person
        assert (len(everyone), len(predictions)) == (num_roots, num_kept)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weights of both kinds, three images and a COCO file of them."""
    folder = tmp_path_factory.mktemp("limits")
    torch.manual_seed(0)
    for name in (TOP_DOWN, FULL_IMAGE):
        method = create_method(name)
        if name == FULL_IMAGE:  # else its random scores may all be below the threshold
            torch.nn.init.normal_(method.head.iia_module.keypoint_root_conv.weight, std=0.1)
            torch.nn.init.normal_(method.head.gfd_module.heatmap_conv.weight)
        save_model(method, folder / name, method.recipes["quick"])
    (folder / "p").mkdir()
    rng = np.random.default_rng(0)
    names = ["a.png", "b.png", "c.png"]
    for name in names:
        cv2.imwrite(str(folder / "p" / name), rng.integers(0, 255, (60, 80, 3), np.uint8))
    images = make_images([7, 8, 9], names, [80] * 3, [60] * 3)
    boxes = np.array([[5.0, 5, 30, 50]])
    write_coco(
        make_instances(COCO17, images, [0], boxes, np.full((1, 17, 3), 2.0)), folder / "truth.json"
    )
    words = (FULL_IMAGE, "--weights", folder / FULL_IMAGE, folder / "p", "--out", folder / "a.json")
    assert run_predict(*words, "--max-people", "all", "--nms", 1) == 0
    return folder


def run_predict(*words) -> int:
    return main(["predict", *map(str, words)])


def read_left_out(capsys) -> tuple[int, int, str]:
    """Return how many of how many of what the last line says are left out."""
    match = LEFT_OUT.search(capsys.readouterr().out.replace("\n", " "))
    assert match is not None
    left_out, num_detections = (int(match[group].replace(",", "")) for group in (2, 3))
    return left_out, num_detections, match[4]


def test_images_labels_shards_and_boxes_of_a_detector_count_the_same(files, tmp_path, capsys):
    num_all = len(json.loads((files / "a.json").read_text()))
    model = (FULL_IMAGE, "--weights", files / FULL_IMAGE)
    limit = ("--max-people", "all", "--nms", 1, "--score-above", 0.5)
    photos = (files / "p", "--out", tmp_path / "o.json", *limit)
    labels = ("--data", files / "truth.json", "--images", *photos)
    capsys.readouterr()
    assert run_predict(*model, *photos) == 0
    left_out, num_detections, unit = read_left_out(capsys)
    num_kept = len(json.loads((tmp_path / "o.json").read_text()))
    assert (num_detections, left_out, unit) == (num_all, num_all - num_kept, "detections")
    recorded = read_environment(tmp_path / "o.json")["score_limits"]
    assert recorded == {
        "--score-above": {"score": 0.5, "left_out": left_out, "detections": num_all}
    }
    shards = ("--shards", tmp_path / "s", "--shard-images", 2)
    for words in ((*model, *labels), (*model, *photos, *shards), (*model, *photos, *shards)):
        assert run_predict(*words) == 0
        assert read_left_out(capsys) == (left_out, num_all, "detections")
    detector = ("--boxes-from", FULL_IMAGE, "--box-weights", files / FULL_IMAGE)
    assert run_predict(TOP_DOWN, "--weights", files / TOP_DOWN, *photos, *detector) == 0
    assert read_left_out(capsys) == (left_out, num_all, "boxes")
    assert run_predict(*model, *photos, "--tile", 40) == 0
    *_, unit = read_left_out(capsys)
    assert unit == "detections in images and their parts"


def test_a_limit_that_leaves_out_most_is_named_before_the_size_of_images(files, tmp_path, capsys):
    model = (FULL_IMAGE, "--weights", files / FULL_IMAGE)
    large = np.random.default_rng(0).integers(0, 255, (600, 800, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "large.png"), large)
    words = (*model, tmp_path / "large.png", "--out", tmp_path / "o.json", "--min-score", 0.9)
    assert run_predict(*words) == 0
    printed = " ".join(capsys.readouterr().err.split())
    assert printed.index("more than half: small people have low") < printed.index("is reduced for")
