"""SimpleBaseline equals MMPose's: keys, outputs, keypoints, targets, losses, warps."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import torch

PARITY = Path(__file__).resolve().parents[3] / "shared" / "parity"
METHOD = "simplebaseline_res50"

pytestmark = pytest.mark.skipif(
    not PARITY.exists(), reason="no parity material beside the repository (../shared/parity)"
)


def load_module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


adapter = load_module("parity_adapter", Path(__file__).with_name("adapter.py"))


@pytest.fixture(scope="module")
def material() -> ModuleType:
    """Load the module that makes deterministic weights and images."""
    return load_module("parity_weights", PARITY / "weights.py")


@pytest.fixture(scope="module")
def reference() -> Any:
    return np.load(PARITY / "references" / f"{METHOD}.npz")


@pytest.fixture(scope="module")
def model(material: ModuleType) -> torch.nn.Module:
    model = adapter.build(METHOD)
    model.load_state_dict(material.fill_state_dict(model.state_dict()))
    return model


@pytest.fixture(scope="module")
def images(material: ModuleType, reference: Any) -> dict[str, torch.Tensor]:
    crops = {
        "seeded": material.make_images(2, 256, 192, seed=1),
        "real": reference["real/crop_rgb"],
    }
    return {name: torch.from_numpy(material.to_network(rgb)) for name, rgb in crops.items()}


def test_keys_shapes_and_parameters_are_the_manifests(model):
    manifest = json.loads((PARITY / "manifests" / f"{METHOD}.json").read_text())
    ours = {
        name: {"shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch.")}
        for name, t in model.state_dict().items()
    }
    assert ours == manifest["state_dict"]
    assert model.num_parameters == manifest["params"]
    assert list(model.input_wh) == manifest["input_size_wh"]
    assert manifest["checkpoint"]["file"] == model.card.checkpoint
    assert model.recipes["mmpose"].batch_size == manifest["training_mmpose"]["base_batch_for_lr"]
    assert model.recipes["paper"].batch_size == manifest["training_paper"]["batch"]


@pytest.mark.parametrize("name", ["seeded", "real"])
def test_raw_outputs_are_mmposes(model, images, reference, name):
    for key, got in adapter.forward(model, METHOD, images[name]).items():
        (y0, ys), (x0, xs) = reference[f"{name}/{key}/slice"]
        assert list(got.shape) == reference[f"{name}/{key}/shape"].tolist()
        largest = reference[f"{name}/{key}/moments"][2]
        error = np.abs(got[:, :, y0::ys, x0::xs].numpy() - reference[f"{name}/{key}/values"]).max()
        assert error < 3e-5 * largest


@pytest.mark.parametrize("name", ["seeded", "real"])
@pytest.mark.parametrize("flip", [False, True])
def test_keypoints_are_mmposes_with_and_without_flip_test(model, images, reference, name, flip):
    metas = [
        {"input_center": c, "input_scale": s, "input_size": (192, 256)}
        for c, s in zip(
            reference[f"{name}/input_center"], reference[f"{name}/input_scale"], strict=True
        )
    ]
    expected = f"{name}/pred_{'flip' if flip else 'plain'}"
    for i, person in enumerate(adapter.predict(model, METHOD, images[name], metas, flip)):
        stable = reference[f"{expected}/stable"][i]
        error = np.abs(person["keypoints"] - reference[f"{expected}/keypoints"][i])[stable].max()
        assert error < 1e-4 * metas[i]["input_scale"].max()
        assert np.abs(person["scores"] - reference[f"{expected}/scores"][i]).max() < 1e-5


def test_targets_and_decoding_are_mmposes():
    codecs = np.load(PARITY / "references" / "codecs.npz")
    for i in range(3):
        got = adapter.encode("msra", codecs["keypoints"][i : i + 1], codecs["visible"][i : i + 1])
        for key, value in got.items():
            assert np.abs(value - codecs[f"msra/encode{i}/{key}"]).max() < 1e-6
    points, scores = adapter.decode("msra", heatmaps=codecs["heatmaps"])
    assert (points == codecs["msra/decode/keypoints"]).all()
    assert (scores == codecs["msra/decode/scores"]).all()


@pytest.mark.parametrize(
    "name", ["keypoint_mse", "keypoint_mse_noweight", "keypoint_mse_pixelweight_mask"]
)
def test_losses_and_gradients_are_mmposes(name):
    losses = np.load(PARITY / "references" / "losses.npz")
    start = f"{name}/in/"
    tensors = {
        key[len(start) :]: torch.from_numpy(losses[key])
        for key in losses.files
        if key.startswith(start)
    }
    if name == "keypoint_mse_noweight":
        tensors.pop("weight", None)
    tensors["output"].requires_grad_()
    value = adapter.loss(name, **tensors)
    value.backward()
    assert value.item() == pytest.approx(float(losses[f"{name}/value"]), rel=1e-5)
    assert np.allclose(tensors["output"].grad, losses[f"{name}/grad/output"], rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize("size", [(192, 256), (256, 256)])
def test_windows_of_boxes_are_mmposes(size):
    expected = np.load(PARITY / "references" / "transforms.npz")
    name = f"plain/{size[0]}x{size[1]}"
    for i, (box, degrees) in enumerate(
        zip(expected["bbox_xyxy"], expected["rotation"], strict=True)
    ):
        center, scale, matrix = adapter.box_transform(box, size, False, float(degrees))
        points = expected["points"][i] @ matrix[:, :2].T + matrix[:, 2]
        assert np.abs(center - expected[f"{name}/center"][i]).max() < 1e-4
        assert np.abs(scale - expected[f"{name}/scale"][i]).max() < 1e-4
        assert np.abs(matrix - expected[f"{name}/matrix"][i]).max() < 1e-4
        assert np.abs(points - expected[f"{name}/points"][i]).max() < 1e-3


def test_unknown_methods_and_codecs_are_not_implemented():
    with pytest.raises(NotImplementedError):
        adapter.build("no_such_method")
    with pytest.raises(NotImplementedError):
        adapter.encode("no_such_codec", np.zeros((1, 17, 2)), np.ones((1, 17)))


def test_without_a_box_the_full_image_is_cut():
    crop, meta = adapter.preprocess(METHOD, np.full((50, 80, 3), 9, np.uint8), None)
    assert crop.shape == (256, 192, 3)
    assert meta["input_center"].tolist() == [40, 25]
    assert meta["input_size"] == (192, 256)


def test_a_crop_equals_mmposes_within_one_grey_level(reference, real):
    image = cv2.imread(str(real / "coco" / "example4" / "000000000785.jpg"))
    for i, box in enumerate(reference["real/bbox_xyxy"]):
        crop, meta = adapter.preprocess(METHOD, image, box)
        # OpenCV's releases differ by one grey level in a few pixels.
        assert np.abs(crop.astype(int) - reference["real/crop_rgb"][i]).max() <= 1
        assert np.abs(meta["input_center"] - reference["real/input_center"][i]).max() < 1e-3
        assert np.abs(meta["input_scale"] - reference["real/input_scale"][i]).max() < 1e-3
