"""RTMO, CID and DEKR as methods: any skeleton, no hidden cap, hostile labels, and they learn."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch

from smallpose.core.skeleton import COCO17, CROWDPOSE14, SMALLPOSE, Skeleton
from smallpose.evaluation.metrics import evaluate
from smallpose.inference import Options
from smallpose.inference.whole_image import find_everybody
from smallpose.methods import METHODS, cid, dekr, rtmo
from smallpose.methods.whole import WholeImageMethod, WholeRecipe
from smallpose.samples.scenes import box_corners
from smallpose.samples.whole import People, WholeImages, Wholes
from smallpose.table.instances import Instances, make_images, make_instances

TINY: dict[str, Callable[[Skeleton], WholeImageMethod]] = {
    "rtmo_tiny": rtmo.tiny,
    "cid_hrnet_w8_tiny": cid.w8_tiny,
    "dekr_hrnet_w8_tiny": dekr.w8_tiny,
}
each_tiny = pytest.mark.parametrize("name", TINY)


def people_of(keypoints: np.ndarray, boxes_xywh: np.ndarray, pictures: int, side: int) -> People:
    """All people in the first picture."""
    n = len(keypoints)
    return People(
        torch.zeros(n, dtype=torch.int64),
        torch.from_numpy(keypoints.astype(np.float32)),
        torch.from_numpy(box_corners(boxes_xywh).astype(np.float32)),
        torch.from_numpy((0.53 * boxes_xywh[:, 2] * boxes_xywh[:, 3]).astype(np.float32)),
        torch.ones(pictures, side // 4, side // 4),
    )


def test_every_method_has_its_place_in_the_list():
    assert TINY.keys() <= METHODS.keys()
    assert {"rtmo_s", "rtmo_m", "rtmo_l", "cid_hrnet_w32", "dekr_hrnet_w32"} <= METHODS.keys()


@each_tiny
@pytest.mark.parametrize("skeleton", [SMALLPOSE, CROWDPOSE14])
def test_any_skeleton_goes_in_and_its_joints_come_out(name, skeleton):
    torch.manual_seed(0)
    method = TINY[name](skeleton).eval()
    method.score_above, method.most = -1.0, 5
    picture = np.random.default_rng(0).integers(0, 255, (96, 64, 3), dtype=np.uint8)
    method.input_wh = (64, 64)
    found = method.predict([picture, picture[:40]])
    assert found.keypoints.shape[1:] == (len(skeleton), 3)
    assert set(found.image_ids.tolist()) == {0, 1}
    assert np.isfinite(found.keypoints).all() and found.has_boxes


def test_the_net_that_rescores_poses_is_for_cocos_keypoints_only():
    assert dekr.w8_tiny(COCO17).head.rescore_net is not None
    assert dekr.w8_tiny(SMALLPOSE).head.rescore_net is None
    assert not any("rescore" in key for key in dekr.w8_tiny(SMALLPOSE).state_dict())


@pytest.mark.parametrize("make", [dekr.w8_tiny, cid.w8_tiny])
def test_more_than_thirty_people_are_found_unless_a_cap_is_asked_for(make):
    method = make(SMALLPOSE).eval()
    k, side = len(SMALLPOSE), 64
    roots = torch.zeros(side, side)
    roots[4::8, 4::8] = torch.linspace(0.5, 0.9, 64).reshape(8, 8)
    if isinstance(method, dekr.DEKR):
        maps = torch.cat([torch.full((k, side, side), 0.5), roots[None]])
        # Every joint elsewhere, so that poses have an extent and neighbours are not near.
        away = torch.linspace(-3, 3, 2 * k)[:, None, None].expand(2 * k, side, side)
        count = lambda: len(method._people(maps, away).scores)  # noqa: E731
    else:
        features = torch.randn(sum(method.backbone.out_channels), side, side)
        method.head = _FixedRoots(method.head, roots)
        count = lambda: len(method._people([features], (4 * side, 4 * side)).scores)  # noqa: E731
    with torch.inference_mode():
        assert count() == 64
        method.most = 30
        assert count() == 30


class _FixedRoots(torch.nn.Module):
    """A head whose root map is given."""

    def __init__(self, head: cid.CidHead, roots: torch.Tensor) -> None:
        super().__init__()
        self.gfd_module, self.roots = head.gfd_module, roots

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.roots.expand(len(features), 1, *self.roots.shape)


@each_tiny
def test_nobody_one_person_and_hostile_people_give_finite_losses_and_gradients(name):
    torch.manual_seed(0)
    side, k = 64, len(SMALLPOSE)
    crowds = {
        "nobody": (np.zeros((0, k, 3)), np.zeros((0, 4))),
        "one": (np.full((1, k, 3), 20.0), np.array([[10.0, 10, 30, 40]])),
        # All joints on one pixel, a box without a side, labels far outside, and none at all.
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
    pictures = torch.randint(0, 255, (2, side, side, 3), dtype=torch.uint8)
    for label, (keypoints, boxes) in crowds.items():
        method = TINY[name](SMALLPOSE).train()
        for stage in (1, 2):
            if isinstance(method, rtmo.RTMO):
                method.stage, method.closing = stage, stage == 2
            terms = method.losses(pictures, people_of(keypoints, boxes, 2, side))
            total = torch.stack(list(terms.values())).sum()
            assert torch.isfinite(total), (label, terms)
            method.zero_grad()
            total.backward()
            for weight_name, weight in method.named_parameters():
                if weight.grad is not None:
                    assert torch.isfinite(weight.grad).all(), (label, weight_name)


@each_tiny
def test_joints_without_a_label_do_not_matter(name):
    side, k = 64, len(SMALLPOSE)
    rng = np.random.default_rng(1)
    keypoints = np.concatenate([rng.uniform(10, 54, (2, k, 2)), np.ones((2, k, 1))], axis=2)
    keypoints[:, ::2, 2] = 0
    moved = keypoints.copy()
    moved[:, ::2, :2] = 7.0
    boxes = np.array([[8.0, 8, 48, 48], [10, 12, 40, 44]])
    torch.manual_seed(0)
    method = TINY[name](SMALLPOSE).eval()
    pictures = torch.randint(0, 255, (1, side, side, 3), dtype=torch.uint8)
    values = []
    for points in (keypoints, moved):
        torch.manual_seed(0)
        terms = method.losses(pictures, people_of(points, boxes, 1, side))
        values.append({key: float(term.detach()) for key, term in terms.items()})
    assert values[0] == values[1]


def test_rtmos_second_stage_and_closing_epochs_begin_where_the_recipe_says():
    method = rtmo.tiny(COCO17)
    recipe = rtmo.s(COCO17).recipes["mmpose"]
    assert isinstance(recipe, WholeRecipe)
    seen = []
    for epoch in (0, 279, 280, 579, 580):
        method.begin_epoch(epoch, recipe)
        seen.append((method.stage, method.closing))
    assert seen == [(1, False), (1, False), (2, False), (2, False), (2, True)]
    weight = next(iter(method.parameters()))
    assert method.treatment("neck.encoder.0.x", weight, recipe)[0] == 0.05
    assert method.treatment("neck.fpn_blocks.0.x", weight, recipe)[0] == 1


def stick_people(side: int) -> tuple[Instances, dict[str, np.ndarray]]:
    """Four pictures of two people each, a line for every limb, left ones bright."""
    rng = np.random.default_rng(1)
    pictures, rows, boxes, keypoints = {}, [], [], []
    for number in range(4):
        picture = np.full((side, side, 3), rng.uniform(30, 220, 3), np.uint8)
        for place in range(2):
            tall = rng.uniform(0.6, 0.8) * side
            foot = np.array([(place + rng.uniform(0.4, 0.6)) * side / 2, side - 4.0])
            points = stick_person(foot, tall, rng)
            draw(picture, points, tall, rng.uniform(90, 200, 3))
            low, high = points.min(axis=0), points.max(axis=0)
            rows.append(number)
            boxes.append([*(low - 0.05 * tall), *(high - low + 0.1 * tall)])
            keypoints.append(np.concatenate([points, np.full((len(points), 1), 2.0)], axis=1))
        pictures[f"{number}.png"] = picture
    images = make_images(range(1, 5), list(pictures), [side] * 4, [side] * 4)
    return make_instances(SMALLPOSE, images, rows, boxes, keypoints), pictures


def stick_person(foot: np.ndarray, tall: float, rng: np.random.Generator) -> np.ndarray:
    """(21, 2) joints; each limb hangs from the one before, (from, length, degrees from down)."""
    arm, leg = rng.uniform(10, 150, 4), rng.uniform(0, 35, 2)
    limbs = {"chest": ("pelvis", 0.28, 180), "head_bottom": ("chest", 0.06, 180)}
    limbs |= {"head_top": ("head_bottom", 0.16, 180), "nose": ("head_bottom", 0.07, 180)}
    for side, sign, (a, b), spread in (
        ("left", 1, arm[:2], leg[0]),
        ("right", -1, arm[2:], leg[1]),
    ):
        limbs[f"{side}_eye"] = ("nose", 0.03, 180 - sign * 50)
        limbs[f"{side}_ear"] = ("nose", 0.05, 180 - sign * 80)
        limbs[f"{side}_shoulder"] = ("chest", 0.1, sign * 90)
        limbs[f"{side}_elbow"] = (f"{side}_shoulder", 0.17, sign * a)
        limbs[f"{side}_wrist"] = (f"{side}_elbow", 0.15, sign * b)
        limbs[f"{side}_hip"] = ("pelvis", 0.07, sign * 90)
        limbs[f"{side}_knee"] = (f"{side}_hip", 0.24, sign * spread)
        limbs[f"{side}_ankle"] = (f"{side}_knee", 0.23, 0)
    at = {"pelvis": foot - [0, 0.48 * tall]}
    for name, (start, length, degrees) in limbs.items():
        angle = np.deg2rad(degrees)
        at[name] = at[start] + tall * length * np.array([np.sin(angle), np.cos(angle)])
    return np.array([at[name] for name in SMALLPOSE.joints])


def draw(picture: np.ndarray, points: np.ndarray, tall: float, colour: np.ndarray) -> None:
    for a, b in SMALLPOSE.edges:
        left = any("left" in SMALLPOSE.joints[i] for i in (a, b))
        shade = np.clip(colour * (1.3 if left else 0.6), 0, 255).tolist()
        ends = [tuple(int(v * 8) for v in points[i]) for i in (a, b)]
        cv2.line(picture, ends[0], ends[1], shade, max(int(tall * 0.06), 1), cv2.LINE_AA, 3)
    head = tuple(int(v * 8) for v in points[SMALLPOSE.joints.index("nose")])
    cv2.circle(picture, head, int(tall * 0.08 * 8), colour.tolist(), -1, cv2.LINE_AA, 3)


class Memory:
    def __init__(self, pictures: dict[str, np.ndarray]) -> None:
        self.read = pictures.__getitem__


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "side", "steps", "rate", "least"),
    [
        # Not by heart yet: its classifier still sharpens when the minute is over.
        ("rtmo_tiny", 128, 330, 2e-3, 0.5),
        ("cid_hrnet_w8_tiny", 192, 90, 1e-2, 0.9),
        ("dekr_hrnet_w8_tiny", 128, 90, 1e-2, 0.9),
    ],
)
def test_a_tiny_twin_learns_eight_people(name, side, steps, rate, least):
    torch.manual_seed(0)
    truth, pictures = stick_people(side)
    method = TINY[name](SMALLPOSE)
    method.input_wh = (side, side)
    dataset = WholeImages(truth, np.arange(4), Memory(pictures), (side, side), None, 0)
    batch = next(Wholes(dataset, 4).batches(0))
    recipe = method.recipes["quick"]
    groups = [
        {"params": [weight], "lr": rate * method.treatment(key, weight, recipe)[0]}
        for key, weight in method.named_parameters()
    ]
    rates = [group["lr"] for group in groups]
    optimizer = torch.optim.AdamW(groups, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, steps, pct_start=0.2)

    def ap() -> float:
        # Learned by heart means without the mirror, in which these pictures are new.
        found = find_everybody(method, truth, pictures.__getitem__, Options(flip_test=False))
        return float(evaluate(truth, found)["coco"]["AP"] or 0)

    assert ap() < 0.1
    method.train()
    for step in range(steps):
        if isinstance(method, rtmo.RTMO):
            method.stage, method.closing = 1 + (step > 0.6 * steps), True
        loss = torch.stack(list(method.losses(batch.pictures, batch.people).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(method.parameters(), 5.0)
        optimizer.step()
        schedule.step()
    assert ap() > least
