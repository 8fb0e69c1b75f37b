"""A small set of drawn stick people in the layout of a built set."""

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


def stick_person(rng: np.random.Generator, x: float, y: float, tall: float) -> np.ndarray:
    """(21, 3) joints of a person standing with his feet near (x, y), limbs by chance."""
    at: dict[str, np.ndarray] = {}

    def put(name: str, start: np.ndarray, length: float, degrees: float) -> np.ndarray:
        angle = np.deg2rad(degrees)
        at[name] = start + tall * length * np.array([np.sin(angle), np.cos(angle)])
        return at[name]

    at["pelvis"] = np.array([x, y - 0.48 * tall])
    lean = rng.uniform(-15, 15)
    put("chest", at["pelvis"], 0.28, 180 + lean)
    put("head_bottom", at["chest"], 0.06, 180 + lean)
    put("head_top", at["head_bottom"], 0.16, 180 + lean)
    put("nose", at["head_bottom"], 0.07, 180 + lean)
    for side, sign in (("left", 1), ("right", -1)):
        put(f"{side}_eye", at["nose"], 0.03, 180 - sign * 50)
        put(f"{side}_ear", at["nose"], 0.05, 180 - sign * 80)
        shoulder = put(f"{side}_shoulder", at["chest"], 0.1, sign * 90)
        elbow = put(f"{side}_elbow", shoulder, 0.17, sign * rng.uniform(10, 140))
        put(f"{side}_wrist", elbow, 0.15, sign * rng.uniform(0, 170))
        hip = put(f"{side}_hip", at["pelvis"], 0.07, sign * 90)
        knee = put(f"{side}_knee", hip, 0.24, sign * rng.uniform(-5, 40))
        put(f"{side}_ankle", knee, 0.23, sign * rng.uniform(-20, 25))
    points = np.array([[*at[name], 2.0] for name in SMALLPOSE.joints])
    return points


def draw(picture: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> None:
    """Limbs in the person's own colour, left ones bright, right ones dark, and a head."""
    tall = np.ptp(points[:, 1])
    base = rng.uniform(90, 200, 3)
    thick = max(int(tall * 0.06), 1)
    for a, b in SMALLPOSE.edges:
        names = (SMALLPOSE.joints[a], SMALLPOSE.joints[b])
        gain = 1.3 if any("left" in n for n in names) else 0.6
        colour = np.clip(base * gain, 0, 255).tolist()
        ends = [tuple(int(v * 8) for v in points[i, :2]) for i in (a, b)]
        cv2.line(picture, *ends, colour, thick, cv2.LINE_AA, 3)
    head = tuple(int(v * 8) for v in points[SMALLPOSE.joints.index("nose"), :2])
    cv2.circle(picture, head, int(tall * 0.08 * 8), base.tolist(), -1, cv2.LINE_AA, 3)


def people(images: int, each: int, seed: int, tall: tuple[float, float], folder: Path) -> Instances:
    """Pictures of `each` people written below `folder`, and what a labeller would say of them."""
    rng = np.random.default_rng(seed)
    cv2.setNumThreads(0)
    rows, boxes, keypoints, names = [], [], [], []
    for image in range(images):
        picture = np.full((240, 320, 3), rng.uniform(30, 220, 3), np.uint8)
        picture[...] = np.clip(picture + rng.normal(0, 12, picture.shape), 0, 255)
        for place in range(each):
            size = rng.uniform(*tall)
            x = (place + rng.uniform(0.35, 0.65)) * 320 / each
            points = stick_person(rng, x, rng.uniform(size + 5, 235), size)
            draw(picture, points, rng)
            low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
            rows.append(image)
            boxes.append([*(low - 0.05 * size), *(high - low + 0.1 * size)])
            keypoints.append(points)
        name = f"coco/{seed}_{image:04d}.png"
        (folder / "coco").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), picture)
        names.append(name)
    source = SOURCES.index("coco")
    table = make_images(
        np.arange(1, images + 1) + 1000 * seed,
        names,
        [320] * images,
        [240] * images,
        source,
        names,
    )
    ids = np.arange(1, len(rows) + 1) + 1000 * seed
    return make_instances(SMALLPOSE, table, rows, boxes, keypoints, ids=ids, source=source)


@pytest.fixture(scope="session")
def stick_set(tmp_path_factory: pytest.TempPathFactory) -> StickSet:
    """`stick_set(train=(images, each), test=(images, each))`: the folder of such a set."""

    def make(
        train: tuple[int, int] = (4, 2),
        test: tuple[int, int] | None = None,
        tall: tuple[float, float] = (90, 150),
    ) -> Path:
        """Without `test`, the training pictures stand in the test set too, under other names."""
        folder = tmp_path_factory.mktemp("set")
        learned = people(*train, 1, tall, folder / "images")
        write_coco(learned, folder / "annotations" / "train.json")
        asked = people(*(test or train), 2 if test else 1, tall, folder / "images" / "again")
        names = [f"again/{name}" for name in asked.images.file_names]
        sizes = (asked.images.width, asked.images.height)
        images = make_images(asked.images.ids + 500_000, names, *sizes)
        write_coco(
            make_instances(
                SMALLPOSE,
                images,
                asked.image_rows,
                asked.boxes_xywh,
                asked.keypoints,
                ids=asked.ids,
            ),
            folder / "annotations" / "test.json",
        )
        return folder

    return make


@pytest.fixture(scope="module")
def eight(stick_set: StickSet) -> Path:
    """Eight people in four pictures, the same to learn and to be tested on."""
    return stick_set()


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums come out the same whatever the machine, and forked processes do not wait for threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
