"""An export that is not its original is caught, and a float32 export is equal."""

import json

import cv2
import numpy as np
import pytest

from smallpose.cli.main import main

pytest.importorskip("onnx", reason="needs the extra [onnx]")
pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")

import onnx
from onnx import numpy_helper
from tests.inference.onnx.test_export import create_with_peaks, make_image

from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.evaluation.analysis.comparison import Comparison, Difference
from smallpose.inference.onnx.check_export import ExportCheck, check_export
from smallpose.inference.onnx.check_text import format_check
from smallpose.inference.onnx.export import export_onnx
from smallpose.training.checkpoint import save_model

NUM_IMAGES = 8


@pytest.fixture(scope="module")
def built_set(tmp_path_factory):
    """Return a folder with labels and images as a built set has them."""
    folder = tmp_path_factory.mktemp("set")
    images, annotations = [], []
    for index in range(NUM_IMAGES):
        image = make_image(160, 180)[:, :: -1 if index % 2 else 1]
        (folder / "images").mkdir(exist_ok=True)
        cv2.imwrite(str(folder / "images" / f"{index}.png"), np.roll(image, 11 * index, axis=1))
        images.append({"id": index + 1, "file_name": f"{index}.png", "width": 180, "height": 160})
        for number, (x, y, w, h) in enumerate(((20, 30, 40, 90), (90, 20, 50, 110))):
            points = np.random.default_rng(index).uniform([x, y], [x + w, y + h], (17, 2))
            keypoints = np.concatenate([points, np.full((17, 1), 2)], axis=1)
            annotations.append(
                {
                    "id": 2 * index + number + 1,
                    "image_id": index + 1,
                    "category_id": 1,
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                    "keypoints": keypoints.ravel().tolist(),
                    "num_keypoints": 17,
                }
            )
    category = {"id": 1, "name": "person", "keypoints": list(COCO17.joints), "skeleton": []}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    (folder / "annotations").mkdir()
    (folder / "annotations" / "test.json").write_text(json.dumps(content))
    return folder


def check(method, folder, built_set):
    return check_export(
        method, folder, built_set / "annotations" / "test.json", built_set / "images"
    )


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("simple_baseline_r18_tiny", "own"),
        ("simcc_r18_tiny", "rtmlib"),
        ("rtmo_tiny", "rtmlib"),
        pytest.param("rtmo_tiny", "own", marks=pytest.mark.long),
        pytest.param("cid_hrnet_w8_tiny", "own", marks=pytest.mark.long),
        pytest.param("dekr_hrnet_w8_tiny", "own", marks=pytest.mark.long),
    ],
)
def test_a_float32_export_is_equal(name, layout, built_set, tmp_path):
    method = create_with_peaks(name)
    if name.startswith(("cid", "dekr")):
        method.max_people = 5
    export_onnx(method, tmp_path, layout=layout)
    result = check(method, tmp_path, built_set)
    assert result.num_people[0] == result.num_people[1] == result.num_paired >= NUM_IMAGES
    assert not result.problems
    assert result.median_px < 1e-3


def test_joints_of_ones_own_are_paired_and_scored_by_the_sigmas_of_the_method(built_set, tmp_path):
    joints = tuple("belt" if name == "nose" else name for name in COCO17.joints)
    skeleton = Skeleton("mine", joints, custom_sigmas=tuple(np.linspace(0.03, 0.1, 17).tolist()))
    content = json.loads((built_set / "annotations" / "test.json").read_text())
    content["categories"][0]["keypoints"] = list(joints)
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps(content))
    method = create_with_peaks("simple_baseline_r18_tiny", skeleton)
    export_onnx(method, tmp_path / "out")
    result = check_export(method, tmp_path / "out", labels, built_set / "images")
    assert result.num_paired == 2 * NUM_IMAGES and not result.problems


@pytest.fixture
def exported(tmp_path):
    method = create_with_peaks("simple_baseline_r18_tiny")
    export_onnx(method, tmp_path)
    return method, tmp_path, onnx.load(tmp_path / "network.onnx")


def test_a_shift_by_half_a_pixel_is_caught(exported, built_set):
    method, folder, model = exported
    model.graph.initializer.append(
        numpy_helper.from_array(np.array([0.5, 0.0], np.float32), "planted")
    )
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == "keypoints":
                node.output[index] = "unshifted"
    model.graph.node.append(onnx.helper.make_node("Add", ["unshifted", "planted"], ["keypoints"]))
    onnx.save(model, folder / "network.onnx")
    result = check(method, folder, built_set)
    assert result.shift_px == pytest.approx((0.5, 0.0), abs=1e-3)
    assert "shifted by (+0.50, +0.00) px" in result.problems[0]


def test_a_broken_normalisation_is_caught(exported, built_set):
    method, folder, model = exported
    mean = np.array([123.675, 116.28, 103.53], np.float32)
    changed = 0
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and np.array_equal(
                numpy_helper.to_array(attribute.t).ravel(), mean
            ):
                attribute.t.CopyFrom(numpy_helper.from_array(mean[::-1].copy()))
                changed += 1
    for initializer in model.graph.initializer:
        if np.array_equal(numpy_helper.to_array(initializer).ravel(), mean):
            value = numpy_helper.from_array(mean[::-1].copy(), initializer.name)
            initializer.CopyFrom(value)
            changed += 1
    assert changed == 1
    onnx.save(model, folder / "network.onnx")
    result = check(method, folder, built_set)
    assert result.problems
    assert result.worst[0].oks < 0.99 and result.worst[0].moved_px > 1


def test_the_command_checks_and_writes_what_it_measured(built_set, tmp_path, capsys):
    method = create_with_peaks("simcc_r18_tiny")
    save_model(method, tmp_path / "run", method.recipes["quick"])
    words = ["export", "simcc_r18_tiny", "--weights", str(tmp_path / "run"), "--to", "onnx"]
    out = tmp_path / "out"
    options = ["--layout", "rtmlib", "--check", str(built_set), "--out", str(out)]
    assert main([*words, *options]) == 0
    printed = capsys.readouterr().out
    assert "equal: the file gives the poses of the original" in printed
    assert "people in fewer than 10 images or videos" in printed  # there are 8
    record = json.loads((out / "check.json").read_text())
    assert record["problems"] == [] and record["num_people"] == [16, 16]
    assert len(record["worst"]) == 5
    assert main([*words, "--check", str(tmp_path), "--out", str(out)]) == 2
    assert main(["export", "simcc_r18_tiny", "--to", "onnx", "--out", str(out)]) == 2
    assert "has no weights of its own" in capsys.readouterr().err


def test_a_metric_without_an_interval_has_its_true_reason():
    """AP_S of 0 in all resamples was said to be of too few images, of which there were enough."""
    shared = {"base": "original", "other": "exported", "protocol": "coco", "difference": 0.0}
    shared |= {"base_value": 0.0, "other_value": 0.0}
    ap = Difference(**shared, name="AP", clusters=9)
    constant = Difference(**shared, name="AP_S", error=0.0, clusters=10)
    numbers = dict.fromkeys(["median_px", "p99_px", "max_px", "moved_share"], 0.0)
    made = ExportCheck(
        **numbers,
        num_people=(22, 22),
        num_paired=22,
        shift_px=(0.0, 0.0),
        worst=(),
        comparison=Comparison({}, [ap, constant], num_resamples=1000),
    )
    text = " ".join(format_check(made).split())
    assert "no interval for AP_S (coco): 0 here and in all resamples" in text
    assert "no interval for AP (9): people in fewer than 10 images or videos" in text


def test_a_set_without_the_joints_is_refused_before_files_are_written(built_set, tmp_path, capsys):
    """It advised --own-joints, which only `predict` has, and left the files of the export."""
    method = create_with_peaks("simcc_r18_tiny")
    save_model(method, tmp_path / "run", method.recipes["quick"])
    content = json.loads((built_set / "annotations" / "test.json").read_text())
    joints = ["belt" if name == "nose" else name for name in COCO17.joints]
    content["categories"][0]["keypoints"] = joints
    (tmp_path / "set" / "annotations").mkdir(parents=True)
    (tmp_path / "set" / "annotations" / "test.json").write_text(json.dumps(content))
    (tmp_path / "set" / "images").mkdir()
    words = ["export", str(tmp_path / "run"), "--to", "onnx", "--check", str(tmp_path / "set")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().err
    assert "lacks joints of the file: belt; check on a set with the method's joints" in printed
    assert "--own-joints" not in printed and not (tmp_path / "out").exists()


def test_a_failed_check_names_the_files_that_it_leaves(built_set, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("smallpose.inference.onnx.check_export._MAX_SHARE", -1.0)
    method = create_with_peaks("simcc_r18_tiny")
    save_model(method, tmp_path / "run", method.recipes["quick"])
    out = tmp_path / "out"
    words = ["export", str(tmp_path / "run"), "--to", "onnx", "--check", str(built_set)]
    assert main([*words, "--out", str(out)]) == 4
    assert "its files were written and are kept; report it" in capsys.readouterr().err
    assert (out / "network.onnx").is_file()
