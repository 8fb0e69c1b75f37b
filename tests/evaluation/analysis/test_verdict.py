"""Tests of `analysis/verdict.py`: the answer of a comparison in one sentence."""

import json
from dataclasses import replace

import numpy as np

import smallpose
from smallpose.cli.main import main
from smallpose.core.interval import Interval
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.comparison import compare
from smallpose.evaluation.analysis.verdict import describe_verdicts


def make_truth(num_images: int, side: float = 60.0) -> smallpose.Instances:
    rng = np.random.default_rng(0)
    names = [f"{index}.jpg" for index in range(num_images)]
    images = smallpose.make_images(range(1, num_images + 1), names)
    rows = np.repeat(np.arange(num_images), 3)
    boxes = np.concatenate([rng.uniform(0, 400, (len(rows), 2)), np.full((len(rows), 2), side)], 1)
    xy = boxes[:, None, :2] + side * rng.random((len(rows), 17, 2))
    keypoints = np.concatenate([xy, np.full((len(rows), 17, 1), 2.0)], axis=2)
    return smallpose.make_instances(COCO17, images, rows, boxes, keypoints)


def predict(truth: smallpose.Instances, noise_px: float, seed: int) -> smallpose.Predictions:
    rng = np.random.default_rng(seed)
    points = truth.keypoints.copy()
    points[:, :, :2] += rng.normal(0, noise_px, points[:, :, :2].shape)
    ids = truth.images.ids[truth.image_rows]
    scores = rng.random(len(truth))
    return smallpose.make_predictions(COCO17, ids, points, scores, truth.boxes_xywh)


def test_a_clear_difference_names_the_better_result_in_either_order():
    truth = make_truth(30)
    good, bad = predict(truth, 1.0, 1), predict(truth, 6.0, 2)
    for first, second in ((good, bad), (bad, good)):
        names = {"A" if one is good else "B": one for one in (first, second)}
        result = compare(truth, names, num_resamples=200)
        (sentence,) = describe_verdicts(result).values()
        assert sentence.startswith("A is better than B by .")
        assert "AP_S (coco) on these 30 images (95 %: +." in sentence


def test_equal_models_cannot_be_told_apart_and_the_detectable_difference_is_named():
    truth = make_truth(30)
    pair = {"A": predict(truth, 4.0, 1), "B": predict(truth, 4.0, 2)}
    result = compare(truth, pair, num_resamples=200)
    (one,) = (d for d in result.differences if (d.protocol, d.name) == ("coco", "AP_S"))
    (sentence,) = describe_verdicts(result).values()
    assert sentence.startswith(
        "A and B cannot be told apart on these 30 images (difference in AP_S"
    )
    detectable = f"{one.detectable:.3f}".lstrip("0")
    assert f"a difference below {detectable} AP_S would not reliably have shown" in sentence


def test_without_small_people_the_answer_is_about_all_and_few_images_give_none():
    truth = make_truth(30, side=300.0)
    pair = {"A": predict(truth, 2.0, 1), "B": predict(truth, 40.0, 2)}
    (sentence,) = describe_verdicts(compare(truth, pair, num_resamples=200)).values()
    assert sentence.startswith("A is better than B by ")
    assert " AP (coco) on" in sentence
    few = make_truth(8)
    pair = {"A": predict(few, 2.0, 1), "B": predict(few, 2.0, 2)}
    (sentence,) = describe_verdicts(compare(few, pair, num_resamples=200)).values()
    assert sentence == (
        "A and B cannot be compared: only 8 images have people who count, and 15 are needed"
    )


def test_the_same_poses_twice_are_the_same():
    truth = make_truth(30)
    one = predict(truth, 2.0, 1)
    result = compare(truth, {"A": one, "B": replace(one)}, num_resamples=50)
    value = f"{result.evaluations['A']['coco']['AP_S']:.4f}".lstrip("0")
    assert describe_verdicts(result) == {
        "B": f"A and B have the same AP_S (coco), {value}, on these 30 images"
    }
    assert result.to_dict()["verdicts"] == describe_verdicts(result)
    assert str(result).endswith(f"{result.verdicts['B']}.")


def test_models_that_find_nobody_are_the_same_at_zero():
    truth = make_truth(30)
    pair = {"A": predict(truth, 300.0, 1), "B": predict(truth, 300.0, 2)}
    (sentence,) = describe_verdicts(compare(truth, pair, num_resamples=50)).values()
    assert sentence.startswith("A and B have the same AP_S (coco), .0000, on these 30 images; ")
    assert sentence.endswith("so this says nothing about the models")


def test_a_single_image_is_spelled_as_one():
    truth = make_truth(1)
    pair = {"A": predict(truth, 1.0, 1), "B": predict(truth, 6.0, 2)}
    (sentence,) = describe_verdicts(compare(truth, pair, num_resamples=50)).values()
    assert "only 1 image has people who count, and 15 are needed" in sentence


def test_the_command_ends_with_the_verdict_and_draws_figures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    truth = make_truth(20)
    smallpose.write_coco(truth, "truth.json")
    for name, noise in (("a", 1.0), ("b", 6.0)):
        smallpose.write_results(predict(truth, noise, 1), f"{name}.json")
    words = ["compare", "truth.json", "a.json", "b.json", "--intervals", "100"]
    assert main([*words, "--figures", "figures", "--json", "out.json"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    verdict = json.loads((tmp_path / "out.json").read_text())["verdicts"]["b"]
    assert printed.endswith(f"{verdict}.")
    assert verdict.startswith("a is better than b by ")
    for name in ("ap_by_class", "detected_by_height"):
        assert (tmp_path / "figures" / f"{name}.png").is_file()


def make_comparison(p_holm, differences):
    """A comparison of 30 images in which the AP classes differ as given."""
    truth = make_truth(30)
    pair = {"A": predict(truth, 3.0, 1), "B": predict(truth, 3.0, 2)}
    result = compare(truth, pair, num_resamples=50)
    changed = []
    for one in result.differences:
        if one.protocol == "coco" and one.name in differences:
            d = differences[one.name]
            interval = Interval(d, d - 0.08, d + 0.08)
            p = p_holm[one.name]
            one = replace(one, difference=d, interval=interval, p=p, p_holm=p, error=0.04)
        changed.append(one)
    return replace(result, differences=changed)


def describe(p_holm, differences):
    (sentence,) = describe_verdicts(make_comparison(p_holm, differences)).values()
    return sentence


def test_a_difference_of_all_people_is_not_hidden_by_small_people_who_show_none():
    sentence = describe({"AP": 0.0004, "AP_S": 0.09}, {"AP": -0.151, "AP_S": -0.098})
    assert sentence.startswith(
        "A is better than B by .151 AP (coco) on these 30 images (95 %: +.071 to +.231, p < .001); "
        "by small people alone they cannot be told apart (AP_S +.098, 95 %: +.018 to +.178 by "
        "itself, p = .090 corrected for "
    )
    assert sentence.endswith("AP_S would not reliably have shown")


def test_an_interval_without_zero_is_explained_where_nothing_is_significant():
    sentence = describe({"AP": 0.4, "AP_S": 0.09}, {"AP": -0.02, "AP_S": -0.098})
    assert sentence.startswith("A and B cannot be told apart on these 30 images")
    assert "95 %: -.178 to -.018 by itself, p = .090 corrected for " in sentence
    sentence = describe({"AP": 0.4, "AP_S": 0.9}, {"AP": -0.02, "AP_S": -0.01})
    assert "corrected" not in sentence


def test_opposite_differences_and_those_of_other_classes_are_named():
    sentence = describe({"AP": 0.01, "AP_S": 0.02}, {"AP": -0.1, "AP_S": 0.09})
    assert sentence.startswith("B is better than A by .090 AP_S (coco)")
    assert ", but of all people A is better than B by .100 AP (coco) on" in sentence
    p = {"AP": 0.4, "AP_S": 0.9, "AP_M": 0.001}
    sentence = describe(p, {"AP": -0.02, "AP_S": -0.01, "AP_M": 0.3})
    assert sentence.startswith("A and B cannot be told apart")
    assert sentence.endswith("; they differ in AP_M, as the table shows")
