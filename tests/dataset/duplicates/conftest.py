"""Images to search for near-duplicates."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

Grey = NDArray[np.uint8]


def draw_scene_of(seed: int) -> Grey:
    """Draw an image unlike any other: shaded background, rectangles, ellipses and noise."""
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(200, 480, 2))
    slope = np.linspace(0, rng.uniform(-80, 80), width)[None] + np.linspace(0, 60, height)[:, None]
    canvas = np.clip(slope + rng.uniform(60, 160), 0, 255).astype(np.uint8)
    for _ in range(45):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        shade = int(rng.integers(0, 256))
        size = [int(v) for v in rng.integers(6, 60, 2)]
        if rng.random() < 0.4:
            cv2.ellipse(canvas, (x, y), size, float(rng.uniform(0, 180)), 0, 360, shade, -1)
        else:
            angle = float(rng.uniform(0, 180))
            corners = cv2.boxPoints(((x, y), size, angle)).astype(np.int32)
            cv2.fillPoly(canvas, [corners], shade)
    noise = rng.normal(0, 4, canvas.shape)
    return np.clip(canvas + noise, 0, 255).astype(np.uint8)


def crop_randomly(image: Grey, rng: np.random.Generator, area: float = 0.7) -> Grey:
    """Crop a random window with this share of the area."""
    height, width = image.shape
    share = np.exp(rng.uniform(np.log(area), 0))
    w, h = round(width * share), round(height * area / share)
    x, y = rng.integers(0, width - w + 1), rng.integers(0, height - h + 1)
    return image[y : y + h, x : x + w]


@pytest.fixture(scope="session")
def draw_scene() -> Callable[[int], Grey]:
    """A function of a seed that draws an image unlike any other."""
    return draw_scene_of


@pytest.fixture(scope="session")
def crop() -> Callable[..., Grey]:
    """A function that crops an image randomly."""
    return crop_randomly
