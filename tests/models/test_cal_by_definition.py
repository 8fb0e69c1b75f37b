"""CAL's targets, mask, loss and decoding against its definition, written out pixel by pixel.

MMPose has no CAL, so what stands here is the authors' description (Wang et al. 2021, Sec. 3) again:
loops over people, joints and pixels in NumPy's double precision, and SciPy's Gaussian.
"""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

from smallpose.core.skeleton import COCO17
from smallpose.dataloading.affine import map_to_image
from smallpose.methods import cal as method
from smallpose.models.codecs import cal

Floats = NDArray[np.float64]
SIZE, MAP = (96, 128), (24, 32)
MIRROR = torch.from_numpy(COCO17.flip_indices)


def crowd(seed: int, people: int = 4, joints: int = 5) -> tuple[Floats, Floats]:
    """Keypoints on, in and beyond crops, some hidden."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-0.3, 1.3, (people, joints, 2)) * SIZE
    points[0, :3] = [[0, 0], [SIZE[0] - 1, SIZE[1] - 1], [47.5, 63.5]]
    return points, (rng.random((people, joints)) > 0.25).astype(float)


def target_of(point: Floats, seen: float, sigma: float) -> tuple[Floats, Floats, Floats, float]:
    """One keypoint's (h, w) heatmap, (2, h, w) offsets, (h, w) disc, and its weight."""
    w, h = MAP
    bell, field, disc = np.zeros((h, w)), np.zeros((2, h, w)), np.zeros((h, w))
    # The outer pixels' centres of crop and map lie on each other.
    place = [point[i] * (MAP[i] - 1) / (SIZE[i] - 1) for i in (0, 1)]
    reach = math.floor(3 * sigma + 0.5)
    for at, side in zip(place, MAP, strict=True):
        middle = int(at + 0.5)
        if middle - reach >= side or middle + reach + 1 <= 0:
            seen = 0.0
    if not seen:
        return bell, field, disc, 0.0
    for y in range(h):
        for x in range(w):
            away = (place[0] - x, place[1] - y)
            square = away[0] ** 2 + away[1] ** 2
            bell[y, x] = math.exp(-square / (2 * sigma**2))
            if square <= 4.0**2:
                field[:, y, x] = np.array(away) / 1.5
                disc[y, x] = 1
    bell[bell < np.finfo(np.float32).eps * bell.max()] = 0
    return bell, field, disc, 1.0


def maximum(heatmap: Floats) -> tuple[int, int]:
    """x, y of the first largest pixel; the corner where nothing is above 0."""
    y, x = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    return (int(x), int(y)) if heatmap.max() > 0 else (0, 0)


def mask_of(heatmaps: Floats, truth: Floats, weights: Floats) -> Floats:
    """(b, k, h, w): where each offset is taught, by one Gaussian of all the batch's misses."""
    taught = [(i, j) for i, j in np.ndindex(weights.shape) if weights[i, j]]
    misses = np.array([np.subtract(maximum(heatmaps[p]), maximum(truth[p])) for p in taught])
    covariance = np.cov(misses.T, bias=True) + 1e-6 * np.eye(2)
    misses_like = multivariate_normal(misses.mean(axis=0), covariance)
    masks = np.zeros_like(truth)
    for place in taught:
        x, y = maximum(truth[place])
        for dy in range(-3, 4):
            for dx in range(-3, 4):
                if 0 <= x + dx < truth.shape[3] and 0 <= y + dy < truth.shape[2]:
                    masks[place][y + dy, x + dx] = misses_like.pdf([dx, dy])
    low, high = (f(masks, axis=(2, 3), keepdims=True) for f in (np.min, np.max))
    return (masks - low) / (high - low + 1e-5)


def loss_of(
    heatmaps: Floats, offsets: Floats, target: tuple[Floats, Floats], mask: Floats, weights: Floats
) -> tuple[float, float]:
    """Means over the joints of each joint's own means over people and pixels."""
    on_maps, on_offsets = [], []
    for j in range(heatmaps.shape[1]):
        weight = weights[:, j, None, None]
        on_maps.append(0.5 * np.mean((weight * heatmaps[:, j] - weight * target[0][:, j]) ** 2))
        counts = (mask[:, j] * weight)[:, None]
        pair = slice(2 * j, 2 * j + 2)
        on_offsets.append(np.mean(np.abs(counts * offsets[:, pair] - counts * target[1][:, pair])))
    return float(np.mean(on_maps)), float(np.mean(on_offsets))


def targets(points: Floats, seen: Floats, sigma: float) -> tuple[Floats, Floats, Floats, Floats]:
    parts = [
        [target_of(p, s, sigma) for p, s in zip(*one, strict=True)]
        for one in zip(points, seen, strict=True)
    ]
    bells, fields, discs, weights = (
        np.array([[joint[i] for joint in one] for one in parts]) for i in range(4)
    )
    return bells, fields.reshape(len(points), -1, *fields.shape[-2:]), discs, weights


@pytest.mark.parametrize("sigma", [2.0, 1.0, 0.3])
def test_targets_are_the_definitions(sigma):
    points, seen = crowd(0)
    given = torch.from_numpy(points).float()
    ours = cal.encode_cal(given, torch.from_numpy(seen).float(), SIZE, MAP, sigma)
    wanted = targets(given.double().numpy(), seen, sigma)
    assert 0 < wanted[3].sum() < seen.sum(), "some leave the map, some stay"
    for mine, by_hand in zip(ours, wanted, strict=True):
        assert mine.shape == by_hand.shape
        assert np.abs(mine.numpy() - by_hand).max() < 2e-6


@pytest.mark.parametrize("seed", range(3))
def test_mask_loss_and_gradient_are_the_definitions(seed):
    points, seen = crowd(seed)
    given = torch.from_numpy(points).float()
    target = cal.encode_cal(given, torch.from_numpy(seen).float(), SIZE, MAP, 2.0)
    rng = np.random.default_rng(seed)
    bells, fields = target[0].double().numpy(), target[1].double().numpy()
    weights = target[3].double().numpy()
    # Maxima that miss by a few pixels, not by as much in x as in y; one map without any.
    heatmaps = np.roll(bells, (1, -2), axis=(2, 3)) * 0.6 + rng.normal(0, 0.2, bells.shape)
    heatmaps[1, 1] = -1
    offsets = rng.normal(0, 1, fields.shape)
    mask = mask_of(heatmaps.astype(np.float32).astype(float), bells, weights)
    wanted = loss_of(heatmaps, offsets, (bells, fields), mask, weights)

    outputs = tuple(torch.from_numpy(o).float().requires_grad_() for o in (heatmaps, offsets))
    got = method.compute_confidence_mask(outputs[0], target[0], target[3])
    assert np.abs(got.numpy() - mask).max() < 1e-5
    assert not got.requires_grad
    ours = method.heatmap_and_offset_loss(outputs, target, got)
    assert [t.item() for t in ours] == pytest.approx(wanted, rel=1e-5)

    (ours[0] + 0.7 * ours[1]).backward()
    b, k, h, w = bells.shape
    weight = weights[..., None, None]
    by_hand = weight**2 * (heatmaps - bells) / (b * k * h * w)
    assert np.abs(outputs[0].grad.numpy() - by_hand).max() < 1e-5 * np.abs(by_hand).max()
    counts = np.repeat(mask * weight, 2, axis=1)
    by_hand = 0.7 * counts * np.sign(offsets - fields) / (2 * b * k * h * w)
    assert np.abs(outputs[1].grad.numpy() - by_hand).max() < 1e-4 * np.abs(by_hand).max()


def test_decoding_to_the_image_is_the_definitions():
    rng = np.random.default_rng(0)
    heatmaps, offsets = rng.normal(-1, 1, (3, 17, 32, 24)), rng.normal(0, 1, (3, 34, 32, 24))
    heatmaps[0, 0] = -1
    center, scale = rng.uniform(50, 400, (3, 2)), rng.uniform(60, 300, (3, 2))
    given = (torch.from_numpy(heatmaps).float(), torch.from_numpy(offsets).float())
    points, scores = cal.decode_cal(*given, SIZE)
    found = map_to_image(points.double().numpy(), center, scale, SIZE)
    for i, j in np.ndindex(3, 17):
        x, y = maximum(heatmaps[i, j])
        at = np.array([x, y]) + 1.5 * offsets[i, 2 * j : 2 * j + 2, y, x]
        wanted = at * scale[i] / (np.array(MAP) - 1) + center[i] - scale[i] / 2
        assert found[i, j] == pytest.approx(wanted, abs=1e-3)
        assert scores[i, j] == pytest.approx(heatmaps[i, j].max(), abs=1e-6)


def test_the_mirrored_half_of_the_flip_test_is_the_definitions():
    rng = np.random.default_rng(0)
    heatmaps, offsets = rng.random((2, 17, 8, 6)), rng.normal(0, 1, (2, 34, 8, 6))
    back = cal.flip_back_cal(torch.from_numpy(heatmaps), torch.from_numpy(offsets), MIRROR)
    for j, partner in enumerate(COCO17.flip_indices):
        assert np.array_equal(back[0][:, j], heatmaps[:, partner, :, ::-1])
        assert np.array_equal(back[1][:, 2 * j], -offsets[:, 2 * partner, :, ::-1])
        assert np.array_equal(back[1][:, 2 * j + 1], offsets[:, 2 * partner + 1, :, ::-1])
