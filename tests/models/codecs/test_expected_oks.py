"""Maps of probability: their labels, cross-entropy, expected OKS, and what is decoded."""

import math

import numpy as np
import pytest
import torch

from smallpose import create_method
from smallpose.core.skeleton import COCO17, SMALLPOSE, Skeleton
from smallpose.models.codecs.expected_oks import (
    compute_map_cross_entropy,
    decode_expected_oks,
    encode_map_labels,
    find_label_sigmas,
)
from smallpose.training.checkpoint import save_model

TWO = Skeleton("two", ("nose", "tail"), custom_sigmas=(0.026, 0.1))
MAP_WH = (16, 24)
# px of the map: the root of the area of a typical person, 0.8 of the crop high.
TYPICAL_SIDE = math.sqrt(0.36) * 0.8 * 24


def draw_gaussian(px: float, py: float, sigma: float, blur: float) -> np.ndarray:
    """Return (24, 16) Gaussians of the distance to a place in px of the map, by loops."""
    side = math.hypot(sigma * TYPICAL_SIDE, blur)
    rows = [
        [math.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * side**2)) for x in range(MAP_WH[0])]
        for y in range(MAP_WH[1])
    ]
    return np.array(rows)


def make_logits(seed: int) -> torch.Tensor:
    return 3 * torch.randn(1, 2, 24, 16, generator=torch.Generator().manual_seed(seed))


def compute_probabilities(logits: torch.Tensor) -> np.ndarray:
    mass = np.exp(logits.double().numpy())
    return np.asarray(mass / mass.sum())


def test_the_loss_is_the_cross_entropy_with_gaussians_of_sum_1():
    sigmas = find_label_sigmas(TWO)
    logits = make_logits(1)
    keypoints = torch.tensor([[[21.0, 40.5, 2], [61.0, 3.0, 1]]])
    loss = compute_map_cross_entropy(logits, encode_map_labels(keypoints, sigmas, MAP_WH))
    expected = []
    for joint, sigma in enumerate(TWO.sigmas):
        px, py = ((float(v) - 1.5) / 4 for v in keypoints[0, joint, :2])
        label = draw_gaussian(px, py, sigma, blur=0.5)
        label /= label.sum()
        expected.append(-(label * np.log(compute_probabilities(logits[0, joint]))).sum())
    assert float(loss) == pytest.approx(np.mean(expected), rel=1e-5)


def test_no_map_has_a_smaller_loss_than_the_labels():
    """So a network can learn where in a pixel a joint is: the joint comes back from the labels."""
    sigmas = find_label_sigmas(TWO)
    keypoints = torch.tensor([[[25.3, 40.9, 2], [33.0, 60.2, 2]]])
    labels = encode_map_labels(keypoints, sigmas, MAP_WH)
    best = (labels[1][..., None] * labels[0][..., None, :]).clamp(min=1e-30).log()
    best.requires_grad_()
    compute_map_cross_entropy(best, labels).backward()
    assert float(best.grad.abs().max()) < 1e-7
    points, _ = decode_expected_oks(best.detach(), sigmas)
    assert torch.allclose(points, keypoints[..., :2], atol=0.1, rtol=0)


def test_joints_without_label_and_outside_do_not_change_the_loss():
    sigmas = find_label_sigmas(TWO)
    logits = make_logits(1)
    alone = torch.tensor([[[21.0, 40.5, 2], [0.0, 0.0, 0]]])
    expected = compute_map_cross_entropy(logits, encode_map_labels(alone, sigmas, MAP_WH))
    for bad in ([math.nan, 3.0, 0], [70.0, 3.0, 2], [math.nan, 3.0, 2], [3.0, -math.inf, 2]):
        keypoints = torch.tensor([[[21.0, 40.5, 2], bad]])
        labels = encode_map_labels(keypoints, sigmas, MAP_WH)
        assert torch.equal(compute_map_cross_entropy(logits, labels), expected)
    nobody = encode_map_labels(torch.zeros(1, 2, 3), sigmas, MAP_WH)
    assert float(compute_map_cross_entropy(logits, nobody)) == 0


def test_scores_are_the_largest_expected_oks():
    """With OKS's own constant of 2, on maps of random probabilities."""
    logits = make_logits(2)
    points, scores = decode_expected_oks(logits, find_label_sigmas(TWO))
    for joint, sigma in enumerate(TWO.sigmas):
        mass = compute_probabilities(logits[0, joint])
        worth = np.array(
            [
                [(mass * draw_gaussian(x, y, 2 * sigma, 0.3)).sum() for x in range(MAP_WH[0])]
                for y in range(MAP_WH[1])
            ]
        )
        assert float(scores[0, joint]) == pytest.approx(worth.max(), rel=1e-4)
        y, x = np.unravel_index(worth.argmax(), worth.shape)
        on_map = (points[0, joint].double().numpy() - 1.5) / 4
        assert np.abs(on_map - [x, y]).max() <= 0.5 + 1e-6


def test_two_likely_places_side_by_side_win_over_a_likelier_one():
    logits = torch.full((1, 2, 24, 16), -30.0)
    logits[..., 4, 3] = math.log(0.4)
    logits[..., 17, 9:11] = math.log(0.3)
    points, scores = decode_expected_oks(logits, find_label_sigmas(TWO))
    middle = [4 * 9.5 + 1.5, 4 * 17 + 1.5]
    assert torch.allclose(points[0, 1], torch.tensor(middle), atol=0.1, rtol=0)
    assert 0.55 < float(scores[0, 1]) < 0.6


def test_labels_of_mirrored_crops_are_mirrored_without_a_shift():
    method = create_method("expected_oks_tiny", SMALLPOSE)
    generator = torch.Generator().manual_seed(0)
    xy = torch.rand(3, 21, 2, generator=generator) * torch.tensor([63.0, 95.0])
    keypoints = torch.cat([xy, torch.full((3, 21, 1), 2.0)], dim=2)
    mirrored = keypoints[:, torch.from_numpy(SMALLPOSE.flip_indices)].clone()
    mirrored[..., 0] = 63 - mirrored[..., 0]

    def draw(labels: torch.Tensor) -> torch.Tensor:
        x, y, _ = method.targets(labels)
        return y[..., None] * x[..., None, :]

    assert torch.allclose(method.flip_back(draw(mirrored)), draw(keypoints), atol=1e-5, rtol=0)


def test_every_pixel_of_a_crop_reaches_the_first_layer_equally():
    """A 7 × 7 convolution of stride 4 would read some pixels more often than others."""
    image = torch.arange(96.0 * 64 * 3).reshape(1, 3, 96, 64)
    cells = create_method("expected_oks_tiny").backbone.stem[0](image)
    assert cells.shape == (1, 12, 48, 32)
    assert torch.equal(cells.flatten().sort().values, image.flatten())


@pytest.mark.parametrize("skeleton", [COCO17, TWO])
def test_crops_of_other_sizes_are_accepted(skeleton):
    method = create_method("expected_oks_tiny", skeleton)
    for w, h in ((128, 192), (80, 112)):
        method.input_wh = (w, h)
        outputs = method.compute_outputs(torch.randn(2, 3, h, w), flip_test=True)
        points, scores = method.decode(outputs)
        assert points.shape == (2, len(skeleton), 2) and scores.shape == (2, len(skeleton))


def test_weights_remember_the_sigmas(tmp_path):
    method = create_method("expected_oks_tiny", TWO)
    save_model(method, tmp_path, method.recipes["quick"])
    again = create_method("expected_oks_tiny", weights=tmp_path)
    logits = make_logits(3)
    for ours, theirs in zip(again.decode(logits), method.decode(logits), strict=True):
        assert torch.equal(ours, theirs)
    plain = create_method("expected_oks_tiny", Skeleton("two", ("nose", "tail")))
    assert not torch.equal(plain.decode(logits)[1], method.decode(logits)[1])
