"""People labelled by several annotators whose spread is known."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import COCO17, Skeleton


def make_people(
    rng: np.random.Generator, count: int = 200, per_image: int = 2, skeleton: Skeleton = COCO17
) -> Instances:
    """Make people of 24 to 400 px in images, where their joints truly are."""
    num_images = -(-count // per_image)
    names = [f"{i:04d}.jpg" for i in range(num_images)]
    images = make_images(range(1, num_images + 1), names, [2000] * num_images, [500] * num_images)
    height = rng.permutation(np.geomspace(24, 400, count))
    wh = np.stack([height / 2, height], axis=1)
    rows = np.arange(count) // per_image
    corner = np.stack([(np.arange(count) % per_image) * 300.0, np.full(count, 20.0)], axis=1)
    xy = corner[:, None] + rng.random((count, len(skeleton), 2)) * wh[:, None]
    return make_instances(
        skeleton,
        images,
        rows,
        np.concatenate([corner, wh], axis=1),
        np.concatenate([xy, np.full((count, len(skeleton), 1), 2.0)], axis=2),
        file_area=wh.prod(axis=1) * 0.6,
    )


def annotate(people: Instances, rng: np.random.Generator, sigmas) -> Instances:
    """Label the people once more: E[d²] = sigma² area, so sigma / √2 along each axis."""
    spread = np.sqrt(people.file_area)[:, None, None] * np.asarray(sigmas)[:, None] / np.sqrt(2)
    keypoints = people.keypoints.copy()
    keypoints[:, :, :2] += rng.normal(0, 1, keypoints[:, :, :2].shape) * spread
    return replace(people, keypoints=keypoints)


@pytest.fixture(name="make_people", scope="session")
def fixture_make_people():
    """Return the function above."""
    return make_people


@pytest.fixture(name="annotate", scope="session")
def fixture_annotate():
    """Return the function above."""
    return annotate
