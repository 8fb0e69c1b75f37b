"""What methods see of people, and the figure that shows it."""

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.inference.feature_maps import look
from smallpose.methods import create_method
from smallpose.report.seen import seen_by


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
    import torch

    seen = look(method, picture(), BOXES)
    with torch.no_grad():
        raw = method(method.prepare(torch.from_numpy(seen.crops)))
        strength = method.backbone(method.prepare(torch.from_numpy(seen.crops))).norm(dim=1)
    np.testing.assert_allclose(seen.heatmaps, raw.max(dim=1).values.numpy(), rtol=1e-6)
    np.testing.assert_allclose(seen.features, strength.numpy(), rtol=1e-5)


def test_a_spread_is_a_bell_where_the_coordinate_is():
    import torch

    from smallpose.inference.feature_maps import _bells

    raw = torch.tensor([[[0.25, 0.75, -3.0, -3.0]]])
    (bell,) = _bells(raw, (64, 96)).numpy()
    y, x = np.unravel_index(bell.argmax(), bell.shape)
    assert abs((x + 0.5) / 16 - 0.25) <= 1 / 32 + 1e-9
    assert abs((y + 0.5) / 24 - 0.75) <= 1 / 48 + 1e-9


def test_whole_image_methods_say_that_they_have_no_crops():
    with pytest.raises(InputError, match="top-down"):
        look(create_method("rtmo_tiny"), picture(), BOXES)


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
