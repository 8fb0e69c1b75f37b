"""Heatmaps about the exact keypoint: MMPose's maps and steps, mirrored grids, options that last."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from smallpose import create_method
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.models.codecs.dark import decode_dark_heatmaps
from smallpose.models.codecs.heatmap import decode_heatmaps, encode_heatmaps
from smallpose.models.codecs.heatmap_coding import HeatmapCoding
from smallpose.training.checkpoint import save_model

REFERENCE = Path(__file__).parents[2] / "parity" / "optional_codecs.py"
SPEC = importlib.util.spec_from_file_location("optional_codecs_reference", REFERENCE)
assert SPEC is not None and SPEC.loader is not None
reference = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(reference)

INPUT_WH = (192, 256)
MAP_WH = (48, 64)
UNBIASED = HeatmapCoding(targets="unbiased")
HALF_PIXEL = HeatmapCoding(targets="half-pixel")


def sample_keypoints(seed, num_joints=17, low=(30, 30), high=(160, 220)):
    """Sample (1, k, 2) keypoints whose Gaussians no border cuts, unless told otherwise."""
    points = np.random.default_rng(seed).uniform(low, high, (1, num_joints, 2))
    return torch.from_numpy(points).float()


@pytest.mark.parametrize("seed", range(4))
def test_unbiased_maps_are_those_of_the_reference(seed):
    points = sample_keypoints(seed, low=(-40, -40), high=(230, 300))
    visible = torch.ones(1, 17)
    visible[0, 5] = 0
    maps, weights = UNBIASED.encode(points, visible, MAP_WH, 2.0)
    expected = reference.encode("msra_dark", points.numpy(), visible.numpy())
    assert weights.numpy().tolist() == expected["keypoint_weights"].tolist()
    np.testing.assert_allclose(maps[0].numpy(), expected["heatmaps"], atol=2e-6)


@pytest.mark.parametrize("seed", range(4))
def test_the_newton_step_is_that_of_the_reference_also_on_noise_and_at_borders(seed):
    rng = np.random.default_rng(seed)
    points = sample_keypoints(seed, low=(-10, -10), high=(200, 266))
    maps = UNBIASED.encode(points, torch.ones(1, 17), MAP_WH, 2.0)[0]
    maps = maps + torch.from_numpy(rng.normal(0, 0.02, maps.shape)).float()
    maps[0, 3] = 0
    decoded, scores = UNBIASED.decode(maps, 2.0)
    expected, expected_scores = reference.decode("msra_dark", maps[0].numpy())
    np.testing.assert_array_equal(scores.numpy(), expected_scores)
    np.testing.assert_allclose(decoded.numpy(), expected, atol=2e-3)
    assert decoded[0, 3].tolist() == [-4, -4]


@pytest.mark.parametrize(("coding", "within"), [(UNBIASED, 0.2), (HALF_PIXEL, 0.2)])
def test_keypoints_return_from_exact_maps_nearer_than_from_rounded_ones(coding, within):
    points = sample_keypoints(1)
    maps, _ = coding.encode(points, torch.ones(1, 17), MAP_WH, 2.0)
    decoded, _ = coding.decode(maps, 2.0)
    assert (decoded - points).abs().max() < within
    rounded, _ = encode_heatmaps(points, torch.ones(1, 17), MAP_WH)
    assert (decode_heatmaps(rounded)[0] - points).abs().max() > 1.0  # half a map px is 2 px


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_smoothing_suits_the_width_of_the_peaks(sigma):
    points = sample_keypoints(2)
    maps, _ = HALF_PIXEL.encode(points, torch.ones(1, 17), MAP_WH, sigma)
    assert (HALF_PIXEL.decode(maps, sigma)[0] - points).abs().max() < 0.4


def test_mirrored_crops_have_exactly_mirrored_half_pixel_maps_and_no_others():
    points = sample_keypoints(3)
    mirrored = points.clone()
    mirrored[..., 0] = INPUT_WH[0] - 1 - points[..., 0]
    same = torch.arange(17)
    for coding, is_symmetric in ((HALF_PIXEL, True), (UNBIASED, False)):
        maps, _ = coding.encode(points, torch.ones(1, 17), MAP_WH, 2.0)
        others, _ = coding.encode(mirrored, torch.ones(1, 17), MAP_WH, 2.0)
        difference = (coding.flip_back(others, same) - maps).abs().max()
        assert (difference < 1e-5) == is_symmetric


def test_a_flat_map_takes_no_step():
    maps = torch.full((1, 2, 12, 10), 0.5)
    points, scores = decode_dark_heatmaps(maps, 5)
    assert torch.isfinite(points).all() and scores.tolist() == [[0.5, 0.5]]


def test_the_default_is_bit_equal_to_the_published_codec():
    points = sample_keypoints(4, low=(-20, -20), high=(210, 270))
    visible = torch.ones(1, 17)
    expected = encode_heatmaps(points, visible, MAP_WH)
    found = HeatmapCoding().encode(points, visible, MAP_WH, 2.0)
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    decoded = HeatmapCoding().decode(expected[0], 2.0)
    assert all(
        torch.equal(a, b) for a, b in zip(decode_heatmaps(expected[0]), decoded, strict=True)
    )


def test_weights_remember_their_coding_and_prediction_may_read_maps_in_another_way(tmp_path):
    torch.manual_seed(0)
    method = create_method("simple_baseline_r18_tiny")
    torch.nn.init.normal_(method.head.final_layer.weight, std=0.3)
    method.set_heatmap_coding(HALF_PIXEL)
    save_model(method, tmp_path / "run", method.recipes["quick"])
    again = create_method("simple_baseline_r18_tiny", weights=tmp_path / "run")
    assert again.heatmap_coding == HALF_PIXEL and HALF_PIXEL.decoding == "dark"
    image = np.random.default_rng(0).integers(0, 256, (90, 60, 3)).astype(np.uint8)
    path = tmp_path / "a.png"
    import cv2

    cv2.imwrite(str(path), image)
    keypoints = {}
    for decoding in ("", "dark", "quarter"):
        out = tmp_path / f"out-{decoding}.json"
        flags = ["--heatmap-decoding", decoding] if decoding else []
        words = [str(tmp_path / "run"), str(path), "--out", str(out), "--device", "cpu"]
        assert main(["predict", *words, *flags]) == 0
        keypoints[decoding] = json.loads(out.read_text())[0]["keypoints"]
    assert keypoints[""] == keypoints["dark"] != keypoints["quarter"]


def test_methods_without_such_maps_refuse_the_option_in_one_line(tmp_path, capsys):
    for name in ("vitpose_tiny", "simcc_r18_tiny", "cal_hrnet_w16_tiny", "rtmo_tiny"):
        with pytest.raises(InputError, match="is for heatmaps at stride 4"):
            create_method(name).set_heatmap_coding(UNBIASED)
    with pytest.raises(InputError, match="use rounded, unbiased, half-pixel"):
        HeatmapCoding(targets="whole")
    for name in ("simple_baseline_r18_tiny", "hrnet_w16_tiny", "hrformer_tiny"):
        create_method(name).set_heatmap_coding(UNBIASED)
