"""CAL's targets, mask, loss and decoding against its definition, pixel by pixel.

MMPose has no CAL, so these tests implement the authors' description (Wang et al. 2021, Sec. 3) once
more: loops over people, joints and pixels in NumPy's double precision, and SciPy's Gaussian.
"""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

from smallpose.core.skeleton import COCO17
from smallpose.dataloading.affine import map_to_image
from smallpose.methods.cal import compute_confidence_mask, heatmap_and_offset_loss
from smallpose.models.codecs.cal import decode_cal, encode_cal, flip_back_cal

Floats = NDArray[np.float64]
SIZE, MAP = (96, 128), (24, 32)
FLIP_INDICES = torch.from_numpy(COCO17.flip_indices)


def sample_keypoints(seed: int, people: int = 4, joints: int = 5) -> tuple[Floats, Floats]:
    """Sample keypoints in, on the border of and outside crops, some unlabelled."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-0.3, 1.3, (people, joints, 2)) * SIZE
    points[0, :3] = [[0, 0], [SIZE[0] - 1, SIZE[1] - 1], [47.5, 63.5]]
    return points, (rng.random((people, joints)) > 0.25).astype(float)


def define_target(
    point: Floats, visible: float, sigma: float
) -> tuple[Floats, Floats, Floats, float]:
    """Define a keypoint's (h, w) heatmap, (2, h, w) offsets, (h, w) disc, and its weight."""
    w, h = MAP
    heatmap, offsets, disc = np.zeros((h, w)), np.zeros((2, h, w)), np.zeros((h, w))
    # The outer pixels' centres of crop and map coincide.
    on_map = [point[i] * (MAP[i] - 1) / (SIZE[i] - 1) for i in (0, 1)]
    reach = math.floor(3 * sigma + 0.5)
    for coordinate, side in zip(on_map, MAP, strict=True):
        pixel = int(coordinate + 0.5)
        if pixel - reach >= side or pixel + reach + 1 <= 0:
            visible = 0.0
    if not visible:
        return heatmap, offsets, disc, 0.0
    for y in range(h):
        for x in range(w):
            offset = (on_map[0] - x, on_map[1] - y)
            squared = offset[0] ** 2 + offset[1] ** 2
            heatmap[y, x] = math.exp(-squared / (2 * sigma**2))
            if squared <= 4.0**2:
                offsets[:, y, x] = np.array(offset) / 1.5
                disc[y, x] = 1
    heatmap[heatmap < np.finfo(np.float32).eps * heatmap.max()] = 0
    return heatmap, offsets, disc, 1.0


def find_maximum(heatmap: Floats) -> tuple[int, int]:
    """Return x, y of the first maximum; (0, 0) where nothing is above 0."""
    y, x = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    return (int(x), int(y)) if heatmap.max() > 0 else (0, 0)


def define_mask(heatmaps: Floats, truth: Floats, weights: Floats) -> Floats:
    """Define the (b, k, h, w) weights of offsets, by one Gaussian of all errors of the batch."""
    supervised = [(i, j) for i, j in np.ndindex(weights.shape) if weights[i, j]]
    errors = np.array(
        [np.subtract(find_maximum(heatmaps[p]), find_maximum(truth[p])) for p in supervised]
    )
    covariance = np.cov(errors.T, bias=True) + 1e-6 * np.eye(2)
    density = multivariate_normal(errors.mean(axis=0), covariance)
    masks = np.zeros_like(truth)
    for row in supervised:
        x, y = find_maximum(truth[row])
        for dy in range(-3, 4):
            for dx in range(-3, 4):
                if 0 <= x + dx < truth.shape[3] and 0 <= y + dy < truth.shape[2]:
                    masks[row][y + dy, x + dx] = density.pdf([dx, dy])
    low, high = (f(masks, axis=(2, 3), keepdims=True) for f in (np.min, np.max))
    return (masks - low) / (high - low + 1e-5)


def define_losses(
    heatmaps: Floats, offsets: Floats, target: tuple[Floats, Floats], mask: Floats, weights: Floats
) -> tuple[float, float]:
    """Define the losses as means over the joints of each joint's mean over people and pixels."""
    heatmap_losses, offset_losses = [], []
    for j in range(heatmaps.shape[1]):
        weight = weights[:, j, None, None]
        error = weight * heatmaps[:, j] - weight * target[0][:, j]
        heatmap_losses.append(0.5 * np.mean(error**2))
        pixel_weight = (mask[:, j] * weight)[:, None]
        pair = slice(2 * j, 2 * j + 2)
        error = pixel_weight * offsets[:, pair] - pixel_weight * target[1][:, pair]
        offset_losses.append(np.mean(np.abs(error)))
    return float(np.mean(heatmap_losses)), float(np.mean(offset_losses))


def define_targets(
    points: Floats, visible: Floats, sigma: float
) -> tuple[Floats, Floats, Floats, Floats]:
    parts = [
        [define_target(p, v, sigma) for p, v in zip(*person, strict=True)]
        for person in zip(points, visible, strict=True)
    ]
    heatmaps, offsets, discs, weights = (
        np.array([[joint[i] for joint in person] for person in parts]) for i in range(4)
    )
    return heatmaps, offsets.reshape(len(points), -1, *offsets.shape[-2:]), discs, weights


@pytest.mark.parametrize("sigma", [2.0, 1.0, 0.3])
def test_targets_equal_the_definition(sigma):
    points, visible = sample_keypoints(0)
    keypoints = torch.from_numpy(points).float()
    targets = encode_cal(keypoints, torch.from_numpy(visible).float(), SIZE, MAP, sigma)
    expected = define_targets(keypoints.double().numpy(), visible, sigma)
    assert 0 < expected[3].sum() < visible.sum(), "some are off the map, some are on it"
    for target, definition in zip(targets, expected, strict=True):
        assert target.shape == definition.shape
        assert np.abs(target.numpy() - definition).max() < 2e-6


@pytest.mark.parametrize("seed", range(3))
def test_mask_loss_and_gradient_equal_the_definition(seed):
    points, visible = sample_keypoints(seed)
    keypoints = torch.from_numpy(points).float()
    target = encode_cal(keypoints, torch.from_numpy(visible).float(), SIZE, MAP, 2.0)
    rng = np.random.default_rng(seed)
    true_heatmaps, true_offsets = target[0].double().numpy(), target[1].double().numpy()
    weights = target[3].double().numpy()
    # Maxima that are a few pixels off, differently in x and in y; one map without a peak.
    noise = rng.normal(0, 0.2, true_heatmaps.shape)
    heatmaps = np.roll(true_heatmaps, (1, -2), axis=(2, 3)) * 0.6 + noise
    heatmaps[1, 1] = -1
    offsets = rng.normal(0, 1, true_offsets.shape)
    expected_mask = define_mask(heatmaps.astype(np.float32).astype(float), true_heatmaps, weights)
    expected = define_losses(
        heatmaps, offsets, (true_heatmaps, true_offsets), expected_mask, weights
    )

    outputs = tuple(torch.from_numpy(o).float().requires_grad_() for o in (heatmaps, offsets))
    mask = compute_confidence_mask(outputs[0], target[0], target[3])
    assert np.abs(mask.numpy() - expected_mask).max() < 1e-5
    assert not mask.requires_grad
    losses = heatmap_and_offset_loss(outputs, target, mask)
    assert [t.item() for t in losses] == pytest.approx(expected, rel=1e-5)

    (losses[0] + 0.7 * losses[1]).backward()
    b, k, h, w = true_heatmaps.shape
    weight = weights[..., None, None]
    gradient = weight**2 * (heatmaps - true_heatmaps) / (b * k * h * w)
    assert np.abs(outputs[0].grad.numpy() - gradient).max() < 1e-5 * np.abs(gradient).max()
    pixel_weight = np.repeat(expected_mask * weight, 2, axis=1)
    gradient = 0.7 * pixel_weight * np.sign(offsets - true_offsets) / (2 * b * k * h * w)
    assert np.abs(outputs[1].grad.numpy() - gradient).max() < 1e-4 * np.abs(gradient).max()


def test_decoding_to_the_image_equals_the_definition():
    rng = np.random.default_rng(0)
    heatmaps, offsets = rng.normal(-1, 1, (3, 17, 32, 24)), rng.normal(0, 1, (3, 34, 32, 24))
    heatmaps[0, 0] = -1
    center, scale = rng.uniform(50, 400, (3, 2)), rng.uniform(60, 300, (3, 2))
    outputs = (torch.from_numpy(heatmaps).float(), torch.from_numpy(offsets).float())
    points, scores = decode_cal(*outputs, SIZE)
    keypoints = map_to_image(points.double().numpy(), center, scale, SIZE)
    for i, j in np.ndindex(3, 17):
        x, y = find_maximum(heatmaps[i, j])
        on_map = np.array([x, y]) + 1.5 * offsets[i, 2 * j : 2 * j + 2, y, x]
        expected = on_map * scale[i] / (np.array(MAP) - 1) + center[i] - scale[i] / 2
        assert keypoints[i, j] == pytest.approx(expected, abs=1e-3)
        assert scores[i, j] == pytest.approx(heatmaps[i, j].max(), abs=1e-6)


def test_flip_back_equals_the_definition():
    rng = np.random.default_rng(0)
    heatmaps, offsets = rng.random((2, 17, 8, 6)), rng.normal(0, 1, (2, 34, 8, 6))
    flipped = flip_back_cal(torch.from_numpy(heatmaps), torch.from_numpy(offsets), FLIP_INDICES)
    for j, opposite in enumerate(COCO17.flip_indices):
        assert np.array_equal(flipped[0][:, j], heatmaps[:, opposite, :, ::-1])
        assert np.array_equal(flipped[1][:, 2 * j], -offsets[:, 2 * opposite, :, ::-1])
        assert np.array_equal(flipped[1][:, 2 * j + 1], offsets[:, 2 * opposite + 1, :, ::-1])


CROP, CROP_MAP = (192, 256), (48, 64)


def encode_one(x: float, y: float) -> tuple[torch.Tensor, ...]:
    """Encode one keypoint of a crop of 192 × 256."""
    return encode_cal(torch.tensor([[[x, y]]]), torch.ones(1, 1), CROP, CROP_MAP, sigma=2.0)


@pytest.mark.parametrize("point", [(95.5, 127.5), (60.3, 141.9), (3.0, 250.0)])
def test_offsets_lead_from_the_peak_to_the_keypoint(point):
    heatmaps, offsets, disc, weight = encode_one(*point)
    decoded, _ = decode_cal(heatmaps, offsets, CROP)
    expected = torch.tensor([[[point[0] * 192 / 191, point[1] * 256 / 255]]])
    assert (decoded - expected).abs().max() < 1e-4
    assert weight == 1
    # A disc of radius 4 that no border cuts has about 50 pixels.
    assert 12 < disc.sum() < 54
    assert (offsets[0, :, disc[0, 0] == 0] == 0).all()


@pytest.mark.parametrize(("x", "has_weight"), [(-7, True), (-7.6, False), (53, True), (54, False)])
def test_a_keypoint_has_weight_while_its_patch_contains_a_pixel(x, has_weight):
    # The patch runs from m - 6 to m + 6; m is x + 0.5 cut towards zero, -6 for -7.
    *maps, weight = encode_one(x * 191 / 47, 100)
    assert bool(weight) == has_weight
    assert bool(maps[0].any()) == has_weight


def test_flip_back_negates_x_offsets():
    points = torch.rand(2, 17, 2) * torch.tensor([191.0, 255.0])
    mirrored = points[:, FLIP_INDICES].clone()
    mirrored[..., 0] = 191 - mirrored[..., 0]
    visible = torch.ones(2, 17)
    expected = encode_cal(points, visible, CROP, CROP_MAP, sigma=2.0)
    heatmaps, offsets, _, _ = encode_cal(mirrored, visible, CROP, CROP_MAP, sigma=2.0)
    flipped = flip_back_cal(heatmaps, offsets, FLIP_INDICES)
    assert torch.allclose(expected[0], flipped[0], atol=1e-5)
    in_disc = expected[2].repeat_interleave(2, dim=1) > 0
    assert torch.allclose(expected[1][in_disc], flipped[1][in_disc], atol=1e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30, -1e30])
def test_labels_that_are_not_positions_have_no_weight(bad):
    for x, y in ((bad, 50.0), (50.0, bad)):
        assert all((part == 0).all() for part in encode_one(x, y))
