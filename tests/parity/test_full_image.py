"""RTMO, CID and DEKR equal MMPose's: keys, outputs, detections, targets and losses.

`full_image.json` has a few of the numbers that MMPose 1.3.2 gives on the material's weights and
images (256 × 256); its deformable convolution was one written from the definition.
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

PARITY = Path(__file__).resolve().parents[3] / "shared" / "parity"
NUMBERS = json.loads(Path(__file__).with_name("full_image.json").read_text())
SIZE = 256

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


adapter = load_module("parity_adapter_for_full_images", Path(__file__).with_name("adapter.py"))


@pytest.fixture(scope="module")
def material() -> ModuleType:
    return load_module("parity_weights_for_full_images", PARITY / "weights.py")


def build_model(method: str, material: ModuleType) -> Any:
    model = adapter.build(method)
    model.load_state_dict(material.fill_state_dict(model.state_dict()))
    return model


def make_images(method: str, material: ModuleType) -> torch.Tensor:
    rgb = material.make_images(2, SIZE, SIZE, seed=1)
    if method.startswith("rtmo"):
        return torch.from_numpy(material.to_network(rgb[..., ::-1], normalise=False))
    return torch.from_numpy(material.to_network(rgb))


def make_truth(method: str) -> list[dict[str, Any]]:
    """Make the people with which MMPose's losses were computed; RandomState's stream is fixed."""
    rng = np.random.RandomState(5)
    targets = []
    for number in range(2):
        if method.startswith("rtmo"):
            center = rng.uniform(60, 200, (3, 1, 2))
            points = center + rng.normal(0, 20, (3, 17, 2))
        else:
            center = rng.uniform(10, 240, (5, 1, 2))
            points = center + rng.normal(0, 1, (5, 17, 2)) * rng.uniform(2, 25, (5, 1, 1))
        visible = (rng.rand(len(points), 17) > 0.3).astype(np.float32)
        if not method.startswith("rtmo") and number:
            visible[4] = 0
        low, high = points.min(axis=1) - 3, points.max(axis=1) + 3
        mask = np.ones((SIZE // 4, SIZE // 4), np.float32)
        if not method.startswith("rtmo"):
            mask[10:30, 5:20] = 0
        targets.append(
            {
                "keypoints": points,
                "visible": visible,
                "bboxes": np.concatenate([low, high], axis=1),
                "areas": ((high - low).prod(axis=1) * 0.53).astype(np.float32),
                "heatmap_mask": mask,
            }
        )
    return targets


@pytest.mark.usefixtures("without_initial_weights")
@pytest.mark.parametrize("method", NUMBERS)
def test_keys_shapes_parameters_and_recipes_are_the_manifests(method):
    manifest = json.loads((PARITY / "manifests" / f"{method}.json").read_text())
    model = adapter.build(method)
    ours = {
        name: {"shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch.")}
        for name, t in model.state_dict().items()
    }
    assert ours == manifest["state_dict"]
    assert model.num_parameters == manifest["params"]
    assert list(model.input_wh) == manifest["input_size_wh"]
    assert manifest["checkpoint"]["file"] == model.card.checkpoint
    mmpose, paper = manifest["training_mmpose"], manifest["training_paper"]
    for name, theirs, batch in (
        ("mmpose", mmpose, mmpose["base_batch_for_lr"]),
        ("paper", paper, paper["batch"]),
    ):
        recipe = model.recipes[name]
        assert (recipe.batch_size, recipe.epochs) == (batch, theirs["epochs"])
    assert model.recipes["mmpose"].learning_rate == mmpose["optimizer"]["lr"]


# The two larger sizes of RTMO differ from the small one in width and depth only.
@pytest.mark.parametrize("method", [m for m in NUMBERS if m not in ("rtmo_m", "rtmo_l")])
def test_outputs_people_and_losses_equal_mmposes(method, material):
    check_method(method, material)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["rtmo_m", "rtmo_l"])
def test_outputs_people_and_losses_of_larger_sizes_equal_mmposes(method, material):
    check_method(method, material)


def check_method(method: str, material: ModuleType) -> None:
    model, x, numbers = (
        build_model(method, material),
        make_images(method, material),
        NUMBERS[method],
    )
    extra = {}
    if method.startswith("cid"):
        extra["instance_coords"] = torch.tensor([[3, 5], [40, 21], [63, 60]])
        extra["instance_imgids"] = torch.tensor([0, 1, 1])
    raw = adapter.forward(model, method, x, **extra)
    for name, theirs in numbers["raw"].items():
        got = raw[name].double().numpy()
        mean, spread, largest = theirs["moments"]
        assert abs(got.mean() - mean) < 3e-5 * largest
        assert abs(got.std() - spread) < 3e-5 * largest
        step = max(got.size // 12, 1)
        np.testing.assert_allclose(got.ravel()[::step][:12], theirs["sample"], atol=3e-5 * largest)

    meta = {"input_center": [SIZE / 2] * 2, "input_scale": [SIZE] * 2, "input_size": (SIZE, SIZE)}
    for key, theirs in numbers["found"].items():
        image, flip = int(key[0]), key.endswith("1") and len(key) == 2
        (people,) = adapter.predict(model, method, x[image : image + 1], [meta], flip)
        assert len(people["keypoints"]) == theirs["people"]
        for row, points, scores in zip(
            (0, theirs["people"] // 2), theirs["keypoints"], theirs["scores"], strict=True
        ):
            # Processors round differently, which RTMO's classifier amplifies to tenths of a px.
            tolerance = 0.1 if method.startswith("rtmo") else 0.01
            np.testing.assert_allclose(
                people["keypoints"][row].ravel()[::3], points, atol=tolerance
            )
            np.testing.assert_allclose(people["scores"][row][::4], scores, rtol=1e-3, atol=1e-4)

    stages = {"stage1": "1", "stage2": "2", "stage3_aux": "2"}
    for stage, number in stages.items() if method.startswith("rtmo") else [("train", "")]:
        terms = adapter.train_losses(model, method, x, make_truth(method), stage)
        assert ("loss_bbox_aux" in terms) == (stage == "stage3_aux")
        for name, term in terms.items():
            theirs = numbers["losses"][f"loss{number}/{name}"]
            assert float(term.detach()) == pytest.approx(theirs, rel=1e-4)


def test_letterboxes_equal_mmposes():
    center, scale, size, _ = adapter.letterbox("cid_hrnet_w32", (640, 425))
    assert size == (832, 512)  # 771 × 512, rounded up to multiples of 64
    assert list(center) == [320, 212.5]
    np.testing.assert_allclose(scale, [640 * 832 / (512 * 640 / 425), 425])
    assert adapter.letterbox("dekr_hrnet_w32", (640, 425))[2] == (800, 512)
    center, scale, size, matrix = adapter.letterbox("rtmo_s", (640, 425))
    assert size == (640, 640)
    np.testing.assert_allclose(scale, [640, 640])
    np.testing.assert_allclose(matrix, [[1, 0, 0], [0, 1, 107.5]], atol=1e-12)


@pytest.mark.parametrize("method", ["cid_hrnet_w32", "dekr_hrnet_w32"])
def test_predict_and_the_adapter_give_the_same_people_of_a_real_image(method, material):
    rgb = np.load(PARITY / "pictures.npz")[f"input_rgb_{method}"][0]
    # A corner of it that needs no resizing, so that the test takes seconds.
    corner = np.ascontiguousarray(rgb[128:384, 128:384])
    model = build_model(method, material)
    model.input_wh, model.max_people = (SIZE, SIZE), 30
    model.oks_threshold = 1.0  # MMPose removes duplicates when it evaluates, not here
    predictions = model.predict([corner], flip_test=False)
    meta = {"input_center": [SIZE / 2] * 2, "input_scale": [SIZE] * 2, "input_size": (SIZE, SIZE)}
    x = torch.from_numpy(material.to_network(corner[None]))
    (theirs,) = adapter.predict(model, method, x, [meta], False)
    assert len(predictions) == len(theirs["keypoints"])
    np.testing.assert_allclose(predictions.keypoints[..., :2], theirs["keypoints"], atol=0.01)
