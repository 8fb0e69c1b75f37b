"""People and images of which the tests make the files of labelling tools."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

JOINTS = ("nose", "left_wrist", "right_wrist", "left_ankle")
WIDTH, HEIGHT = 160, 120
BOX = (20.0, 10.0, 40.0, 80.0)
# x, y, v: a visible, a hidden and an unlabelled joint among them.
POINTS = ((40.5, 15.25, 2), (25.0, 50.0, 1), (55.0, 52.0, 2), (0.0, 0.0, 0))


@pytest.fixture
def save_image() -> Callable[[Path], None]:
    """Writes an image of 160 x 120 px, which differs by its name."""

    def save(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(len(str(path)))
        Image.fromarray(rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(path)

    return save


@pytest.fixture
def write_coco_file() -> Callable[..., None]:
    """`write_coco_file(path, names, first_id=1, joints=JOINTS)`: a person in each image."""

    def write(
        path: Path, names: list[str], first_id: int = 1, joints: tuple[str, ...] = JOINTS
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        points = (POINTS * len(joints))[: len(joints)]
        people, images = [], []
        for number, name in enumerate(names, first_id):
            size: dict[str, Any] = {"width": WIDTH, "height": HEIGHT}
            images.append({"id": number, "file_name": name} | size)
            person: dict[str, Any] = {"id": number, "image_id": number, "category_id": 1}
            person |= {"bbox": list(BOX), "area": BOX[2] * BOX[3], "iscrowd": 0}
            person |= {"keypoints": [value for point in points for value in point]}
            people.append(person | {"num_keypoints": sum(point[2] > 0 for point in points)})
        category = {"id": 1, "name": "person", "keypoints": list(joints), "skeleton": []}
        file = {"images": images, "annotations": people, "categories": [category]}
        path.write_text(json.dumps(file))

    return write
