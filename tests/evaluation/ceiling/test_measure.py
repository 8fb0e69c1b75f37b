"""The best possible AP: known answers, invariants, and COCO's published ones."""

import json
from dataclasses import replace

import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.ceiling.measure import measure_ceiling
from smallpose.evaluation.ceiling.method_codecs import METHOD_CODECS
from smallpose.evaluation.ceiling.people import round_joints, scale_people


@pytest.fixture(scope="module")
def people():
    """60 people of 100 px whose joints lie in their box, labelled in tenths of a pixel."""
    rng = np.random.default_rng(0)
    images = smallpose.make_images(
        range(1, 61), [f"{i}.jpg" for i in range(60)], [640] * 60, [480] * 60
    )
    boxes = np.tile([100.0, 100.0, 50.0, 100.0], (60, 1))
    xy = boxes[:, None, :2] + rng.random((60, 17, 2)) * boxes[:, None, 2:]
    keypoints = np.concatenate([xy.round(1), np.full((60, 17, 1), 2.0)], axis=2)
    return smallpose.make_instances(
        COCO17, images, range(60), boxes, keypoints, file_area=np.full(60, 3000.0)
    )


@pytest.fixture(scope="module")
def report(people):
    return measure_ceiling(people, heights=(8, 16, 32, 64))


def get_curve(report, name, key="ap"):
    (curve,) = (curve for curve in report.curves if curve.name == name)
    return [getattr(point, key) for point in curve.points]


def test_rounding_costs_small_people_more(report):
    values = get_curve(report, "whole_pixels")
    assert values == sorted(values)
    assert values[0] < 0.5 < 0.99 < values[-1]


def test_rounding_equals_the_evaluation_of_rounded_joints(people):
    """Written out: scale, round, evaluate, and the mean OKS by its formula."""
    (point,) = measure_ceiling(people, heights=(16,), seed=3).curves[0].points
    rng = np.random.default_rng(3)
    scaled = scale_people(people, 16, 34, rng)
    keypoints = scaled.keypoints.copy()
    keypoints[:, :, :2] = np.round(keypoints[:, :, :2])
    predictions = smallpose.make_predictions(
        COCO17, scaled.images.ids, keypoints, np.ones(len(scaled))
    )
    assert point.ap == smallpose.evaluate(scaled, predictions)["coco"]["AP"]
    squared = ((keypoints - scaled.keypoints)[:, :, :2] ** 2).sum(axis=2)
    variance = (2 * COCO17.sigmas) ** 2
    oks = np.exp(-squared / variance / scaled.file_area[:, None] / 2).mean()
    assert point.oks == pytest.approx(oks)


def test_the_mean_oks_of_rounding_follows_from_uniform_errors(report, people):
    """Each axis is off by up to half a pixel, uniformly, whatever the pose."""
    error = (np.arange(2000) + 0.5) / 2000 - 0.5
    for height, oks in zip((8, 16, 32, 64), get_curve(report, "whole_pixels", "oks"), strict=True):
        area = 3000 * (height / 100) ** 2
        per_axis = np.exp(-(error**2) / (2 * (2 * COCO17.sigmas[:, None]) ** 2 * area)).mean(axis=1)
        assert oks == pytest.approx((per_axis**2).mean(), abs=0.005)


def test_the_oks_of_annotators_is_known_at_any_height(report):
    """d² is exponential with mean sigma² area, so that OKS is 1 / (1 + 1/8) and 1 / (1 + 2/8)."""
    assert np.allclose(get_curve(report, "second_annotator", "oks"), 8 / 9, atol=0.003)
    assert np.allclose(get_curve(report, "two_annotators", "oks"), 8 / 10, atol=0.004)


def test_the_best_order_is_never_worse_than_equal_scores(report):
    for curve in report.curves:
        for point in curve.points:
            assert point.ap_best_order >= point.ap


def test_crops_make_every_height_alike_and_full_images_do_not(report):
    for name in ("hrnet_w32", "simcc_r50", "vitpose_s"):
        assert np.ptp(get_curve(report, name)) < 0.01
    assert get_curve(report, "rle_r50") == [1, 1, 1, 1]
    for name in ("cid_hrnet_w32", "dekr_hrnet_w32"):
        values = get_curve(report, name)
        assert values[0] < 0.3 < values[-1]
    assert get_curve(report, "dekr_hrnet_w32", "detected")[0] == 0
    assert {c.name for c in report.curves} == METHOD_CODECS.keys() | {
        "whole_pixels",
        "second_annotator",
        "two_annotators",
    }


def test_the_same_seed_gives_the_same_bytes(people):
    first, second = (measure_ceiling(people, heights=(12, 24)).to_json() for _ in range(2))
    assert first == second


def test_whole_labels_are_taken_to_be_rounded_themselves(people):
    whole = people.keypoints.copy()
    whole[:, :, :2] = np.round(whole[:, :, :2])
    table = replace(people, keypoints=whole)
    moved = round_joints(table, np.random.default_rng(0)) - whole[:, :, :2]
    assert 0.4 < np.abs(moved).max() <= 0.5
    assert "whole numbers" in " ".join(measure_ceiling(table, heights=(12,)).notes)
    assert np.array_equal(round_joints(people, np.random.default_rng(0)), whole[:, :, :2])


def test_boxes_in_another_form_put_the_heights_in_doubt(people):
    table = people.take(np.arange(50))
    table.boxes_xywh[:, 2:] += table.boxes_xywh[:, :2]
    notes = measure_ceiling(table, heights=(12,), methods=("simcc_r50",)).notes
    assert notes[0].startswith("bbox seems to be x1, y1, x2, y2: 50 of 50 boxes fit")
    assert notes[0].endswith("until that is settled, sizes and heights are wrong")


def test_people_who_cannot_be_scored_are_left_out_and_counted(people):
    table = people.take(np.arange(50))
    table.keypoints[:5, :, 2] = 0
    table.boxes_xywh[5:7, 3] = 0
    report = measure_ceiling(table, heights=(12,))
    assert report.people == 43
    assert any(note.startswith("7 of 50 people") for note in report.notes)


def test_measured_by_hand_on_coco_s_people(real):
    """Perfect joints of COCO val people, rounded at 12, 16, 24 and 32 px: .61, .76, .90, .97."""
    truth = smallpose.read_coco(real / "coco/val_subset250/val_subset.json.gz")
    report = measure_ceiling(truth, heights=(12, 16, 24, 32), methods=("rle_r50",))
    assert np.allclose(get_curve(report, "whole_pixels"), [0.61, 0.76, 0.90, 0.97], atol=0.03)


def test_perfect_heatmaps_of_coco_s_people_score_as_published(real):
    """On COCO val2017 at 256 × 192, the target itself scored AP .975, AP50 .990 and AP75 .988."""
    truth = smallpose.read_coco(
        real / "coco/annotations/person_keypoints_val2017.subset538.json.gz"
    )
    report = measure_ceiling(truth, heights=(), methods=("simple_baseline_r50",))
    on_file = report.curves[-1].on_file
    assert on_file["AP"] == pytest.approx(0.975, abs=0.005)
    assert on_file["AP50"] == pytest.approx(0.990, abs=0.005)
    assert on_file["AP75"] == pytest.approx(0.988, abs=0.005)


def test_the_command_prints_tables_and_json(people, tmp_path, capsys):
    smallpose.write_coco(people, tmp_path / "truth.json")
    words = [
        "ceiling",
        str(tmp_path / "truth.json"),
        "--heights",
        "12,24",
        "--method",
        "cid_hrnet_w32",
    ]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "whole pixels: joints in whole pixels" in text
    assert "RTMO" not in text
    assert main([*words, "--json", "-"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["curves"].keys() == {
        "whole_pixels",
        "second_annotator",
        "two_annotators",
        "cid_hrnet_w32",
    }
    first = content["curves"]["whole_pixels"]["heights"][0]
    assert first.keys() == {"px", "people", "AP", "AP_best_order", "OKS", "found"}
    assert (first["px"], first["people"]) == (12, 2040)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "resnet"], "--method resnet: no such method; choose from simple_baseline"),
        (["--heights", "12,many"], "--heights 12,many: is not a list of numbers; write them as"),
        (["--heights", "0"], "--heights 0: a person has less than 2 px; use heights of 2"),
        (["--heights", "nan"], "--heights nan"),
    ],
)
def test_wrong_calls_are_one_line(people, tmp_path, capsys, words, message):
    smallpose.write_coco(people, tmp_path / "truth.json")
    assert main(["ceiling", str(tmp_path / "truth.json"), *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1


def test_too_few_people_are_refused(people, tmp_path, capsys):
    smallpose.write_coco(people.take(np.arange(19)), tmp_path / "truth.json")
    assert main(["ceiling", str(tmp_path / "truth.json")]) == 2
    assert "only 19 people have a box, an area and labelled joints" in capsys.readouterr().err
