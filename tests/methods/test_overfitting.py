"""Every method learns: its tiny variant overfits eight drawn people within a minute.

All together: `pytest -m learns`.
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
from torch import Tensor, nn

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataloading.batches import LoaderOptions
from smallpose.dataloading.full_image.batches import FullImageLoader
from smallpose.dataloading.full_image.samples import FullImageDataset
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


class Schedule(NamedTuple):
    """Number of steps and learning rate; side of the images of full-image methods."""

    steps: int
    rate: float
    side: int = 0


SCHEDULES = {
    "simple_baseline_r18_tiny": Schedule(110, 5e-3),
    "hrnet_w16_tiny": Schedule(65, 1e-2),
    "simcc_r18_tiny": Schedule(80, 3e-3),
    "cal_hrnet_w16_tiny": Schedule(65, 1e-2),
    "dekr_hrnet_w8_tiny": Schedule(90, 1e-2, side=96),
    "cid_hrnet_w8_tiny": Schedule(90, 1e-2, side=192),
    "rtmo_tiny": Schedule(180, 3e-3, side=96),
    "hrformer_tiny": Schedule(65, 6e-3),
    "vitpose_tiny": Schedule(120, 2e-3),
    "rle_r18_tiny": Schedule(90, 3e-3),
    "vitpose_rle_tiny": Schedule(120, 3e-3),
    "rtmpose_tiny": Schedule(80, 4e-3),
    "expected_oks_tiny": Schedule(80, 4e-3),
}
# Without the flip test, since the method has not seen mirrored people.
PLAIN = InferenceOptions(flip_test=False)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_tiny_variant_overfits_eight_people(name, tmp_path):
    torch.manual_seed(0)
    method, schedule = create_method(name, SMALLPOSE), SCHEDULES[name]
    make_task = make_full_image_task if isinstance(method, FullImageMethod) else make_crop_task
    losses, compute_ap = make_task(method, schedule, tmp_path)
    assert compute_ap() < 0.3
    assert any(compute_ap() > 0.9 for _ in train_method(method, schedule, losses))


def train_method(method: PoseMethod, schedule: Schedule, losses: Iterator[Tensor]) -> Iterator[int]:
    """Train with AdamW at a rate that rises for a fifth of the steps and falls afterwards.

    Yields where training may end: every ten steps and at the end, for RTMO in its last stage.
    """
    is_full_image = isinstance(method, FullImageMethod)
    weights: dict[float, list[nn.Parameter]] = {}
    for name, weight in method.named_parameters():
        factor = (
            method.param_group_factors(name, weight, method.recipes["quick"])[0]
            if is_full_image
            else 1.0
        )
        weights.setdefault(schedule.rate * factor, []).append(weight)
    groups = [{"params": same_rate} for same_rate in weights.values()]
    rates = list(weights)
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01 if is_full_image else 0.0, fused=True)
    one_cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, schedule.steps, pct_start=0.2)
    first_yield = (0.64 if isinstance(method, RTMO) else 0.2) * schedule.steps
    for step in range(schedule.steps):
        method.train()
        loss = next(losses)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(method.parameters(), 5.0 if is_full_image else 10.0)
        optimizer.step()
        one_cycle.step()
        is_last = step == schedule.steps - 1
        if step >= first_yield and (is_last or step % 10 == 0):
            yield step


Task = tuple[Iterator[Tensor], Callable[[], float]]


def make_crop_task(method: PoseMethod, schedule: Schedule, folder: Path) -> Task:
    """Return the losses of all eight people's crops, and the AP on them."""
    people = load_training_fixtures().make_people(4, 2, 1, (90, 150), folder)
    reader = ImageReader(folder)
    rows = np.arange(len(people))
    dataset = CropDataset(people, rows, reader, method.input_wh, None, 0, method.udp_warp)
    crops, keypoints = dataset.cut(0, rows)
    prepared, labels = method.prepare(torch.from_numpy(crops)), torch.from_numpy(keypoints)

    def losses() -> Iterator[Tensor]:
        while True:
            terms = method.loss(method(prepared), method.targets(labels))
            yield torch.stack(list(terms.values())).sum()

    def compute_ap() -> float:
        boxes = select_true_boxes(people)
        predictions = predict_top_down(method, people, boxes, reader.read, PLAIN)
        return float(evaluate(people, predictions)["coco"]["AP"] or 0)

    return losses(), compute_ap


def make_full_image_task(method: PoseMethod, schedule: Schedule, folder: Path) -> Task:
    """Return the losses of all four images, and the AP on them."""
    assert isinstance(method, FullImageMethod)
    side = schedule.side
    people, images = draw_stick_people(side)
    method.input_wh = (side, side)
    dataset = FullImageDataset(people, np.arange(4), InMemoryReader(images), (side, side), None, 0)
    batch = next(FullImageLoader(dataset, LoaderOptions(batch_size=4)).batches(0))

    def losses() -> Iterator[Tensor]:
        for step in range(schedule.steps):
            if isinstance(method, RTMO):
                method.stage, method.closing = 1 + (step > 0.6 * schedule.steps), True
            yield torch.stack(
                list(method.compute_losses(batch.images, batch.people).values())
            ).sum()

    def compute_ap() -> float:
        predictions = predict_full_images(method, people, images.__getitem__, PLAIN)
        return float(evaluate(people, predictions)["coco"]["AP"] or 0)

    return losses(), compute_ap


def load_training_fixtures() -> ModuleType:
    """Load the module with which the tests of training draw their people."""
    path = Path(__file__).parents[1] / "training" / "conftest.py"
    spec = importlib.util.spec_from_file_location("stick_people", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draw_stick_people(side: int) -> tuple[Instances, dict[str, np.ndarray]]:
    """Draw four images of two people each, a line for every limb, left ones bright."""
    rng = np.random.default_rng(1)
    images_by_name, rows, boxes, keypoints = {}, [], [], []
    for index in range(4):
        image = np.full((side, side, 3), rng.uniform(30, 220, 3), np.uint8)
        for slot in range(2):
            height = rng.uniform(0.6, 0.8) * side
            foot = np.array([(slot + rng.uniform(0.4, 0.6)) * side / 2, side - 4.0])
            points = sample_stick_person(foot, height, rng)
            draw_person(image, points, height, rng.uniform(90, 200, 3))
            low, high = points.min(axis=0), points.max(axis=0)
            rows.append(index)
            boxes.append([*(low - 0.05 * height), *(high - low + 0.1 * height)])
            keypoints.append(np.concatenate([points, np.full((len(points), 1), 2.0)], axis=1))
        images_by_name[f"{index}.png"] = image
    images = make_images(range(1, 5), list(images_by_name), [side] * 4, [side] * 4)
    return make_instances(SMALLPOSE, images, rows, boxes, keypoints), images_by_name


def sample_stick_person(foot: np.ndarray, height: float, rng: np.random.Generator) -> np.ndarray:
    """Sample (21, 2) joints; each limb starts at a joint: (joint, length, degrees from down)."""
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
    joints = {"pelvis": foot - [0, 0.48 * height]}
    for name, (start, length, degrees) in limbs.items():
        angle = np.deg2rad(degrees)
        direction = np.array([np.sin(angle), np.cos(angle)])
        joints[name] = joints[start] + height * length * direction
    return np.array([joints[name] for name in SMALLPOSE.joints])


def draw_person(image: np.ndarray, points: np.ndarray, height: float, colour: np.ndarray) -> None:
    for a, b in SMALLPOSE.edges:
        is_left = any("left" in SMALLPOSE.joints[i] for i in (a, b))
        shade = np.clip(colour * (1.3 if is_left else 0.6), 0, 255).tolist()
        ends = [tuple(int(v * 8) for v in points[i]) for i in (a, b)]
        cv2.line(image, ends[0], ends[1], shade, max(int(height * 0.06), 1), cv2.LINE_AA, 3)
    head = tuple(int(v * 8) for v in points[SMALLPOSE.joints.index("nose")])
    cv2.circle(image, head, int(height * 0.08 * 8), colour.tolist(), -1, cv2.LINE_AA, 3)


class InMemoryReader:
    def __init__(self, images: dict[str, np.ndarray]) -> None:
        self.read = images.__getitem__
