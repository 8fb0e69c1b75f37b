"""RTMO, CID and DEKR as methods: any skeleton, limits that are reported, hostile labels."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from smallpose.core.skeleton import COCO17, CROWDPOSE14, SMALLPOSE, Skeleton
from smallpose.dataloading.full_image.batch_people import BatchPeople
from smallpose.dataloading.full_image.mosaic import compute_box_corners
from smallpose.methods import METHODS, cid, dekr, rtmo
from smallpose.methods.full_image import FullImageMethod, FullImageRecipe

TINY: dict[str, Callable[[Skeleton], FullImageMethod]] = {
    "rtmo_tiny": rtmo.create_tiny,
    "cid_hrnet_w8_tiny": cid.create_w8_tiny,
    "dekr_hrnet_w8_tiny": dekr.create_w8_tiny,
}
each_tiny = pytest.mark.parametrize("name", TINY)


def make_people(
    keypoints: np.ndarray, boxes_xywh: np.ndarray, num_images: int, side: int
) -> BatchPeople:
    """Put all people into the first image of a batch."""
    n = len(keypoints)
    return BatchPeople(
        torch.zeros(n, dtype=torch.int64),
        torch.from_numpy(keypoints.astype(np.float32)),
        torch.from_numpy(compute_box_corners(boxes_xywh).astype(np.float32)),
        torch.from_numpy((0.53 * boxes_xywh[:, 2] * boxes_xywh[:, 3]).astype(np.float32)),
        torch.ones(num_images, side // 4, side // 4),
    )


def test_methods_lists_every_full_image_method():
    assert TINY.keys() <= METHODS.keys()
    assert {"rtmo_s", "rtmo_m", "rtmo_l", "cid_hrnet_w32", "dekr_hrnet_w32"} <= METHODS.keys()


@each_tiny
@pytest.mark.parametrize("skeleton", [SMALLPOSE, CROWDPOSE14])
def test_predictions_have_the_joints_of_any_skeleton(name, skeleton):
    torch.manual_seed(0)
    method = TINY[name](skeleton).eval()
    method.score_threshold, method.max_people = -1.0, 5
    image = np.random.default_rng(0).integers(0, 255, (96, 64, 3), dtype=np.uint8)
    method.input_wh = (64, 64)
    predictions = method.predict([image, image[:40]])
    assert predictions.keypoints.shape[1:] == (len(skeleton), 3)
    assert set(predictions.image_ids.tolist()) == {0, 1}
    assert np.isfinite(predictions.keypoints).all() and predictions.has_boxes


def test_the_rescoring_net_exists_for_cocos_keypoints_only():
    assert dekr.create_w8_tiny(COCO17).head.rescore_net is not None
    assert dekr.create_w8_tiny(SMALLPOSE).head.rescore_net is None
    assert not any("rescore" in key for key in dekr.create_w8_tiny(SMALLPOSE).state_dict())


@pytest.mark.parametrize("make", [dekr.create_w8_tiny, cid.create_w8_tiny])
def test_thirty_people_are_detected_unless_max_people_is_set(make):
    method = make(SMALLPOSE).eval()
    k, side = len(SMALLPOSE), 64
    roots = torch.zeros(side, side)
    roots[4::8, 4::8] = torch.linspace(0.5, 0.9, 64).reshape(8, 8)
    if isinstance(method, dekr.DEKR):
        maps = torch.cat([torch.full((k, side, side), 0.5), roots[None]])
        # Every joint at another offset, so that poses have an extent and are not nearby.
        offsets = torch.linspace(-3, 3, 2 * k)[:, None, None].expand(2 * k, side, side)
        count = lambda: len(method._decode_people(maps, offsets).scores)  # noqa: E731
    else:
        features = torch.randn(1, sum(method.backbone.out_channels), side, side)
        method.head = _FixedRoots(method.head, roots)
        size_hw = (4 * side, 4 * side)
        count = lambda: len(method._detect_in_image(features, size_hw).scores)  # noqa: E731
    with torch.inference_mode():
        assert (method.max_people, count(), method.num_limited) == (30, 30, 1)
        method.max_people = 64
        assert (count(), method.num_limited) == (64, 1)
        method.max_people = None
        assert (count(), method.num_limited) == (64, 1)


class _FixedRoots(torch.nn.Module):
    """A head whose root map is given."""

    def __init__(self, head: cid.CIDHead, roots: torch.Tensor) -> None:
        super().__init__()
        self.gfd_module, self.roots = head.gfd_module, roots

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.roots.expand(len(features), 1, *self.roots.shape)


@each_tiny
def test_no_person_one_person_and_hostile_people_give_finite_losses_and_gradients(name):
    torch.manual_seed(0)
    side, k = 64, len(SMALLPOSE)
    cases = {
        "no person": (np.zeros((0, k, 3)), np.zeros((0, 4))),
        "one": (np.full((1, k, 3), 20.0), np.array([[10.0, 10, 30, 40]])),
        # All joints on one pixel, a box without area, labels far outside, and no labels.
        "hostile": (
            np.stack(
                [
                    np.tile([30.0, 30.0, 2.0], (k, 1)),
                    np.tile([-500.0, 9000.0, 1.0], (k, 1)),
                    np.zeros((k, 3)),
                    np.tile([63.9, -0.4, 2.0], (k, 1)),
                ]
            ),
            np.array([[30.0, 30, 0, 0], [-600, 8000, 200, 2000], [5, 5, 9, 9], [60, 0, 4, 1]]),
        ),
    }
    images = torch.randint(0, 255, (2, side, side, 3), dtype=torch.uint8)
    for label, (keypoints, boxes) in cases.items():
        method = TINY[name](SMALLPOSE).train()
        for stage in (1, 2):
            if isinstance(method, rtmo.RTMO):
                method.stage, method.closing = stage, stage == 2
            terms = method.compute_losses(images, make_people(keypoints, boxes, 2, side))
            total = torch.stack(list(terms.values())).sum()
            assert torch.isfinite(total), (label, terms)
            method.zero_grad()
            total.backward()
            for weight_name, weight in method.named_parameters():
                if weight.grad is not None:
                    assert torch.isfinite(weight.grad).all(), (label, weight_name)


@each_tiny
def test_unlabelled_joints_do_not_change_the_loss(name):
    side, k = 64, len(SMALLPOSE)
    rng = np.random.default_rng(1)
    keypoints = np.concatenate([rng.uniform(10, 54, (2, k, 2)), np.ones((2, k, 1))], axis=2)
    keypoints[:, ::2, 2] = 0
    moved = keypoints.copy()
    moved[:, ::2, :2] = 7.0
    boxes = np.array([[8.0, 8, 48, 48], [10, 12, 40, 44]])
    torch.manual_seed(0)
    method = TINY[name](SMALLPOSE).eval()
    images = torch.randint(0, 255, (1, side, side, 3), dtype=torch.uint8)
    values = []
    for points in (keypoints, moved):
        torch.manual_seed(0)
        terms = method.compute_losses(images, make_people(points, boxes, 1, side))
        values.append({key: float(term.detach()) for key, term in terms.items()})
    assert values[0] == values[1]


def test_dekr_learns_the_same_from_the_offsets_that_have_targets_alone():
    """Gradients of all weights, where the norms' statistics are given."""
    torch.manual_seed(0)
    rng = np.random.default_rng(3)
    side, k = 96, len(SMALLPOSE)
    method = TINY["dekr_hrnet_w8_tiny"](SMALLPOSE).eval()
    assert isinstance(method, dekr.DEKR) and method.num_untaught
    keypoints = np.concatenate([rng.uniform(5, 91, (3, k, 2)), np.ones((3, k, 1))], axis=2)
    boxes = np.tile([2.0, 2.0, 90.0, 90.0], (3, 1))
    people = make_people(keypoints, boxes, 2, side)
    images = torch.randint(0, 255, (2, side, side, 3), dtype=torch.uint8)
    gradients = []
    num_untaught = method.num_untaught
    for method.num_untaught in (None, num_untaught):
        method.zero_grad()
        torch.stack(list(method.compute_losses(images, people).values())).sum().backward()
        gradients.append([weight.grad.clone() for weight in method.parameters()])
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-7, rtol=1e-3)
    outputs = method.compute_taught_outputs(method.prepare(images), method.targets(people))[1]
    num_computed = outputs.any(dim=1).flatten(1).sum(dim=1)
    num_taught = (method.targets(people).offset_weights > 0).any(dim=1).flatten(1).sum(dim=1)
    assert (num_computed == int(num_taught.max()) + method.num_untaught).all()


def test_rtmos_second_stage_and_closing_epochs_start_at_the_recipes_epochs():
    method = rtmo.create_tiny(COCO17)
    recipe = rtmo.create_s(COCO17).recipes["mmpose"]
    assert isinstance(recipe, FullImageRecipe)
    states = []
    for epoch in (0, 279, 280, 579, 580):
        method.begin_epoch(epoch, recipe)
        states.append((method.stage, method.closing))
    assert states == [(1, False), (1, False), (2, False), (2, False), (2, True)]
    weight = next(iter(method.parameters()))
    assert method.param_group_factors("neck.encoder.0.x", weight, recipe)[0] == 0.05
    assert method.param_group_factors("neck.fpn_blocks.0.x", weight, recipe)[0] == 1
