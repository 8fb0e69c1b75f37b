"""SimCC's bins, regressed coordinates, UDP's heatmaps and CAL's offsets, by hand."""

import math

import cv2
import numpy as np
import pytest
import torch

from smallpose.core.skeleton import COCO17
from smallpose.methods.simcc import kl_bin_loss
from smallpose.models.codecs import cal, coordinates, simcc, udp_heatmap
from smallpose.models.codecs.peaks import find_first_maximum, find_peak_pixels

SIZE, MAP = (192, 256), (48, 64)
MIRROR = torch.from_numpy(COCO17.flip_indices)


def one(x: float, y: float) -> torch.Tensor:
    return torch.tensor([[[x, y]]])


SEEN = torch.ones(1, 1)
INSIDE = [(0.0, 0.0), (95.5, 127.5), (13.37, 200.02), (191.0, 255.0)]


def test_of_equal_places_the_first_one_is_the_largest():
    largest, place = find_first_maximum(torch.tensor([[3.0, 7, 7, 1], [0, 0, 0, 0]]))
    assert largest.tolist() == [7, 0]
    assert place.tolist() == [1, 0]
    maps = torch.zeros(1, 1, 3, 4)
    maps[0, 0, 1, 2] = maps[0, 0, 2, 0] = 5
    assert find_peak_pixels(maps)[0].tolist() == [[[2, 1]]]


def test_the_bell_of_a_bin_has_its_height_and_is_not_cut():
    x, y, weight = simcc.encode_simcc(one(50.2, 80.25), SEEN, SIZE)
    # 2 × 50.2 = 100.4 is bin 100; 2 × 80.25 = 160.5 lies between two and goes to the even one.
    assert (x.argmax(), y.argmax()) == (100, 160)
    assert x.max() == pytest.approx(1 / (6 * math.sqrt(2 * math.pi)))
    assert x[0, 0, 112] == pytest.approx(float(x.max()) * math.exp(-2))
    assert x.sum() == pytest.approx(1)
    assert x[0, 0, 160] > 0
    assert weight == 1


@pytest.mark.parametrize(
    ("x", "counts"), [(-9.5, True), (-9.75, False), (200.5, True), (200.75, False)]
)
def test_a_keypoint_counts_while_three_sigma_of_its_label_touch_the_bins(x, counts):
    # Bins -19 and 401 count: -19 + 18 + 1 is 0, and 401 - 18 is the last of 384. Halves go even.
    labels, _, weight = simcc.encode_simcc(one(x, 50), SEEN, SIZE)
    assert bool(weight) == counts
    assert bool(labels.any()) == counts


@pytest.mark.parametrize("point", INSIDE)
def test_bins_come_back_to_a_quarter_of_a_pixel(point):
    x, y, _ = simcc.encode_simcc(one(*point), SEEN, SIZE)
    found, score = simcc.decode_simcc(x, y)
    assert (found - one(*point)).abs().max() <= 0.25 + 1e-5
    assert score > 0


def test_a_score_that_is_not_above_zero_means_nowhere():
    x, y = torch.zeros(1, 2, 384), torch.zeros(1, 2, 512)
    x[0, 0, 7], y[0, 0, 9], y[0, 1] = 3.0, 2.0, 1.0
    points, scores = simcc.decode_simcc(x, y)
    assert points.tolist() == [[[3.5, 4.5], [-0.5, -0.5]]]
    assert scores.tolist() == [[2, 0]]


def test_the_loss_of_bins_is_the_divergence_by_hand():
    # Two bins, the label all in the first: log 2 for even logits; a mean over two bins, two joints.
    label = torch.tensor([[[1.0, 0.0], [0.5, 0.5]]])
    loss = kl_bin_loss(torch.zeros(1, 2, 2), label, torch.ones(1, 2))
    assert loss == pytest.approx(math.log(2) / 2 / 2)
    assert kl_bin_loss(torch.zeros(1, 2, 2), label, torch.tensor([[0.0, 1.0]])) == 0
    twice = kl_bin_loss(torch.zeros(2, 2, 2), label.expand(2, -1, -1), torch.ones(2, 2))
    assert twice == pytest.approx(2 * float(loss))  # a sum over the batch


@pytest.mark.parametrize(
    ("x", "y", "v", "weight"),
    [(0, 0, 1, 1), (191, 255, 1, 1), (191.01, 9, 1, 0), (9, -0.01, 1, 0), (9, 9, 0, 0)],
)
def test_coordinates_count_between_the_outer_pixel_centres(x, y, v, weight):
    target, weights = coordinates.encode_coordinates(one(x, y), torch.full((1, 1), float(v)), SIZE)
    assert torch.equal(target, one(x / 192, y / 256))
    assert weights.item() == weight


def test_the_score_of_a_coordinate_is_its_mean_certainty():
    points, scores = coordinates.decode_coordinates(one(0.5, 0.25), one(0.2, 0.6), SIZE)
    assert points.tolist() == [[[96, 64]]]
    assert scores.item() == pytest.approx(0.6)
    assert coordinates.decode_coordinates(one(0.5, 0.25), None, SIZE)[1].item() == 1


@pytest.mark.parametrize("point", [*INSIDE, (-6.0, 100.0), (190.9, -3.0)])
def test_udp_maps_are_the_exact_gaussian_within_its_patch(point):
    maps, weight = udp_heatmap.encode_udp_heatmaps(one(*point), SEEN, SIZE, MAP)
    kx, ky = point[0] * 47 / 191, point[1] * 63 / 255
    mx, my = math.trunc(kx + 0.5), math.trunc(ky + 0.5)
    assert weight == 1
    for y in range(64):
        for x in range(48):
            near = abs(x - mx) <= 6 and abs(y - my) <= 6
            wanted = math.exp(-((x - kx) ** 2 + (y - ky) ** 2) / 8) if near else 0.0
            assert maps[0, 0, y, x] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("point", [(95.5, 127.5), (60.3, 141.9), (100.0, 33.3)])
def test_udp_comes_back_to_the_crop_pixel(point):
    maps, _ = udp_heatmap.encode_udp_heatmaps(one(*point), SEEN, SIZE, MAP)
    found, score = udp_heatmap.decode_udp_heatmaps(maps, SIZE)
    # In units where the image's own formula divides by w, hence 192 / 191.
    exact = one(point[0] * 192 / 191, point[1] * 256 / 255)
    assert (found - exact).abs().max() < 0.02
    assert score == maps.max()


def test_udp_finds_nothing_on_a_map_without_a_peak_and_stays_finite():
    maps = torch.stack([torch.zeros(64, 48), -torch.rand(64, 48), torch.full((64, 48), 1e-9)])
    found, scores = udp_heatmap.decode_udp_heatmaps(maps[None], SIZE)
    assert torch.allclose(found[0, :2], torch.tensor([-192 / 47, -256 / 63]))
    assert torch.isfinite(found).all()
    assert scores[0, 0] == 0


def test_the_blur_before_decoding_is_opencvs_to_the_bit():
    maps = torch.randn(2, 3, 64, 48)
    wanted = [cv2.GaussianBlur(np.pad(m, 5), (11, 11), 0) for m in maps.flatten(0, 1).numpy()]
    ours = udp_heatmap._smooth(maps, 11).flatten(0, 1).numpy()
    assert (ours == np.stack(wanted)[:, 5:-5, 5:-5]).all()


def test_a_mirrored_map_decodes_to_the_mirrored_keypoint():
    maps, _ = udp_heatmap.encode_udp_heatmaps(one(60.3, 141.9), SEEN, SIZE, MAP)
    here, there = (
        udp_heatmap.decode_udp_heatmaps(maps, SIZE)[0],
        udp_heatmap.decode_udp_heatmaps(maps.flip(-1), SIZE)[0],
    )
    assert here[0, 0, 0] + there[0, 0, 0] == pytest.approx(192, abs=1e-3)


@pytest.mark.parametrize("point", [(95.5, 127.5), (60.3, 141.9), (3.0, 250.0)])
def test_offsets_bring_the_pixel_to_the_keypoint(point):
    heatmaps, offsets, near, weight = cal.encode_cal(one(*point), SEEN, SIZE, MAP, sigma=2.0)
    found, _ = cal.decode_cal(heatmaps, offsets, SIZE)
    exact = one(point[0] * 192 / 191, point[1] * 256 / 255)
    assert (found - exact).abs().max() < 1e-4
    assert weight == 1
    # A disc of radius 4 cut by no border covers about 50 pixels.
    assert 12 < near.sum() < 54
    assert (offsets[0, :, near[0, 0] == 0] == 0).all()


@pytest.mark.parametrize(("x", "counts"), [(-7, True), (-7.6, False), (53, True), (54, False)])
def test_a_keypoint_of_cal_counts_while_its_box_reaches_a_pixel(x, counts):
    # The box runs from m - 6 up to and without m + 7; m is x + 0.5 cut towards zero, -6 for -7.
    *maps, weight = cal.encode_cal(one(x * 191 / 47, 100), SEEN, SIZE, MAP, sigma=2.0)
    assert bool(weight) == counts
    assert bool(maps[0].any()) == counts


def test_cals_offsets_change_sign_in_the_mirror():
    points = torch.rand(2, 17, 2) * torch.tensor([191.0, 255.0])
    turned = points[:, MIRROR].clone()
    turned[..., 0] = 191 - turned[..., 0]
    seen = torch.ones(2, 17)
    here = cal.encode_cal(points, seen, SIZE, MAP, sigma=2.0)
    back = cal.flip_back_cal(*cal.encode_cal(turned, seen, SIZE, MAP, sigma=2.0)[:2], MIRROR)
    assert torch.allclose(here[0], back[0], atol=1e-5)
    same = here[2].repeat_interleave(2, dim=1) > 0
    assert torch.allclose(here[1][same], back[1][same], atol=1e-4)


@pytest.mark.parametrize("sides", ["bins", "coordinates"])
def test_mirroring_twice_gives_the_outputs_back(sides):
    first, second = torch.rand(2, 17, 384), torch.rand(2, 17, 512)
    if sides == "bins":
        again = simcc.flip_back_simcc(*simcc.flip_back_simcc(first, second, MIRROR), MIRROR)
    else:
        first, second = torch.rand(2, 17, 2), torch.rand(2, 17, 2)
        turned = coordinates.flip_back_coordinates(first, second, MIRROR, SIZE)
        again = coordinates.flip_back_coordinates(*turned, MIRROR, SIZE)
    assert torch.allclose(again[0], first, atol=1e-6)
    assert torch.equal(again[1], second)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30, -1e30])
def test_labels_that_are_no_places_get_no_weight(bad):
    for x, y in ((bad, 50.0), (50.0, bad)):
        point = one(x, y)
        for made in (
            udp_heatmap.encode_udp_heatmaps(point, SEEN, SIZE, MAP),
            simcc.encode_simcc(point, SEEN, SIZE),
            cal.encode_cal(point, SEEN, SIZE, MAP, 2.0),
        ):
            assert made[-1].item() == 0
            assert all(torch.isfinite(part).all() and not part.any() for part in made)
        assert coordinates.encode_coordinates(point, SEEN, SIZE)[1].item() == 0
