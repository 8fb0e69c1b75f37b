"""The two codecs for checkers only: decoding returns what was encoded."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SPEC = importlib.util.spec_from_file_location(
    "parity_adapter_codecs", Path(__file__).with_name("adapter.py")
)
assert SPEC is not None and SPEC.loader is not None
adapter = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(adapter)


def sample_keypoints(seed: int) -> np.ndarray:
    """Sample (1, 17, 2) keypoints whose Gaussians and discs no border cuts."""
    return np.random.default_rng(seed).uniform((30, 30), (160, 220), (1, 17, 2))


@pytest.mark.parametrize("seed", range(3))
def test_a_newton_step_on_the_logarithm_finds_the_exact_keypoint(seed):
    points = sample_keypoints(seed)
    targets = adapter.encode("msra_dark", points, np.ones((1, 17)))
    decoded, scores = adapter.decode("msra_dark", heatmaps=targets["heatmaps"])
    assert np.abs(decoded - points).max() < 0.2  # a quarter shift alone is up to 1 px off
    assert (scores < 1).all() and (scores > np.exp(-0.5 / 8 - 1e-6)).all()


@pytest.mark.parametrize("seed", range(3))
def test_offsets_lead_from_anywhere_in_the_disc_to_the_keypoint(seed):
    points = sample_keypoints(seed)
    targets = adapter.encode("udp_offset", points, np.ones((1, 17)))
    decoded, _ = adapter.decode("udp_offset", encoded=targets["heatmaps"])
    # Scaled for a mapping to the image that divides by 192 and not by 191.
    assert np.abs(decoded - points * (192 / 191, 256 / 255)).max() < 1e-3
    discs = targets["heatmaps"][::3]
    assert set(np.unique(discs)) == {0, 1}
    assert (np.abs(discs.sum(axis=(1, 2)) - np.pi * 3.5**2) < 8).all()


@pytest.mark.parametrize("codec", ["msra_dark", "udp_offset"])
def test_unlabelled_joints_have_empty_maps_and_no_weight(codec):
    visible = np.ones((1, 17))
    visible[0, 4] = 0
    targets = adapter.encode(codec, sample_keypoints(0), visible)
    maps = targets["heatmaps"].reshape(17, -1)
    assert not maps[4].any() and maps[3].any()
    assert targets["keypoint_weights"][0].tolist() == visible[0].tolist()


def test_a_gaussian_that_misses_the_map_has_no_weight():
    points = sample_keypoints(0)
    points[0, 0], points[0, 1] = (
        (-28.5, 100),
        (-27.5, 100),
    )  # map px -7.125 and -6.875; a Gaussian reaches 7
    targets = adapter.encode("msra_dark", points, np.ones((1, 17)))
    assert targets["keypoint_weights"][0, :3].tolist() == [0, 1, 1]
