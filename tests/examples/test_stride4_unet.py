"""The method for small people in one file: any skeleton, every pixel counts, mirrors, training."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from smallpose import create_method
from smallpose.core.skeleton import AIC14, COCO17, SMALLPOSE, Skeleton
from smallpose.methods.checkpoints.read import read_weights
from smallpose.training.checkpoint import save_model

FILE = str(Path(__file__).parents[2] / "examples" / "stride4_unet.py")


@pytest.mark.parametrize("skeleton", [COCO17, AIC14, Skeleton("two", ("nose", "tail"))])
def test_it_accepts_any_skeleton_and_other_sizes_of_crops(skeleton):
    method = create_method(FILE, skeleton)
    assert method.name == "stride4_unet" and 0.3e6 < method.num_parameters < 0.5e6
    for w, h in ((64, 96), (128, 192), (80, 112)):
        images = torch.randn(2, 3, h, w)
        points, scores = method.decode(method.compute_outputs(images, flip_test=True))
        assert points.shape == (2, len(skeleton), 2) and scores.shape == (2, len(skeleton))


def test_every_pixel_of_a_crop_reaches_the_first_layer_equally():
    """A 7 × 7 convolution of stride 4 would read some pixels more often than others."""
    stem = create_method(FILE).backbone.stem[0]
    image = torch.arange(96.0 * 64 * 3).reshape(1, 3, 96, 64)
    cells = stem(image)
    assert cells.shape == (1, 48, 24, 16)
    assert torch.equal(cells.flatten().sort().values, image.flatten())


def test_targets_of_mirrored_crops_are_mirrored_without_a_shift():
    method = create_method(FILE, SMALLPOSE)
    generator = torch.Generator().manual_seed(0)
    xy = torch.rand(3, 21, 2, generator=generator) * torch.tensor([63.0, 95.0])
    keypoints = torch.cat([xy, torch.full((3, 21, 1), 2.0)], dim=2)
    mirrored = keypoints[:, torch.from_numpy(SMALLPOSE.flip_indices)].clone()
    mirrored[..., 0] = 63 - mirrored[..., 0]
    maps, _ = method.targets(keypoints)
    others, _ = method.targets(mirrored)
    torch.testing.assert_close(method.flip_back(others), maps, atol=1e-5, rtol=0)


def test_its_weights_remember_their_maps(tmp_path):
    method = create_method(FILE)
    save_model(method, tmp_path, method.recipes["quick"])
    assert read_weights(tmp_path).metadata["heatmap"]["targets"] == "half-pixel"
    assert create_method(FILE, weights=tmp_path).heatmap_coding == method.heatmap_coding


@pytest.mark.long
def test_it_learns_crops_by_heart_to_a_fraction_of_a_map_pixel():
    torch.manual_seed(0)
    method = create_method(FILE, Skeleton("two", ("nose", "tail"))).train()
    rng = np.random.default_rng(0)
    points = rng.uniform((10, 10), (54, 86), (8, 2, 2)).astype(np.float32)
    crops = np.full((8, 96, 64, 3), 90, np.uint8)
    for crop, (nose, tail) in zip(crops, points, strict=True):
        for (x, y), colour in ((nose, (250, 40, 40)), (tail, (40, 40, 250))):
            center = (round(float(x) * 16), round(float(y) * 16))
            cv2.circle(crop, center, 4 * 16, colour, -1, cv2.LINE_AA, shift=4)
    keypoints = torch.cat([torch.from_numpy(points), torch.full((8, 2, 1), 2.0)], dim=2)
    images = method.prepare(torch.from_numpy(crops))
    targets = method.targets(keypoints)
    optimizer = torch.optim.AdamW(method.parameters(), lr=5e-3)
    for _ in range(100):
        loss = sum(method.loss(method(images), targets).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    method.eval()
    with torch.no_grad():
        decoded, _ = method.decode(method.compute_outputs(images, flip_test=False))
    assert (decoded - keypoints[..., :2]).abs().median() < 1.0  # a map pixel is 4 px
