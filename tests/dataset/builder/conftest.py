"""Sources with small images, from which tests build data sets."""

import cv2
import numpy as np
import pytest

from smallpose.core.instances import SOURCES, make_images, make_instances
from smallpose.core.skeleton import COCO17, SKELETONS
from smallpose.dataset.builder import build as build_module
from smallpose.sources.source import ImageFile, Source

WIDTH, HEIGHT = 64, 48


def make_source(root, name, num_images, skeleton, is_complete):
    """Write a source of small images with two people each.

    Args:
        is_complete: whether the source has the sizes of its images and an official split.
    """
    rng = np.random.default_rng(len(name))
    names = [f"{name}/p/{i:03d}.png" for i in range(num_images)]
    image_files = []
    for file_name in names:
        path = root / file_name.split("/", 1)[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8))
        image_files.append(ImageFile(path))
    code = SOURCES.index(name)
    images = make_images(
        range(num_images),
        names,
        [WIDTH] * num_images if is_complete else None,
        [HEIGHT] * num_images if is_complete else None,
        source=code,
        source_ids=[f"{i:03d}" for i in range(num_images)],
        groups=[f"{name}-v{i // 3}" for i in range(num_images)],
    )
    keypoints = rng.random((2 * num_images, len(skeleton), 3)) * 40
    keypoints[:, :, 2] = rng.integers(0, 3, keypoints.shape[:2])
    keypoints[:, 0, 2] = 2
    boxes = np.tile([[1.5, 2.5, 20, 30], [3, 4, 40, 41]], (num_images, 1))
    rows = np.repeat(np.arange(num_images), 2)
    people = make_instances(skeleton, images, rows, boxes, keypoints, source=code, box_rule=1)
    splits = ["train", "train", "test"] if is_complete else [""]
    splits = tuple(splits * num_images)[:num_images]
    return Source(name, root, people, tuple(image_files), splits)


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Two sources by name, which the readers of a build return; `roots` has their folders."""
    made = {
        "coco": make_source(tmp_path / "coco", "coco", 12, COCO17, is_complete=True),
        "mpii": make_source(tmp_path / "mpii", "mpii", 20, SKELETONS["mpii16"], is_complete=False),
    }
    readers = {
        n: (lambda root, n=n: made[n]) for n in ("coco", "mpii", "aic", "hieve", "posetrack")
    }
    monkeypatch.setattr(build_module, "READERS", readers)
    return made | {"roots": {n: tmp_path / n for n in ("coco", "mpii")}}
