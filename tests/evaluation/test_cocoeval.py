"""`COCOeval` replaces pycocotools' class in scripts that were written for it."""

import contextlib
import copy
import io
import re

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval as Original

from smallpose.core.errors import InputError
from smallpose.evaluation.cocoeval import COCOeval


def both(coco, results, change=lambda params: None, kinds=(Original, COCOeval)):
    """The same script with either class: (scorer, what it printed)."""
    out = []
    for kind in kinds:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            truth = COCO()
            truth.dataset = copy.deepcopy(coco)
            truth.createIndex()
            detections = truth.loadRes(copy.deepcopy(results))
            scorer = kind(truth, detections, "keypoints")
            change(scorer.params)
            scorer.evaluate()
            scorer.accumulate()
            scorer.summarize()
        text = re.sub(r"t=\s*[\d.]+s", "t=", printed.getvalue())
        out.append((scorer, text))
    return out


def assert_same(pair):
    (theirs, their_text), (ours, our_text) = pair
    for array in ("precision", "recall", "scores"):
        assert ours.eval[array].shape == theirs.eval[array].shape
        assert np.array_equal(ours.eval[array], theirs.eval[array]), array
    assert np.array_equal(ours.stats, theirs.stats)
    assert ours.eval["counts"] == theirs.eval["counts"]
    assert our_text == their_text


def test_crowded_datasets_give_the_same_arrays_stats_and_printed_summary(crowded_dataset):
    for seed in range(40):
        dataset = crowded_dataset(seed, images=5, people=6)
        if dataset.results:
            assert_same(both(dataset.coco, dataset.results))


def test_changed_parameters_give_the_same_arrays(crowded_dataset):
    def change(p):
        p.maxDets = [1, 20, 5]
        p.iouThrs = np.linspace(0.3, 0.95, 23)
        p.recThrs = np.linspace(0, 1, 11)
        p.areaRng = [[0, 1e10], [0, 12288], [12288, 49152], [49152, 1e10]]
        p.areaRngLbl = ["all", "small", "medium", "large"]
        p.imgIds = p.imgIds[1:]

    for seed in range(10):
        dataset = crowded_dataset(seed, images=5, people=6)
        assert_same(both(dataset.coco, dataset.results, change))


def test_21_keypoints_with_custom_sigmas_give_the_same_arrays(crowded_dataset):
    def change(p):
        p.kpt_oks_sigmas = np.linspace(0.03, 0.1, 21)

    for seed in range(10):
        dataset = crowded_dataset(seed, 21)
        assert_same(both(dataset.coco, dataset.results, change))


def test_several_categories_are_scored_apart(crowded_dataset):
    dataset = crowded_dataset(2, images=6, people=8)
    dataset.coco["categories"].append({**dataset.coco["categories"][0], "id": 7, "name": "climber"})
    rng = np.random.default_rng(0)
    for record in (*dataset.coco["annotations"], *dataset.results):
        record["category_id"] = int(rng.choice([1, 7]))
    pair = both(dataset.coco, dataset.results)
    assert pair[0][0].eval["precision"].shape[2] == 2
    assert_same(pair)


def test_per_image_records_are_the_same(crowded_dataset):
    for seed in range(15):
        dataset = crowded_dataset(seed)
        if not dataset.results:
            continue
        (theirs, _), (ours, _) = both(dataset.coco, dataset.results)
        assert len(ours.evalImgs) == len(theirs.evalImgs)
        for a, b in zip(ours.evalImgs, theirs.evalImgs, strict=True):
            assert (a is None) == (b is None)
            if b is None:
                continue
            assert list(a) == list(b)
            for name, value in b.items():
                assert np.array_equal(np.asarray(a[name]), np.asarray(value)), name


def test_the_oks_matrices_are_the_same(crowded_dataset):
    dataset = crowded_dataset(4)
    (theirs, _), (ours, _) = both(dataset.coco, dataset.results)
    assert set(ours.ious) == set(theirs.ious)
    for key, matrix in theirs.ious.items():
        assert np.array_equal(np.asarray(ours.ious[key]), np.asarray(matrix))


def test_id_0_is_matched_where_pycocotools_has_no_match(crowded_dataset):
    dataset = crowded_dataset(11)
    shifted = copy.deepcopy(dataset.coco)
    for annotation in shifted["annotations"]:
        annotation["id"] -= min(a["id"] for a in dataset.coco["annotations"])
    (right, _), _ = both(dataset.coco, dataset.results)
    _, (ours, _) = both(shifted, dataset.results)
    assert np.array_equal(ours.stats, right.stats)


def test_real_files_give_the_same_printed_summary(real):
    import json

    folder = real / "coco" / "example4"
    coco = json.loads((folder / "example_coco_val.json").read_text())
    results = json.loads((folder / "example_coco_preds.json").read_text())
    assert_same(both(coco, results))


def test_boxes_and_masks_are_refused():
    with pytest.raises(InputError, match="only keypoints are scored"):
        COCOeval(iouType="bbox")


def test_a_wrong_number_of_sigmas_is_refused_in_one_line(crowded_dataset):
    dataset = crowded_dataset(1, 21)
    with pytest.raises(InputError, match="63 values in a record instead of 51"):
        both(dataset.coco, dataset.results, lambda p: None, [COCOeval])


def test_default_sigmas_are_pycocotools_doubles():
    assert (
        COCOeval().params.kpt_oks_sigmas.tolist()
        == Original(iouType="keypoints").params.kpt_oks_sigmas.tolist()
    )


def test_a_dataset_without_people_or_with_an_empty_category_gives_the_same_arrays(crowded_dataset):
    dataset = crowded_dataset(4)
    assert_same(both({**dataset.coco, "annotations": []}, dataset.results))
    dataset.coco["categories"].append({**dataset.coco["categories"][0], "id": 7, "name": "no one"})
    assert_same(both(dataset.coco, dataset.results))


def test_image_ids_may_be_text(crowded_dataset):
    dataset = crowded_dataset(1, images=5, people=6)
    coco, results = copy.deepcopy((dataset.coco, dataset.results))
    for record in coco["images"]:
        record["id"] = f"image {record['id']}"
    for record in [*coco["annotations"], *results]:
        record["image_id"] = f"image {record['image_id']}"
    assert results
    assert_same(both(coco, results))
