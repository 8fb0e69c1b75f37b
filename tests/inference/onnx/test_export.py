"""Exported methods give the keypoints of PyTorch, run by onnxruntime alone."""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from smallpose.cli.main import main
from smallpose.core.skeleton import Skeleton
from smallpose.methods import create_method
from smallpose.methods.dekr import DEKR
from smallpose.methods.full_image import FullImageMethod

pytest.importorskip("onnx", reason="needs the extra [onnx]")
pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")

from smallpose.inference.onnx.export import export_onnx

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "onnx_predict.py"
TOP_DOWN = [
    "simple_baseline_r18_tiny",
    "simcc_r18_tiny",
    "rle_r18_tiny",
    "vitpose_tiny",
    "vitpose_rle_tiny",
    "cal_hrnet_w16_tiny",
]
SLOW = [pytest.param(n, marks=pytest.mark.slow) for n in ("hrnet_w16_tiny", "hrformer_tiny")]
FULL_IMAGE = ["rtmo_tiny", "dekr_hrnet_w8_tiny", "cid_hrnet_w8_tiny"]


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("onnx_predict", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def create_with_peaks(name: str, *skeleton: Skeleton) -> Any:
    """Create a method whose activations neither vanish nor explode, so that maps have peaks."""
    torch.manual_seed(3)
    method = create_method(name, *skeleton)
    with torch.no_grad():
        for weight in method.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 1.2 * weight[0].numel() ** -0.5)
        if name.startswith("rtmo"):  # its images are not normalised
            next(w for w in method.parameters() if w.ndim > 1).mul_(0.01)
        for key, values in method.named_parameters():
            for part, value in (
                ("out_cls", 0.0),
                ("keypoint_root_conv", -2.0),
                ("heatmap_conv_layers.2", 0.5),
            ):
                if part in key and values.ndim == 1:
                    values.fill_(value)
    return method


@pytest.fixture(scope="module")
def export_once(tmp_path_factory) -> Callable[[str, bool], tuple[Any, Path]]:
    """Return a function that exports a method, or finds the folder in which it did.

    The method keeps all people, as the example does, which suppresses no duplicates.
    """
    exported: dict[tuple[str, bool], tuple[Any, Path]] = {}

    def export(name: str, flip_test: bool) -> tuple[Any, Path]:
        if (name, flip_test) not in exported:
            method = create_with_peaks(name)
            if isinstance(method, DEKR):
                method.nms_distance = 1e-3  # random weights give similar poses
            if isinstance(method, FullImageMethod):
                method.oks_threshold = 1.0
            folder = tmp_path_factory.mktemp(name)
            export_onnx(method, folder, flip_test)
            exported[name, flip_test] = method, folder
        return exported[name, flip_test]

    return export


def make_image(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return np.ascontiguousarray(coarse.repeat(8, 0).repeat(8, 1)[:height, :width])


@pytest.mark.parametrize("name", [*TOP_DOWN, *SLOW])
def test_a_top_down_method_gives_the_same_keypoints(name, example, export_once):
    method, folder = export_once(name, True)
    rgb = make_image(140, 200)
    boxes = np.array([[10, 20, 40, 90], [60, 5, 80, 60], [150, 100, 90, 70.5]])
    ours = method.predict([rgb], [boxes]).keypoints
    theirs = example.Method(folder).predict_in_boxes(rgb, boxes)
    distance = np.abs(ours[..., :2] - theirs[..., :2]).max(axis=2)
    # UDP's decoding step has no limit: on a nearly flat map rounding errors become pixels.
    assert (distance[ours[..., 2] > 0] < 0.02).mean() > (0.9 if name == "vitpose_tiny" else 0.999)
    np.testing.assert_allclose(theirs[..., 2], ours[..., 2], atol=1e-4)


@pytest.mark.parametrize(("name", "flip"), [("simcc_r18_tiny", True), ("rtmo_tiny", False)])
def test_the_example_refuses_a_network_of_another_size_or_layout(
    name, flip, example, export_once, tmp_path
):
    shutil.copytree(export_once(name, flip)[1], tmp_path, dirs_exist_ok=True)
    example.Method(tmp_path)
    path = tmp_path / "method.json"
    about = json.loads(path.read_text())
    w, h = about["input_wh"]
    path.write_text(json.dumps(about | {"input_wh": [h, w + 32]}))
    command = [sys.executable, str(EXAMPLE), str(tmp_path), str(tmp_path / "image.jpg")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1 and len(run.stderr.splitlines()) == 1
    assert f"network.onnx: takes images of {h} × {w} × 3" in run.stderr
    assert f"method.json says {w + 32} × {h} × 3" in run.stderr
    assert "export into an empty folder again" in run.stderr
    path.write_text(json.dumps(about | {"layout": "rtmlib"}))
    with pytest.raises(ValueError, match=r"layout rtmlib.*--layout own"):
        example.Method(tmp_path)


@pytest.mark.parametrize("name", FULL_IMAGE)
@pytest.mark.parametrize("flip", [False, True])
def test_a_full_image_method_gives_the_same_people(name, flip, example, export_once):
    if flip and name == "rtmo_tiny":
        pytest.skip("RTMO has no flip test")
    method, folder = export_once(name, flip)
    rgb = make_image(192, 192)
    ours = method.predict([rgb], flip_test=flip).keypoints
    theirs = example.Method(folder).predict_all(rgb)
    assert len(ours) >= 1
    assert theirs.shape == ours.shape
    # CID's probabilities are truncated below 1, and many pixels of random maps reach that maximum.
    distance = np.abs(ours[..., :2] - theirs[..., :2]).max(axis=2)
    assert (distance < 0.05).mean() > (0.99 if name.startswith("cid") else 0.9999)
    largest = max(np.abs(ours[..., 2]).max(), 1)
    np.testing.assert_allclose(theirs[..., 2], ours[..., 2], atol=1e-3 * largest)


LONG = [
    pytest.param(name, marks=pytest.mark.long)
    for name in (*TOP_DOWN[1:], "hrnet_w16_tiny", "hrformer_tiny", *FULL_IMAGE[1:])
]


@pytest.mark.parametrize("name", [TOP_DOWN[0], FULL_IMAGE[0], *LONG])
def test_a_batch_of_any_size_gives_what_single_images_give(name, export_once):
    import onnxruntime

    method, folder = export_once(name, False)
    session = onnxruntime.InferenceSession(str(folder / "network.onnx"))
    w, h = method.input_wh
    images = np.stack([make_image(h + 8 * n, w)[-h:] for n in range(3)])
    names = [one.name for one in session.get_outputs()]
    (batch_input,) = session.get_inputs()
    assert batch_input.shape[0] == "n"
    batch = session.run(None, {batch_input.name: images})
    for index in range(3):
        single = session.run(None, {batch_input.name: images[index : index + 1]})
        for output, all_of_batch, one in zip(names, batch, single, strict=True):
            if output == "points":  # of RTMO's cells, the same for any number of images
                continue
            assert len(one) == 1 and len(all_of_batch) == 3
            scale = max(np.abs(one).max(), 1)
            # Where two values of a map are nearly equal, another of them may be the largest.
            is_near = np.abs(all_of_batch[index] - one[0]) < 1e-4 * scale
            assert is_near.mean() > 0.99


def test_the_command_exports_a_run_and_describes_it(tmp_path, capsys):
    from smallpose.training.checkpoint import save_model

    method = create_with_peaks("rle_r18_tiny")
    run = tmp_path / "run"
    save_model(method, run, method.recipes["quick"])
    out = tmp_path / "onnx"
    assert main(["export", str(run), "--to", "onnx", "--out", str(out), "--no-flip-test"]) == 0
    assert "network.onnx" in capsys.readouterr().out
    about = json.loads((out / "method.json").read_text())
    assert about["method"] == "rle_r18_tiny"
    assert about["flip_test"] is False
    assert about["skeleton"]["joints"] == list(method.skeleton.joints)
    assert main(["export", str(out), "--to", "onnx", "--out", str(out)]) == 2
