"""What methods see of people, and the figure that shows it."""

import numpy as np
import pytest
import torch

from smallpose.dataloading.affine import box_window
from smallpose.dataloading.top_down.batches import cut_boxes
from smallpose.inference.feature_maps.full_image import _along
from smallpose.inference.feature_maps.top_down import look
from smallpose.methods import create_method
from smallpose.methods.full_image import WholeImageMethod
from smallpose.models.codecs.offsets import decode_boxes, iou
from smallpose.models.heads.feature_levels import stack_levels
from smallpose.report.figures.feature_maps import seen_by


def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (90, 120, 3), np.uint8)


BOXES = np.array([[10.0, 5, 30, 60], [60, 20, 20, 40]])


@pytest.mark.parametrize(
    "name", ["simple_baseline_r18_tiny", "simcc_r18_tiny", "rle_r18_tiny", "cal_hrnet_w16_tiny"]
)
def test_each_kind_of_output_has_a_map_of_the_crops_quarter(name):
    method = create_method(name)
    seen = look(method, picture(), BOXES)
    assert seen.crops.shape == (2, 96, 64, 3)
    assert seen.heatmaps.shape == (2, 24, 16)
    assert seen.features.shape[0] == 2
    assert (seen.features >= 0).all()


def test_a_heatmap_is_the_networks_own_largest():
    method = create_method("simple_baseline_r18_tiny")
    seen = look(method, picture(), BOXES)
    with torch.no_grad():
        raw = method(method.prepare(torch.from_numpy(seen.crops)))
        strength = method.backbone(method.prepare(torch.from_numpy(seen.crops))).norm(dim=1)
    np.testing.assert_allclose(seen.heatmaps, raw.max(dim=1).values.numpy(), rtol=1e-6)
    np.testing.assert_allclose(seen.features, strength.numpy(), rtol=1e-5)


def test_a_spread_is_a_bell_where_the_coordinate_is():
    from smallpose.inference.feature_maps.top_down import _bells

    raw = torch.tensor([[[0.25, 0.75, -3.0, -3.0]]])
    (bell,) = _bells(raw, (64, 96)).numpy()
    y, x = np.unravel_index(bell.argmax(), bell.shape)
    assert abs((x + 0.5) / 16 - 0.25) <= 1 / 32 + 1e-9
    assert abs((y + 0.5) / 24 - 0.75) <= 1 / 48 + 1e-9


# In a picture of 256 × 256 that is shown as it is, the window of this box is a part of the maps.
WINDOW = np.array([[128.0 - 96 / 1.25, 128 - 128 / 1.25, 192 / 1.25, 256 / 1.25]])


def as_it_is(name: str) -> tuple[WholeImageMethod, np.ndarray]:
    torch.manual_seed(0)
    method = create_method(name).eval()
    assert isinstance(method, WholeImageMethod)
    method.input_wh = (256, 256)
    return method, np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)


def test_a_full_image_methods_maps_are_cut_at_the_persons_window():
    method, whole = as_it_is("dekr_hrnet_w8_tiny")
    seen = look(method, whole, WINDOW)
    with torch.no_grad():
        shown = method.prepare(torch.from_numpy(whole)[None])
        maps, _ = method(shown)
        strength = stack_levels(method.backbone(shown)).norm(dim=1)
    largest = maps[0, :-1].amax(dim=0)  # without the roots
    np.testing.assert_allclose(seen.heatmaps[0], largest[:, 8:56].numpy(), rtol=1e-6)
    np.testing.assert_allclose(seen.features[0], strength[0, :, 8:56].numpy(), rtol=1e-6)
    assert (seen.crops[0] == whole[:, 32:224]).all()


@pytest.mark.parametrize("name", ["rtmo_tiny", "cid_hrnet_w8_tiny", "dekr_hrnet_w8_tiny"])
def test_full_image_methods_see_the_crops_that_top_down_methods_see(name):
    method, whole = create_method(name), picture()
    method.train()
    seen = look(method, whole, BOXES)
    assert method.training
    assert (seen.crops == cut_boxes(whole, BOXES, (192, 256))[0]).all()
    assert seen.heatmaps.shape == seen.features.shape == (2, 64, 48)
    assert (seen.features >= 0).all() and seen.features.any()
    assert look(method, whole, BOXES[:0]).heatmaps.shape == (0, 64, 48)


def test_rtmos_map_is_the_product_of_the_bins_of_the_cell_that_claims_the_box():
    method, whole = as_it_is("rtmo_tiny")
    with torch.no_grad():
        cells = method(method.prepare(torch.from_numpy(whole)[None]))
        boxes = decode_boxes(cells.boxes, cells.points)[0]
    # A box of the network's own, whose window holds all of its bins.
    inside = ((boxes > 45) & (boxes < 211)).all(dim=1) & (boxes[:, 2:] - boxes[:, :2] > 8).all(1)
    cell = int(torch.nonzero(inside)[0, 0])
    x0, y0, x1, y1 = boxes[cell].tolist()
    seen = look(method, whole, np.array([[x0, y0, x1 - x0, y1 - y0]]))
    with torch.no_grad():
        best = (cells.logits[0, :, 0].sigmoid() * iou(boxes, boxes[cell])).argmax()
    # Bins cover a quarter more than the claiming cell's box; beyond them there is nothing.
    low, high = boxes[best, :2].numpy(), boxes[best, 2:].numpy()
    (middle,), (sides,) = box_window(np.array([[x0, y0, x1 - x0, y1 - y0]]), (192, 256))
    rows, columns = np.mgrid[:64, :48]
    at = np.stack([columns, rows], axis=-1) * 4 * sides[0] / 192 + middle - sides / 2
    far = (np.abs(at - (low + high) / 2) > 0.65 * (high - low) + sides[0] / 48).any(axis=-1)
    heat = seen.heatmaps[0]
    assert not heat[far].any() and heat.any()
    # Each joint's map sums to 1, or to less where the window ends; the largest of k to at most k.
    assert 0.5 < heat.sum() < len(method.skeleton)


def test_shares_along_an_axis_add_up_to_one_and_stand_at_their_bins():
    p = np.array([[0.0, 1, 0, 0], [0.25, 0.25, 0.25, 0.25]])
    shares = _along(p, np.array([10.0, 12, 14, 16]), np.arange(0.0, 30))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    # The second bin is [11, 13]: half of the step at 11, the step at 12, half of the one at 13.
    np.testing.assert_allclose(shares[0, 10:15], [0, 0.25, 0.5, 0.25, 0])
    np.testing.assert_allclose(shares[1, 10:17], 1 / 8)


def test_methods_share_one_colour_scale():
    crops = [np.zeros((8, 6, 3), np.uint8)] * 2
    dim, bright = [np.full((4, 3), 0.2)] * 2, [np.full((4, 3), 0.9)] * 2
    figure = seen_by(crops, {"a": dim, "b": bright}, {"a": dim, "b": bright}, [20, 31])
    shown = [i for a in figure.axes for i in a.images if i.get_array().shape == (4, 3)]
    scales = {(i.get_cmap().name, *i.get_clim()) for i in shown}
    assert len(shown) == 8
    assert {s for s in scales if s[0] == "magma"} == {("magma", 0.0, 0.9)}
    assert len(scales) == 2
    assert "31 px" in {axis.get_ylabel() for axis in figure.axes}
