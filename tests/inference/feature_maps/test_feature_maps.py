"""Feature maps of people, and the figure that shows them."""

import numpy as np
import pytest
import torch

from smallpose.core.errors import InputError
from smallpose.dataloading.affine import compute_box_window
from smallpose.dataloading.top_down.batches import cut_boxes
from smallpose.inference.feature_maps.full_image import _resample_bins
from smallpose.inference.feature_maps.top_down import compute_feature_maps
from smallpose.methods import create_method
from smallpose.methods.full_image import FullImageMethod
from smallpose.models.codecs.offsets import box_iou, decode_boxes
from smallpose.models.heads.feature_levels import stack_levels
from smallpose.report.figures.feature_maps import draw_feature_maps


def make_image() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (90, 120, 3), np.uint8)


BOXES = np.array([[10.0, 5, 30, 60], [60, 20, 20, 40]])


@pytest.mark.parametrize(
    "name",
    [
        "simple_baseline_r18_tiny",
        "simcc_r18_tiny",
        "rle_r18_tiny",
        "cal_hrnet_w16_tiny",
        "rtmpose_tiny",
        "expected_oks_tiny",
    ],
)
def test_each_kind_of_output_has_a_map_of_a_quarter_of_the_crop(name):
    method = create_method(name)
    maps = compute_feature_maps(method, make_image(), BOXES)
    assert maps.crops.shape == (2, 96, 64, 3)
    assert maps.heatmaps.shape == (2, 24, 16)
    assert maps.features.shape[0] == 2
    assert (maps.features >= 0).all()


def test_methods_of_other_forms_are_refused_by_what_they_return(monkeypatch):
    method = create_method("rle_r18_tiny")
    forward = method.forward
    monkeypatch.setattr(method, "forward", lambda images: forward(images)[..., :2])
    with pytest.raises(InputError, match="returns an array of n × 17 × 2, neither"):
        compute_feature_maps(method, make_image(), BOXES)
    monkeypatch.setattr(method, "forward", lambda images: torch.zeros(len(images), 17, 24, 16))
    with pytest.raises(InputError, match="'backbone' that returns no"):
        compute_feature_maps(method, make_image(), BOXES)
    monkeypatch.setattr(method, "forward", forward)
    method.stem = method.backbone
    del method.backbone
    with pytest.raises(InputError, match="has no part called 'backbone'"):
        compute_feature_maps(method, make_image(), BOXES)


def test_a_heatmap_is_the_maximum_over_the_joints():
    method = create_method("simple_baseline_r18_tiny")
    maps = compute_feature_maps(method, make_image(), BOXES)
    with torch.no_grad():
        raw = method(method.prepare(torch.from_numpy(maps.crops)))
        norms = method.backbone(method.prepare(torch.from_numpy(maps.crops))).norm(dim=1)
    np.testing.assert_allclose(maps.heatmaps, raw.max(dim=1).values.numpy(), rtol=1e-6)
    np.testing.assert_allclose(maps.features, norms.numpy(), rtol=1e-5)


def test_a_coordinate_with_a_spread_is_drawn_as_a_gaussian():
    from smallpose.inference.feature_maps.top_down import _draw_gaussians

    raw = torch.tensor([[[0.25, 0.75, -3.0, -3.0]]])
    (gaussian,) = _draw_gaussians(raw, (64, 96)).numpy()
    y, x = np.unravel_index(gaussian.argmax(), gaussian.shape)
    assert abs((x + 0.5) / 16 - 0.25) <= 1 / 32 + 1e-9
    assert abs((y + 0.5) / 24 - 0.75) <= 1 / 48 + 1e-9


# In an image of 256 × 256 that is not resized, the window of this box is a part of the maps.
WINDOW = np.array([[128.0 - 96 / 1.25, 128 - 128 / 1.25, 192 / 1.25, 256 / 1.25]])


def make_method_and_image(name: str) -> tuple[FullImageMethod, np.ndarray]:
    torch.manual_seed(0)
    method = create_method(name).eval()
    assert isinstance(method, FullImageMethod)
    method.input_wh = (256, 256)
    return method, np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)


def test_the_maps_of_a_full_image_method_are_sampled_in_the_persons_window():
    method, image = make_method_and_image("dekr_hrnet_w8_tiny")
    maps = compute_feature_maps(method, image, WINDOW)
    with torch.no_grad():
        network_input = method.prepare(torch.from_numpy(image)[None])
        heatmaps, _ = method(network_input)
        norms = stack_levels(method.backbone(network_input)).norm(dim=1)
    largest = heatmaps[0, :-1].amax(dim=0)  # without the roots
    np.testing.assert_allclose(maps.heatmaps[0], largest[:, 8:56].numpy(), rtol=1e-6)
    np.testing.assert_allclose(maps.features[0], norms[0, :, 8:56].numpy(), rtol=1e-6)
    assert (maps.crops[0] == image[:, 32:224]).all()


@pytest.mark.parametrize("name", ["rtmo_tiny", "cid_hrnet_w8_tiny", "dekr_hrnet_w8_tiny"])
def test_full_image_methods_return_the_crops_of_top_down_methods(name):
    method = create_method(name)
    image = make_image()
    method.train()
    maps = compute_feature_maps(method, image, BOXES)
    assert method.training
    assert (maps.crops == cut_boxes(image, BOXES, (192, 256))[0]).all()
    assert maps.heatmaps.shape == maps.features.shape == (2, 64, 48)
    assert (maps.features >= 0).all() and maps.features.any()
    assert compute_feature_maps(method, image, BOXES[:0]).heatmaps.shape == (0, 64, 48)


def test_rtmos_map_is_the_product_of_the_bins_of_the_cell_that_matches_the_box():
    method, image = make_method_and_image("rtmo_tiny")
    with torch.no_grad():
        outputs = method(method.prepare(torch.from_numpy(image)[None]))
        boxes = decode_boxes(outputs.bbox_preds, outputs.grid_points)[0]
    # A predicted box whose window contains all of its bins.
    inside = ((boxes > 45) & (boxes < 211)).all(dim=1) & (boxes[:, 2:] - boxes[:, :2] > 8).all(1)
    cell = int(torch.nonzero(inside)[0, 0])
    x0, y0, x1, y1 = boxes[cell].tolist()
    maps = compute_feature_maps(method, image, np.array([[x0, y0, x1 - x0, y1 - y0]]))
    with torch.no_grad():
        best = (outputs.cls_scores[0, :, 0].sigmoid() * box_iou(boxes, boxes[cell])).argmax()
    # Bins cover a quarter more than the cell's box; beyond them the map is 0.
    low = boxes[best, :2].numpy()
    high = boxes[best, 2:].numpy()
    (center,), (sides,) = compute_box_window(np.array([[x0, y0, x1 - x0, y1 - y0]]), (192, 256))
    rows, columns = np.mgrid[:64, :48]
    positions = np.stack([columns, rows], axis=-1) * 4 * sides[0] / 192 + center - sides / 2
    is_far = (np.abs(positions - (low + high) / 2) > 0.65 * (high - low) + sides[0] / 48).any(
        axis=-1
    )
    heat = maps.heatmaps[0]
    assert not heat[is_far].any() and heat.any()
    # Each joint's map sums to 1, or to less where the window ends; the largest of k to at most k.
    assert 0.5 < heat.sum() < len(method.skeleton)


def test_resampled_bins_sum_to_one_and_are_at_their_positions():
    p = np.array([[0.0, 1, 0, 0], [0.25, 0.25, 0.25, 0.25]])
    shares = _resample_bins(p, np.array([10.0, 12, 14, 16]), np.arange(0.0, 30))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    # The second bin is [11, 13]: half of the step at 11, the step at 12, half of the one at 13.
    np.testing.assert_allclose(shares[0, 10:15], [0, 0.25, 0.5, 0.25, 0])
    np.testing.assert_allclose(shares[1, 10:17], 1 / 8)


def test_methods_share_one_colour_scale():
    crops = [np.zeros((8, 6, 3), np.uint8)] * 2
    dim, bright = [np.full((4, 3), 0.2)] * 2, [np.full((4, 3), 0.9)] * 2
    figure = draw_feature_maps(crops, {"a": dim, "b": bright}, {"a": dim, "b": bright}, [20, 31])
    network_input = [i for a in figure.axes for i in a.images if i.get_array().shape == (4, 3)]
    scales = {(i.get_cmap().name, *i.get_clim()) for i in network_input}
    assert len(network_input) == 8
    assert {s for s in scales if s[0] == "magma"} == {("magma", 0.0, 0.9)}
    assert len(scales) == 2
    assert "31 px" in {axis.get_ylabel() for axis in figure.axes}
