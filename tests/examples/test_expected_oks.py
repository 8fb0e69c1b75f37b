"""The method for small people in one file: its likelihood, what it decodes, mirrors, weights."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from smallpose import create_method
from smallpose.core.skeleton import AIC14, COCO17, SMALLPOSE, Skeleton
from smallpose.training.checkpoint import save_model

FILE = str(Path(__file__).parents[2] / "examples" / "expected_oks.py")
TWO = Skeleton("two", ("nose", "tail"), custom_sigmas=(0.026, 0.1))
MAP_WH = (16, 24)
# px of the map: the side of a square as large as a typical box, 0.8 of the crop high.
TYPICAL_SIDE = math.sqrt(0.36) * 0.8 * 24


def make_keypoints(skeleton: Skeleton, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    xy = torch.rand(count, len(skeleton), 2, generator=generator) * torch.tensor([63.0, 95.0])
    return torch.cat([xy, torch.full((count, len(skeleton), 1), 2.0)], dim=2)


def compute_kernel(px: float, py: float, sigma: float) -> np.ndarray:
    """Return (24, 16) Gaussians of the distance to a place in px of the map, by loops."""
    side = math.hypot(sigma * TYPICAL_SIDE, 0.3)
    rows = [
        [math.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * side**2)) for x in range(MAP_WH[0])]
        for y in range(MAP_WH[1])
    ]
    return np.array(rows)


@pytest.mark.parametrize("skeleton", [COCO17, AIC14, Skeleton("two", ("nose", "tail"))])
def test_it_accepts_any_skeleton_and_other_sizes_of_crops(skeleton):
    method = create_method(FILE, skeleton)
    assert method.name == "expected_oks" and 0.2e6 < method.num_parameters < 0.4e6
    for w, h in ((64, 96), (128, 192), (80, 112)):
        method.input_wh = (w, h)
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


def test_the_loss_is_the_likelihood_of_the_labels_under_the_maps():
    method = create_method(FILE, TWO)
    logits = torch.randn(1, 2, 24, 16, generator=torch.Generator().manual_seed(1))
    keypoints = torch.tensor([[[21.0, 40.5, 2], [47.0, 70.0, 1]]])
    loss = float(method.loss(logits, method.targets(keypoints))["labels"])
    expected = []
    for joint, sigma in enumerate(TWO.sigmas):
        mass = np.exp(logits[0, joint].double().numpy())
        px, py = ((float(v) - 1.5) / 4 for v in keypoints[0, joint, :2])
        expected.append(-math.log((mass * compute_kernel(px, py, sigma)).sum() / mass.sum() + 1e-6))
    assert loss == pytest.approx(np.mean(expected), rel=1e-4)


def test_unlabelled_joints_and_those_outside_do_not_change_the_loss():
    method = create_method(FILE, TWO)
    logits = torch.randn(1, 2, 24, 16, generator=torch.Generator().manual_seed(1))
    alone = torch.tensor([[[21.0, 40.5, 2], [0.0, 0.0, 0]]])
    expected = method.loss(logits, method.targets(alone))["labels"]
    for bad in ([math.nan, 3.0, 0], [70.0, 3.0, 2], [math.nan, 3.0, 2], [3.0, -math.inf, 2]):
        keypoints = torch.tensor([[[21.0, 40.5, 2], bad]])
        assert torch.equal(method.loss(logits, method.targets(keypoints))["labels"], expected)
    nobody = torch.zeros(1, 2, 3)
    assert float(method.loss(logits, method.targets(nobody))["labels"]) == 0


def test_scores_are_the_largest_expected_oks():
    """With OKS's own constant of 2, on maps of random probabilities."""
    method = create_method(FILE, TWO)
    logits = 3 * torch.randn(1, 2, 24, 16, generator=torch.Generator().manual_seed(2))
    points, scores = method.decode(logits)
    for joint, sigma in enumerate(TWO.sigmas):
        mass = np.exp(logits[0, joint].double().numpy())
        mass /= mass.sum()
        worth = np.array(
            [
                [(mass * compute_kernel(x, y, 2 * sigma)).sum() for x in range(MAP_WH[0])]
                for y in range(MAP_WH[1])
            ]
        )
        assert float(scores[0, joint]) == pytest.approx(worth.max(), rel=1e-4)
        y, x = np.unravel_index(worth.argmax(), worth.shape)
        on_map = (points[0, joint].double().numpy() - 1.5) / 4
        assert np.abs(on_map - [x, y]).max() <= 0.5 + 1e-6


def test_two_likely_places_side_by_side_win_over_a_likelier_one():
    method = create_method(FILE, TWO)
    logits = torch.full((1, 2, 24, 16), -30.0)
    logits[..., 4, 3] = math.log(0.4)
    logits[..., 17, 9:11] = math.log(0.3)
    points, scores = method.decode(logits)
    middle = [4 * 9.5 + 1.5, 4 * 17 + 1.5]
    torch.testing.assert_close(points[0, 1], torch.tensor(middle), atol=0.1, rtol=0)
    assert 0.55 < float(scores[0, 1]) < 0.6


def test_targets_of_mirrored_crops_are_mirrored_without_a_shift():
    method = create_method(FILE, SMALLPOSE)
    keypoints = make_keypoints(SMALLPOSE, 3)
    mirrored = keypoints[:, torch.from_numpy(SMALLPOSE.flip_indices)].clone()
    mirrored[..., 0] = 63 - mirrored[..., 0]

    def draw(labels: torch.Tensor) -> torch.Tensor:
        x, y, _ = method.targets(labels)
        return y[..., None] * x[..., None, :]

    torch.testing.assert_close(method.flip_back(draw(mirrored)), draw(keypoints), atol=1e-5, rtol=0)


def test_its_weights_remember_the_sigmas(tmp_path):
    skeleton = replace(TWO, custom_sigmas=(0.05, 0.09))
    method = create_method(FILE, skeleton)
    save_model(method, tmp_path, method.recipes["quick"])
    again = create_method(FILE, weights=tmp_path)
    logits = torch.randn(1, 2, 24, 16)
    for ours, theirs in zip(again.decode(logits), method.decode(logits), strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.equal(create_method(FILE, TWO).decode(logits)[1], method.decode(logits)[1])
