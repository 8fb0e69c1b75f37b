"""A few numbers of a method's outputs, predictions, losses and gradients, to be stored.

`bench/parity.py --store FILE` stores those of MMPose, and `test_rtmpose.py` compares ours.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SAMPLES = 12  # of a tensor
GRADIENTS = 12  # weights whose gradients are stored


def summarize_method(result: Mapping[str, Any]) -> dict[str, Any]:
    """Summarize what `run_method` of `bench/mmpose/peer.py` returns."""
    losses = result["losses"][0]
    names = sorted(losses["gradients"])
    chosen = names[:: max(len(names) // GRADIENTS, 1)]
    return {
        "entries": len(result["keys"]),
        "keys_sha256": hash_keys(result["keys"]),
        "raw": {name: summarize_array(value) for name, value in result["raw"].items()},
        **{flip: _summarize_people(result[flip]) for flip in ("plain", "flip")},
        "losses": {name: float(value) for name, value in losses["terms"].items()},
        "gradients": {name: summarize_array(losses["gradients"][name]) for name in chosen},
    }


def hash_keys(shapes: Mapping[str, Sequence[int]]) -> str:
    """Return the SHA-256 of names and shapes, whatever their order."""
    records = sorted((name, list(shape)) for name, shape in shapes.items())
    return hashlib.sha256(json.dumps(records).encode()).hexdigest()


def summarize_array(values: Any) -> dict[str, list[float]]:
    """Return mean, standard deviation and largest magnitude, and evenly spaced values."""
    flat = np.asarray(values, np.float64).reshape(-1)
    rows = np.linspace(0, flat.size - 1, SAMPLES).astype(int)
    moments = (flat.mean(), flat.std(), np.abs(flat).max())
    return {
        "moments": [float(f"{value:.8g}") for value in moments],
        "sample": [float(f"{value:.8g}") for value in flat[rows]],
    }


def _summarize_people(people: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    points = np.concatenate([np.asarray(p["keypoints"]).reshape(-1, 2) for p in people])
    scores = np.concatenate([np.asarray(p["keypoint_scores"]).reshape(-1) for p in people])
    return {
        "keypoints": np.round(points, 4).tolist(),
        "scores": [float(f"{score:.7g}") for score in scores],
    }
