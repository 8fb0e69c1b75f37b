"""What a camera adds to an image: the blur of its lens, the noise of its sensor, and JPEG."""

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.dataloading.images import ImageArray

# Ranges from which the camera of a training crop is drawn.
_MAX_BLUR_PX = 1.0
_MAX_NOISE = 6.0  # of 255
_JPEG_QUALITY = (60, 95)


def add_blur_and_noise(
    image: ImageArray, blur_px: float, noise: NDArray[np.float32] | None
) -> ImageArray:
    """Add the blur of a lens, and then noise, to an (h, w, 3) image.

    Args:
        blur_px: standard deviation of a Gaussian; 0 for none.
        noise: (h, w, 3) what is added to each value, of 255; None for nothing.
    """
    if blur_px:
        image = np.asarray(
            cv2.GaussianBlur(image, (0, 0), blur_px, borderType=cv2.BORDER_REPLICATE), np.uint8
        )
    if noise is None:
        return image
    light = cv2.max(cv2.add(image.astype(np.float32), noise), 0)  # type: ignore[call-overload]
    return np.asarray(cv2.convertScaleAbs(light), np.uint8)


def encode_jpeg(image: ImageArray, quality: int) -> bytes:
    """Encode an (h, w, 3) RGB image as JPEG, with chroma at half the resolution (4:2:0)."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def degrade_as_camera(image: ImageArray, rng: np.random.Generator) -> ImageArray:
    """Return an (h, w, 3) RGB image as a random camera would have stored it.

    The standard deviations of blur and noise and the quality of JPEG are uniform between nothing,
    or 95, and twice what a good camera has: those of `resolution --sensor camera` are amid them.
    """
    blur_draw, noise_draw = rng.random(2)
    quality = int(rng.integers(_JPEG_QUALITY[0], _JPEG_QUALITY[1] + 1))
    noise = np.float32(_MAX_NOISE * noise_draw) * rng.standard_normal(image.shape, np.float32)
    degraded = add_blur_and_noise(image, _MAX_BLUR_PX * blur_draw, noise)
    data = np.frombuffer(encode_jpeg(degraded, quality), np.uint8)
    bgr = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
