"""Every method learns: its tiny twin knows eight drawn people by heart within a minute.

All eleven together: `pytest -m learns`.
"""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataloading.full_image.samples import FullImageDataset, FullImageLoader
from smallpose.dataloading.images import ImageReader
from smallpose.dataloading.top_down.batches import CropDataset
from smallpose.evaluation.evaluate import evaluate
from smallpose.inference import InferenceOptions, select_true_boxes
from smallpose.inference.full_image import predict_full_images
from smallpose.inference.top_down import predict_top_down
from smallpose.methods import create_method
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import FullImageMethod
from smallpose.methods.rtmo import RTMO

pytestmark = [pytest.mark.learns, pytest.mark.slow]


class Lesson(NamedTuple):
    """How long and how fast; the side of whole pictures."""

    steps: int
    rate: float
    side: int = 0


LESSONS = {
    "simple_baseline_r18_tiny": Lesson(110, 5e-3),
    "hrnet_w16_tiny": Lesson(65, 1e-2),
    "simcc_r18_tiny": Lesson(80, 3e-3),
    "cal_hrnet_w16_tiny": Lesson(65, 1e-2),
    "dekr_hrnet_w8_tiny": Lesson(90, 1e-2, side=128),
    "cid_hrnet_w8_tiny": Lesson(90, 1e-2, side=192),
    "rtmo_tiny": Lesson(250, 2e-3, side=128),
    "hrformer_tiny": Lesson(65, 6e-3),
    "vitpose_tiny": Lesson(120, 2e-3),
    "rle_r18_tiny": Lesson(90, 3e-3),
    "vitpose_rle_tiny": Lesson(120, 3e-3),
}
# Learned by heart means without the mirror, in which these people are new.
PLAIN = InferenceOptions(flip_test=False)


@pytest.mark.parametrize("name", LESSONS)
def test_a_tiny_twin_learns_eight_people_by_heart(name, tmp_path):
    torch.manual_seed(0)
    method, lesson = create_method(name, SMALLPOSE), LESSONS[name]
    school = whole_pictures if isinstance(method, FullImageMethod) else crops
    losses, ap = school(method, lesson, tmp_path)
    untrained = ap()
    learn(method, lesson, losses)
    assert untrained < 0.3
    assert ap() > 0.9


def learn(method: PoseMethod, lesson: Lesson, losses: Iterator[Tensor]) -> None:
    """Steps of AdamW at a rate that rises for a fifth of the time and falls afterwards."""
    method.train()
    whole = isinstance(method, FullImageMethod)
    groups = []
    for name, weight in method.named_parameters():
        factor = (
            method.param_group_factors(name, weight, method.recipes["quick"])[0] if whole else 1.0
        )
        groups.append({"params": [weight], "lr": lesson.rate * factor})
    rates = [group["lr"] for group in groups]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01 if whole else 0.0, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, lesson.steps, pct_start=0.2)
    for _ in range(lesson.steps):
        loss = next(losses)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(method.parameters(), 5.0 if whole else 10.0)
        optimizer.step()
        schedule.step()


School = tuple[Iterator[Tensor], Callable[[], float]]


def crops(method: PoseMethod, lesson: Lesson, folder: Path) -> School:
    """Losses of all eight people's crops, and the AP on them."""
    people, pictures = training_set().people(4, 2, 1, (90, 150), folder), ImageReader(folder)
    rows = np.arange(len(people))
    cut = people, rows, pictures, method.input_wh, None, 0, method.udp_warp
    seen, keypoints = CropDataset(*cut).cut(0, rows)
    prepared, targets = method.prepare(torch.from_numpy(seen)), torch.from_numpy(keypoints)

    def losses() -> Iterator[Tensor]:
        while True:
            terms = method.loss(method(prepared), method.targets(targets))
            yield torch.stack(list(terms.values())).sum()

    def ap() -> float:
        found = predict_top_down(method, people, select_true_boxes(people), pictures.read, PLAIN)
        return float(evaluate(people, found)["coco"]["AP"] or 0)

    return losses(), ap


def whole_pictures(method: PoseMethod, lesson: Lesson, folder: Path) -> School:
    """Losses of all four pictures, and the AP on them."""
    assert isinstance(method, FullImageMethod)
    side = lesson.side
    people, pictures = stick_people(side)
    method.input_wh = (side, side)
    dataset = FullImageDataset(people, np.arange(4), Memory(pictures), (side, side), None, 0)
    batch = next(FullImageLoader(dataset, 4).batches(0))

    def losses() -> Iterator[Tensor]:
        for step in range(lesson.steps):
            if isinstance(method, RTMO):
                method.stage, method.closing = 1 + (step > 0.6 * lesson.steps), True
            yield torch.stack(
                list(method.compute_losses(batch.pictures, batch.people).values())
            ).sum()

    def ap() -> float:
        found = predict_full_images(method, people, pictures.__getitem__, PLAIN)
        return float(evaluate(people, found)["coco"]["AP"] or 0)

    return losses(), ap


def training_set() -> ModuleType:
    """What the tests of training draw their people with."""
    path = Path(__file__).parents[1] / "training" / "conftest.py"
    spec = importlib.util.spec_from_file_location("stick_people", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
