"""RTMO in two parts, and as engines compute it."""

import pytest
import torch
from tests.models.heads.test_folded_encoder import draw_norms

from smallpose import create_method
from smallpose.core.skeleton import COCO17
from smallpose.methods.rtmo import RTMO, RTMO_TINY


@pytest.fixture
def method():
    torch.manual_seed(4)
    return draw_norms(create_method("rtmo_tiny", COCO17).move_to("cpu"))


@pytest.fixture
def images():
    return 255 * torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(5))


def join(split, images):
    return split.last(*split.middle(split.first(images)))


@torch.inference_mode()
def test_the_parts_are_the_network_to_the_bit(method, images):
    for part, expected in zip(join(method.split_network(), images), method(images), strict=True):
        assert torch.equal(part, expected)
    assert not any(layer.training for layer in method.modules())


@torch.inference_mode()
def test_the_folded_network_and_its_parts_give_the_same_outputs(method, images):
    expected = method(images)
    for outputs in (method.fold_network()(images), join(method.split_network().fold(), images)):
        for name, column in outputs._asdict().items():
            torch.testing.assert_close(column, getattr(expected, name), rtol=1e-4, atol=1e-4)
        assert not torch.equal(outputs.pose_vecs, expected.pose_vecs)  # sums in another order
    assert expected.pose_vecs.std() > 0.1


def test_the_folded_network_has_weights_of_its_own(method):
    with torch.inference_mode():
        folded = method.fold_network()
    mine = {weight.data_ptr() for weight in folded.state_dict().values()}
    assert mine.isdisjoint(weight.data_ptr() for weight in method.state_dict().values())
    assert not any(weight.is_inference() for weight in folded.parameters())


def test_a_class_of_the_users_own_is_computed_as_it_is():
    class Own(RTMO):
        def forward(self, images):
            return super().forward(images / 2)

    method = Own(COCO17, RTMO_TINY)
    assert method.fold_network() is method
    assert method.split_network() is None
