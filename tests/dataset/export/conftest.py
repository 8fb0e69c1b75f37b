"""A small built data set to export."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.io.coco_annotations import write_coco

WIDTH, HEIGHT = 333, 201


def make_people(first_image: int, names: list[str], seed: int) -> Instances:
    """Make three people in each image but the last, with a crowd region and unlabelled joints."""
    rng = np.random.default_rng(seed)
    m = len(names)
    n = 3 * (m - 1)
    keypoints = rng.uniform(5, 190, (n, 21, 3))
    keypoints[:, :, 2] = rng.integers(0, 3, (n, 21))
    keypoints[keypoints[:, :, 2] == 0] = 0
    is_crowd = np.arange(n) == 1
    keypoints[is_crowd] = 0
    if n:
        keypoints[0, 0] = (WIDTH + 9, 20, 1)  # outside the image, as some in AI Challenger
    images = make_images(
        np.arange(first_image, first_image + m),
        names,
        [WIDTH] * m,
        [HEIGHT] * m,
        source=[1 + i % 5 for i in range(m)],
        source_ids=[f"s{i}" for i in range(m)],
        groups=["video 7" if i % 2 else "" for i in range(m)],
    )
    images = replace(images, source_splits=tuple("" if i % 3 else "val" for i in range(m)))
    rows = np.repeat(np.arange(m - 1), 3)
    mask_area = rng.uniform(10, 500, n)
    mask_area[::2] = np.nan
    return make_instances(
        SMALLPOSE,
        images,
        rows,
        rng.uniform(1, 90, (n, 4)),
        keypoints,
        ids=np.arange(n) + 100 * first_image,
        iscrowd=is_crowd,
        source=images.source[rows],
        box_rule=rng.integers(1, 4, n).astype(np.int8),
        segmentation_area=mask_area,
    )


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small built data set whose images are links into the folder of a source, as allowed."""
    folder, source = tmp_path / "set", tmp_path / "source"
    names = {
        "train": ["coco/a/1.jpg", "coco/b/1.jpg", "mpii/images/2.png"],
        "test": ["posetrack/images/val/9.jpg", "aic/7.jpg"],
    }
    first = 1
    for seed, (split, split_names) in enumerate(names.items()):
        write_coco(make_people(first, split_names, seed), folder / "annotations" / f"{split}.json")
        for n, name in enumerate(split_names):
            image = np.full((HEIGHT, WIDTH, 3), 40 * n + 30 * seed, np.uint8)
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(source / name), image)
            (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "images" / name).symlink_to(source / name)
        first += len(split_names)
    monkeypatch.setenv("SMALLPOSE_LINK_ROOTS", str(source))
    roots = {"root": str(source), "link_roots": [str(source)]}
    manifest = {"sources": {"coco": roots}, "files": {}, "pictures": {}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def have_equal_columns(one: Instances, two: Instances) -> bool:
    """Return whether two tables are equal to the last bit, except for their notes."""
    columns = ("image_rows", "ids", "boxes_xywh", "keypoints", "num_keypoints", "iscrowd")
    columns += ("file_area", "source", "box_rule", "segmentation_area")
    equal = all(
        np.array_equal(getattr(one, c), getattr(two, c), equal_nan=c != "iscrowd") for c in columns
    )
    images = ("ids", "width", "height", "source")
    equal &= all(np.array_equal(getattr(one.images, c), getattr(two.images, c)) for c in images)
    texts = ("file_names", "source_ids", "groups", "source_splits")
    equal &= all(getattr(one.images, c) == getattr(two.images, c) for c in texts)
    return equal and one.skeleton == two.skeleton and one.category_id == two.category_id


@pytest.fixture
def is_same() -> Callable[[Instances, Instances], bool]:
    """A function that compares two tables."""
    return have_equal_columns
