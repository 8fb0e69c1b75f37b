"""The other top-down methods equal MMPose's (CAL: its authors'), as far as the references allow.

References exist for RLE only; of the others the names, shapes and recipes are checked here, and
their arithmetic in `tests/models` by hand. `bench/parity.py` and `bench/cal.py` compare them with
MMPose and with the code of CAL's authors.
"""

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
METHODS = [
    "hrnet_w32",
    "simcc_res50",
    "rle_res50",
    "vitpose_s",
    "vitpose_s_rle",
    "hrformer_s",
    "cal_hrnet_w32",
]

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


adapter = load_module("parity_adapter_top_down", Path(__file__).with_name("adapter.py"))


def read_manifest(method: str) -> dict[str, Any]:
    return json.loads((PARITY / "manifests" / f"{method}.json").read_text())


@pytest.fixture(scope="module")
def material() -> ModuleType:
    return load_module("parity_weights", PARITY / "weights.py")


@pytest.fixture(scope="module")
def rle(material: ModuleType) -> torch.nn.Module:
    model = adapter.build("rle_res50")
    model.load_state_dict(material.fill_state_dict(model.state_dict()))
    return model


@pytest.fixture(scope="module")
def reference() -> Any:
    return np.load(PARITY / "references" / "rle_res50.npz")


@pytest.fixture(scope="module")
def images(material: ModuleType, reference: Any) -> dict[str, torch.Tensor]:
    crops = {
        "seeded": material.make_images(2, 256, 192, seed=1),
        "real": reference["real/crop_rgb"],
    }
    return {name: torch.from_numpy(material.to_network(rgb)) for name, rgb in crops.items()}


@pytest.fixture(scope="module", params=METHODS)
def built(request: pytest.FixtureRequest) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Build each method once, with its manifest."""
    return adapter.build(request.param), read_manifest(request.param)


def test_keys_shapes_and_parameters_are_the_manifests(built):
    model, manifest = built
    ours = {
        name: {"shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch.")}
        for name, t in model.state_dict().items()
    }
    assert ours == manifest["state_dict"]
    assert model.num_parameters == manifest["params"]
    assert list(model.input_wh) == manifest["input_size_wh"]
    assert model.udp_warp == manifest["box"]["udp_warp"]
    checkpoint = manifest.get("checkpoint") or {"file": None}
    assert model.card.checkpoint == (checkpoint["file"] or "")
    assert model.card.checkpoint_hash in model.card.checkpoint


def test_recipes_are_those_of_the_paper_and_of_mmpose(built):
    model, manifest = built
    if "training_mmpose" not in manifest:
        check_authors_recipe(model.recipes["paper"], manifest["training_authors"])
        return
    recipes = model.recipes
    printed, mmpose = manifest["training_paper"], manifest["training_mmpose"]
    for recipe, rate, batch in (
        (recipes["paper"], printed["lr"], printed["batch"]),
        (recipes["mmpose"], mmpose["optimizer"]["lr"], mmpose["base_batch_for_lr"]),
    ):
        assert recipe.optimizer == mmpose["optimizer"]["type"].lower()
        assert recipe.learning_rate == rate
        assert recipe.batch_size == batch
        assert recipe.epochs == 210
        assert recipe.weight_decay == mmpose["optimizer"].get("weight_decay", 0)
        assert recipe.clip_norm == (mmpose["clip_grad"] or {"max_norm": 0})["max_norm"]
        if "layer_decay" in mmpose:
            assert recipe.layer_decay == mmpose["layer_decay"]["rate"]


def check_authors_recipe(recipe: Any, authors: dict[str, Any]) -> None:
    """Check CAL's recipe, which neither the paper nor MMPose has."""
    size = "256x192"
    assert recipe.batch_size == authors["batch_per_gpu"][size] * authors["gpus"][size]
    assert recipe.learning_rate == authors["lr"]
    assert list(recipe.decay_at) == authors["lr_steps"]
    assert recipe.augment.rotate_deg == authors["augmentations"]["rotate"]
    assert recipe.augment.scale == authors["augmentations"]["scale"]


def test_constants_in_checkpoints_are_right_before_one_is_read(built):
    """The material's weights do not replace them, so a wrong one would not be noticed."""
    model, manifest = built
    state = model.state_dict()
    for name in manifest.get("constant_entries", []):
        if name.endswith("relative_position_index"):
            y, x = np.divmod(np.arange(49), 7)
            expected = (y[:, None] - y + 6) * 13 + (x[:, None] - x + 6)
            assert (state[name].numpy() == expected).all()
        elif name.endswith("mask"):
            assert state[name].tolist() == [[0, 1], [1, 0]] * 3
        else:
            assert (
                state[name].numpy() == (np.zeros(2) if name.endswith("loc") else np.eye(2))
            ).all()


@pytest.mark.parametrize("name", ["seeded", "real"])
def test_raw_outputs_of_rle_are_mmposes(rle, images, reference, name):
    for key, got in adapter.forward(rle, "rle_res50", images[name]).items():
        assert list(got.shape) == reference[f"{name}/{key}/shape"].tolist()
        largest = reference[f"{name}/{key}/moments"][2]
        assert np.abs(got.numpy() - reference[f"{name}/{key}/values"]).max() < 3e-5 * largest


@pytest.mark.parametrize("name", ["seeded", "real"])
@pytest.mark.parametrize("flip", [False, True])
def test_keypoints_of_rle_are_mmposes(rle, images, reference, name, flip):
    metas = [
        {"input_center": c, "input_scale": s, "input_size": (192, 256)}
        for c, s in zip(
            reference[f"{name}/input_center"], reference[f"{name}/input_scale"], strict=True
        )
    ]
    expected = f"{name}/pred_{'flip' if flip else 'plain'}"
    for i, person in enumerate(adapter.predict(rle, "rle_res50", images[name], metas, flip)):
        error = np.abs(person["keypoints"] - reference[f"{expected}/keypoints"][i]).max()
        assert error < 1e-4 * metas[i]["input_scale"].max()
        assert np.abs(person["scores"] - reference[f"{expected}/scores"][i]).max() < 1e-5


def test_coordinates_and_their_decoding_equal_mmposes():
    codecs = np.load(PARITY / "references" / "codecs.npz")
    for i in range(3):
        got = adapter.encode(
            "regression", codecs["keypoints"][i : i + 1], codecs["visible"][i : i + 1]
        )
        for key, value in got.items():
            assert np.abs(value - codecs[f"regression/encode{i}/{key}"]).max() < 1e-6
    coords = codecs["regression/decode/input"]
    for name, encoded in (("decode", coords), ("decode2", coords[..., :2])):
        points, scores = adapter.decode("regression", input=encoded)
        assert np.abs(points - codecs[f"regression/{name}/keypoints"]).max() < 1e-4
        assert np.abs(scores - codecs[f"regression/{name}/scores"]).max() < 1e-6


def test_rles_loss_its_gradients_and_its_flow_equal_mmposes():
    losses = np.load(PARITY / "references" / "losses.npz")
    tensors = {
        key: torch.from_numpy(losses[f"rle/in/{key}"])
        for key in ("pred", "sigma", "target", "weight")
    }
    for key in ("pred", "sigma"):
        tensors[key].requires_grad_()
    value = adapter.loss("rle", **tensors)
    value.backward()
    assert value.item() == pytest.approx(float(losses["rle/value"]), rel=1e-5)
    for key in ("pred", "sigma"):
        expected = losses[f"rle/grad/{key}"]
        assert np.abs(tensors[key].grad.numpy() - expected).max() < 1e-3 * np.abs(expected).max()
    log_density = adapter.rle_flow_log_prob(torch.from_numpy(losses["rle_flow/in/x"]))
    assert np.abs(log_density.detach().numpy() - losses["rle_flow/value"]).max() < 1e-4


def test_the_udp_window_equals_mmposes():
    """A person's crop for ViTPose of the same image as RLE's plain one, half a pixel apart."""
    plain = np.load(PARITY / "references" / "rle_res50.npz")["real/crop_rgb"].astype(float)
    shifted = np.load(PARITY / "pictures.npz")["crop_rgb_vitpose_s"].astype(float)
    _, _, matrix = adapter.box_transform((10, 20, 110, 220), (192, 256), False, 0)
    _, _, exact = adapter.box_transform((10, 20, 110, 220), (192, 256), True, 0)
    from_plain = exact @ np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    assert np.allclose(from_plain, [[191 / 192, 0, 0], [0, 255 / 256, 0]], atol=1e-9)
    for one, other in zip(plain, shifted, strict=True):
        moved = cv2.warpAffine(one, from_plain, (192, 256), borderMode=cv2.BORDER_REPLICATE)
        assert np.abs(moved - other).mean() < 0.7 * np.abs(one - other).mean()
