"""A small set of drawn stick figures in the layout of a built set."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from smallpose.core.instances import SOURCES, Instances, make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.io.coco_annotations import write_coco

StickSet = Callable[..., Path]


def stick_person(rng: np.random.Generator, x: float, y: float, height: float) -> np.ndarray:
    """Return (21, 3) joints of a person standing with their feet near (x, y), limbs at random."""
    joints: dict[str, np.ndarray] = {}

    def put(name: str, start: np.ndarray, length: float, degrees: float) -> np.ndarray:
        angle = np.deg2rad(degrees)
        joints[name] = start + height * length * np.array([np.sin(angle), np.cos(angle)])
        return joints[name]

    joints["pelvis"] = np.array([x, y - 0.48 * height])
    lean = rng.uniform(-15, 15)
    put("chest", joints["pelvis"], 0.28, 180 + lean)
    put("head_bottom", joints["chest"], 0.06, 180 + lean)
    put("head_top", joints["head_bottom"], 0.16, 180 + lean)
    put("nose", joints["head_bottom"], 0.07, 180 + lean)
    for side, sign in (("left", 1), ("right", -1)):
        put(f"{side}_eye", joints["nose"], 0.03, 180 - sign * 50)
        put(f"{side}_ear", joints["nose"], 0.05, 180 - sign * 80)
        shoulder = put(f"{side}_shoulder", joints["chest"], 0.1, sign * 90)
        elbow = put(f"{side}_elbow", shoulder, 0.17, sign * rng.uniform(10, 140))
        put(f"{side}_wrist", elbow, 0.15, sign * rng.uniform(0, 170))
        hip = put(f"{side}_hip", joints["pelvis"], 0.07, sign * 90)
        knee = put(f"{side}_knee", hip, 0.24, sign * rng.uniform(-5, 40))
        put(f"{side}_ankle", knee, 0.23, sign * rng.uniform(-20, 25))
    points = np.array([[*joints[name], 2.0] for name in SMALLPOSE.joints])
    return points


def draw_person(image: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> None:
    """Draw limbs in the person's own colour, left ones bright, right ones dark, and a head."""
    height = np.ptp(points[:, 1])
    base = rng.uniform(90, 200, 3)
    thickness = max(int(height * 0.06), 1)
    for a, b in SMALLPOSE.edges:
        names = (SMALLPOSE.joints[a], SMALLPOSE.joints[b])
        gain = 1.3 if any("left" in n for n in names) else 0.6
        colour = np.clip(base * gain, 0, 255).tolist()
        ends = [tuple(int(v * 8) for v in points[i, :2]) for i in (a, b)]
        cv2.line(image, *ends, colour, thickness, cv2.LINE_AA, 3)
    head = tuple(int(v * 8) for v in points[SMALLPOSE.joints.index("nose"), :2])
    cv2.circle(image, head, int(height * 0.08 * 8), base.tolist(), -1, cv2.LINE_AA, 3)


def make_people(
    num_images: int, per_image: int, seed: int, height: tuple[float, float], folder: Path
) -> Instances:
    """Write images of `per_image` people below `folder`; return their annotations."""
    rng = np.random.default_rng(seed)
    cv2.setNumThreads(0)
    rows, boxes, keypoints, names = [], [], [], []
    for row in range(num_images):
        image = np.full((240, 320, 3), rng.uniform(30, 220, 3), np.uint8)
        image[...] = np.clip(image + rng.normal(0, 12, image.shape), 0, 255)
        for index in range(per_image):
            size = rng.uniform(*height)
            x = (index + rng.uniform(0.35, 0.65)) * 320 / per_image
            points = stick_person(rng, x, rng.uniform(size + 5, 235), size)
            draw_person(image, points, rng)
            low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
            rows.append(row)
            boxes.append([*(low - 0.05 * size), *(high - low + 0.1 * size)])
            keypoints.append(points)
        name = f"coco/{seed}_{row:04d}.png"
        (folder / "coco").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), image)
        names.append(name)
    source = SOURCES.index("coco")
    table = make_images(
        np.arange(1, num_images + 1) + 1000 * seed,
        names,
        [320] * num_images,
        [240] * num_images,
        source,
        names,
    )
    ids = np.arange(1, len(rows) + 1) + 1000 * seed
    return make_instances(SMALLPOSE, table, rows, boxes, keypoints, ids=ids, source=source)


@pytest.fixture(scope="session")
def stick_set(tmp_path_factory: pytest.TempPathFactory) -> StickSet:
    """Return `stick_set(train=(images, per_image), test=(images, per_image))`: makes such a set."""

    def make(
        train: tuple[int, int] = (4, 2),
        test: tuple[int, int] | None = None,
        height: tuple[float, float] = (90, 150),
    ) -> Path:
        """Make a set; without `test`, the test images are the training images under other names."""
        folder = tmp_path_factory.mktemp("set")
        train_people = make_people(*train, 1, height, folder / "images")
        write_coco(train_people, folder / "annotations" / "train.json")
        test_people = make_people(
            *(test or train), 2 if test else 1, height, folder / "images" / "again"
        )
        names = [f"again/{name}" for name in test_people.images.file_names]
        sizes = (test_people.images.width, test_people.images.height)
        images = make_images(test_people.images.ids + 500_000, names, *sizes)
        write_coco(
            make_instances(
                SMALLPOSE,
                images,
                test_people.image_rows,
                test_people.boxes_xywh,
                test_people.keypoints,
                ids=test_people.ids,
            ),
            folder / "annotations" / "test.json",
        )
        return folder

    return make


@pytest.fixture(scope="module")
def eight(stick_set: StickSet) -> Path:
    """Return a set of eight people in four images, the same for training and testing."""
    return stick_set()


@pytest.fixture(scope="module", autouse=True)
def use_one_thread() -> Iterator[None]:
    """Use one thread: sums are the same on any machine, and forks do not wait for threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
