"""SimCC: labels over bins, decoding, flip back and loss, checked by hand."""

import math

import pytest
import torch

from smallpose.core.skeleton import COCO17
from smallpose.methods.simcc import kl_bin_loss
from smallpose.models.codecs.simcc import decode_simcc, encode_simcc, flip_back_simcc

SIZE = (192, 256)
VISIBLE = torch.ones(1, 1)
FLIP_INDICES = torch.from_numpy(COCO17.flip_indices)


def make_keypoint(x: float, y: float) -> torch.Tensor:
    return torch.tensor([[[x, y]]])


def test_a_label_is_a_normal_density_without_a_cut_off():
    x, y, weight = encode_simcc(make_keypoint(50.2, 80.25), VISIBLE, SIZE)
    # 2 × 50.2 = 100.4 is bin 100; 2 × 80.25 = 160.5 lies between two and goes to the even one.
    assert (x.argmax(), y.argmax()) == (100, 160)
    assert x.max() == pytest.approx(1 / (6 * math.sqrt(2 * math.pi)))
    assert x[0, 0, 112] == pytest.approx(float(x.max()) * math.exp(-2))
    assert x.sum() == pytest.approx(1)
    assert x[0, 0, 160] > 0
    assert weight == 1


@pytest.mark.parametrize(
    ("x", "has_weight"), [(-9.5, True), (-9.75, False), (200.5, True), (200.75, False)]
)
def test_a_keypoint_has_weight_while_three_sigma_of_its_label_touch_the_bins(x, has_weight):
    # Bins -19 and 401 count: -19 + 18 + 1 is 0, and 401 - 18 is the last of 384. Halves go even.
    labels, _, weight = encode_simcc(make_keypoint(x, 50), VISIBLE, SIZE)
    assert bool(weight) == has_weight
    assert bool(labels.any()) == has_weight


@pytest.mark.parametrize("point", [(0.0, 0.0), (95.5, 127.5), (13.37, 200.02), (191.0, 255.0)])
def test_encoding_and_decoding_moves_a_keypoint_by_at_most_a_quarter_pixel(point):
    x, y, _ = encode_simcc(make_keypoint(*point), VISIBLE, SIZE)
    decoded, score = decode_simcc(x, y)
    assert (decoded - make_keypoint(*point)).abs().max() <= 0.25 + 1e-5
    assert score > 0


def test_a_score_that_is_not_above_zero_is_decoded_outside_the_crop():
    x, y = torch.zeros(1, 2, 384), torch.zeros(1, 2, 512)
    x[0, 0, 7], y[0, 0, 9], y[0, 1] = 3.0, 2.0, 1.0
    points, scores = decode_simcc(x, y)
    assert points.tolist() == [[[3.5, 4.5], [-0.5, -0.5]]]
    assert scores.tolist() == [[2, 0]]


def test_flipping_back_twice_returns_the_logits():
    x, y = torch.rand(2, 17, 384), torch.rand(2, 17, 512)
    flipped = flip_back_simcc(*flip_back_simcc(x, y, FLIP_INDICES), FLIP_INDICES)
    assert torch.allclose(flipped[0], x, atol=1e-6)
    assert torch.equal(flipped[1], y)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30, -1e30])
def test_labels_that_are_not_positions_have_no_weight(bad):
    for x, y in ((bad, 50.0), (50.0, bad)):
        x_labels, y_labels, weight = encode_simcc(make_keypoint(x, y), VISIBLE, SIZE)
        assert weight.item() == 0
        assert (x_labels == 0).all() and (y_labels == 0).all()


def test_the_loss_is_the_divergence_computed_by_hand():
    # Two bins, the label all in the first: log 2 for even logits; a mean over two bins, two joints.
    label = torch.tensor([[[1.0, 0.0], [0.5, 0.5]]])
    loss = kl_bin_loss(torch.zeros(1, 2, 2), label, torch.ones(1, 2))
    assert loss == pytest.approx(math.log(2) / 2 / 2)
    assert kl_bin_loss(torch.zeros(1, 2, 2), label, torch.tensor([[0.0, 1.0]])) == 0
    twice = kl_bin_loss(torch.zeros(2, 2, 2), label.expand(2, -1, -1), torch.ones(2, 2))
    assert twice == pytest.approx(2 * float(loss))  # a sum over the batch
