"""The sensor model: how an image of fewer pixels is made from one of more.

`clean` averages areas, as the cells of a sensor do, and stops there. A camera adds the blur of its
lens, noise and JPEG, and all of these cost most where people are smallest; so a curve on clean
images is too kind.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.dataloading.camera import add_blur_and_noise, encode_jpeg
from smallpose.dataloading.images import ImageArray

_NOISE_SIZE = 2**22

BLUR_PX = 0.5
NOISE = 3.0
JPEG_QUALITY = 80


@dataclass(frozen=True)
class Sensor:
    """A sensor model; everything refers to the reduced image.

    Args:
        name: as the user wrote it.
        blur_px: standard deviation of the lens blur, a Gaussian; 0 for none.
        noise: standard deviation of the noise of each channel, of 255; 0 for none.
        jpeg: quality, with chroma at half the resolution (4:2:0); 0 for a lossless file.
    """

    name: str
    blur_px: float = 0.0
    noise: float = 0.0
    jpeg: int = 0

    def describe(self) -> str:
        """Describe the model in a sentence."""
        parts = ["area averages"]
        if self.blur_px:
            parts.append(f"a lens blur of {self.blur_px:g} px (standard deviation)")
        if self.noise:
            parts.append(f"noise of {self.noise:g} of 255")
        if self.jpeg:
            parts.append(f"JPEG of quality {self.jpeg} (4:2:0)")
        return f"{self.name}: {', '.join(parts)}"

    def reduce(self, image: ImageArray, size_wh: tuple[int, int], seed: list[int]) -> ImageArray:
        """Reduce an (h, w, 3) RGB image to a size, before JPEG.

        Args:
            size_wh: not larger than the image.
            seed: of the noise.
        """
        reduced = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        noise = None
        if self.noise:
            noise = draw_noise(reduced.size, self.noise, seed).reshape(reduced.shape)
        return add_blur_and_noise(reduced, self.blur_px, noise)

    def encode(self, reduced: ImageArray, suffix: str) -> bytes:
        """Encode a reduced image in the format of a file name's ending."""
        if suffix == ".jpg":
            return encode_jpeg(reduced, self.jpeg)
        options = [cv2.IMWRITE_PNG_COMPRESSION, 1] if suffix == ".png" else []
        bgr = cv2.cvtColor(reduced, cv2.COLOR_RGB2BGR)
        return cv2.imencode(suffix, bgr, options)[1].tobytes()


def draw_noise(size: int, deviation: float, seed: list[int]) -> NDArray[np.float32]:
    """Draw (size,) normal numbers: a part of a fixed long list, from a random place on.

    Drawing each anew would take longer than a small network.
    """
    rng = np.random.default_rng(seed)
    if size > _NOISE_SIZE // 2:
        return np.float32(deviation) * rng.standard_normal(size, np.float32)
    start = int(rng.integers(_NOISE_SIZE - size))
    return _list_noise(deviation)[start : start + size]


@lru_cache(maxsize=4)
def _list_noise(deviation: float) -> NDArray[np.float32]:
    rng = np.random.default_rng(20)
    return np.float32(deviation) * rng.standard_normal(_NOISE_SIZE, np.float32)


CLEAN = Sensor("clean")
CAMERA = Sensor("camera", BLUR_PX, NOISE, JPEG_QUALITY)
_PART = re.compile(r"(blur|noise|jpeg)(\d+(?:\.\d+)?)?")


def parse_sensor(text: str) -> Sensor:
    """Parse `clean`, `camera`, or parts such as `blur`, `noise5` or `blur0.7+jpeg60`.

    A part without a number has that of `camera`.

    Raises: InputError for anything else.
    """
    for sensor in (CLEAN, CAMERA):
        if text == sensor.name:
            return sensor
    values = {"blur": 0.0, "noise": 0.0, "jpeg": 0.0}
    defaults = {"blur": BLUR_PX, "noise": NOISE, "jpeg": float(JPEG_QUALITY)}
    for part in text.split("+"):
        match = _PART.fullmatch(part)
        if match is None:
            raise _make_sensor_error(text)
        kind, number = match.groups()
        values[kind] = defaults[kind] if number is None else float(number)
        if kind == "jpeg" and values[kind] < 1:  # 0 stands for a lossless file
            raise _make_sensor_error(text)
    if values["jpeg"] > 100 or values["blur"] > 20 or values["noise"] > 255:
        raise _make_sensor_error(text)
    return Sensor(text, values["blur"], values["noise"], int(values["jpeg"]))


def _make_sensor_error(text: str) -> InputError:
    return InputError(
        f"--sensor {text}", "no such sensor model", "use clean, camera, or as in blur0.5+jpeg80"
    )
