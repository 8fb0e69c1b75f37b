"""RTMPose, ViTPose-B and HRNet-W48 equal MMPose's: keys, outputs, people, losses, gradients.

`rtmpose.json` has a few of the numbers that MMPose 1.3.2 gives on the weights, crops and people of
`bench/parity.py`, which wrote it:

    python bench/parity.py --mmpose ENV --parts 0 --store tests/parity/rtmpose.json --methods
      rtmpose_t,rtmpose_s,rtmpose_m,rtmpose_l,rtmpose_s_halpe26,hrnet_w48,vitpose_b
"""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = json.loads(Path(__file__).with_name("rtmpose.json").read_text())
# The larger sizes differ from these in width and depth only.
QUICK = ("rtmpose_t", "rtmpose_s_halpe26")


def load_module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


parity = load_module("bench_parity", ROOT / "bench" / "parity.py")


@pytest.mark.parametrize("method", QUICK)
def test_outputs_people_losses_and_gradients_equal_mmposes(method):
    check_method(method)


@pytest.mark.long
@pytest.mark.parametrize("method", [name for name in NUMBERS if name not in QUICK])
def test_those_of_the_larger_sizes_equal_mmposes(method):
    check_method(method)


def check_method(method: str) -> None:
    expected = NUMBERS[method]
    ours = parity.stored_numbers.summarize_method(compute_ours(method))
    assert (ours["entries"], ours["keys_sha256"]) == (expected["entries"], expected["keys_sha256"])
    for part, tolerance in (("raw", 1e-5), ("gradients", 1e-3)):
        assert ours[part].keys() == expected[part].keys()
        for name, numbers in expected[part].items():
            largest = numbers["moments"][2]
            for key in ("moments", "sample"):
                error = np.abs(np.subtract(ours[part][name][key], numbers[key])).max()
                assert error <= tolerance * largest, (part, name, key)
    assert ours["losses"] == pytest.approx(expected["losses"], rel=1e-5)
    for flip in ("plain", "flip"):
        scores = np.array(expected[flip]["scores"])
        assert np.allclose(ours[flip]["scores"], scores, rtol=1e-4, atol=1e-5 * scores.max())
        distance = np.abs(np.subtract(ours[flip]["keypoints"], expected[flip]["keypoints"]))
        # Of two bins, or pixels, that are equal but for rounding, another CPU may take the other.
        assert np.median(distance) < 1e-3
        assert (distance.max(axis=1) < 0.05).mean() > 0.9


def compute_ours(method: str) -> dict[str, Any]:
    """Compute with our model what MMPose's side of `bench/parity.py` returns."""
    model, task = parity.make_method_task(method)
    adapter = parity.adapter
    raw = adapter.forward(model, method, task["images"])
    raw.pop("feat")
    people = {}
    for name in ("plain", "flip"):
        predicted = adapter.predict(model, method, task["images"], task["metas"], name == "flip")
        people[name] = [
            {"keypoints": p["keypoints"], "keypoint_scores": p["scores"]} for p in predicted
        ]
    terms = adapter.train_losses(model, method, task["images"], task["truth"], "train")
    torch.stack(list(terms.values())).sum().backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    losses = {"terms": {k: float(v.detach()) for k, v in terms.items()}, "gradients": gradients}
    keys = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    return {"keys": keys, "raw": raw, **people, "losses": {0: losses}}
