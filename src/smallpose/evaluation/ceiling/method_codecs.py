"""The codec, input size and geometry of every method, and what they leave of people's joints."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.evaluation.ceiling import codecs
from smallpose.evaluation.ceiling.codecs import Floats, Mask, NetworkPeople
from smallpose.evaluation.ceiling.expected_oks import code_expected_oks

Geometry = Literal["crop", "udp crop", "cover", "inside"]
PADDING = 1.25  # factor from the box to the window of a crop
DEFAULT_IMAGE_WH = (640, 480)  # where a file has no image sizes


@dataclass(frozen=True)
class MethodCodec:
    """How a method stores joints.

    Args:
        label: of the codec, short.
        title: of the codec.
        code: a function of `codecs`.
        input_wh: size of the network's input.
        geometry: "crop" and "udp crop", which enlarge every person to the same size; "cover" and
            "inside", which fit the full image to the input.
        divisor: the sides of a full image's input are multiples of this.
        sigma: of the codec, where it has one.
    """

    label: str
    title: str
    code: Callable[[NetworkPeople, float], tuple[Floats, Mask]]
    input_wh: tuple[int, int]
    geometry: Geometry = "crop"
    divisor: int = 1
    sigma: float = 2.0

    @property
    def description(self) -> str:
        """Return the codec with its input size."""
        return f"{self.title}, {self.input_wh[0]} × {self.input_wh[1]}"

    def decode(self, people: Instances) -> tuple[Floats, Mask]:
        """Return (n, k, 2) joints in image px that a perfect network gives, and who is detected."""
        center, scale, size_wh = self._place(people)
        points = people.keypoints[:, :, :2]
        corners = people.boxes_xywh.reshape(-1, 2, 2).copy()
        corners[:, 1] += corners[:, 0]
        last = size_wh - 1 if self.geometry == "udp crop" else size_wh
        factor = (last / scale)[:, None]
        shift = (last / 2)[:, None] - factor * center[:, None]
        network = NetworkPeople(
            points=points * factor + shift,
            is_labelled=people.keypoints[:, :, 2] > 0,
            boxes_xyxy=(corners * factor + shift).reshape(-1, 4),
            size_wh=size_wh,
            sigmas=people.skeleton.sigmas,
        )
        decoded, is_detected = self.code(network, self.sigma)
        return (decoded - shift) / factor, is_detected

    def _place(self, people: Instances) -> tuple[Floats, Floats, Floats]:
        """Return (n, 2) centres and sizes of the windows in image px, and sizes of the input."""
        wh = np.array(self.input_wh, dtype=np.float64)
        if self.geometry in ("crop", "udp crop"):
            center = people.boxes_xywh[:, :2] + people.boxes_xywh[:, 2:] / 2
            scale = people.boxes_xywh[:, 2:] * PADDING
            aspect = wh[0] / wh[1]
            width = np.maximum(scale[:, 0], scale[:, 1] * aspect)
            return center, np.stack([width, width / aspect], axis=1), np.tile(wh, (len(people), 1))
        image_wh = get_image_sizes(people)[people.image_rows]
        nominal = np.ceil(wh / self.divisor) * self.divisor
        ratio = image_wh[:, 0] / image_wh[:, 1]
        choose = np.maximum if self.geometry == "cover" else np.minimum
        shown = np.stack(
            [choose(nominal[0], nominal[1] * ratio), choose(nominal[1], nominal[0] / ratio)], axis=1
        )
        size = np.broadcast_to(nominal, shown.shape)
        if self.geometry == "cover":
            size = np.ceil(shown / self.divisor) * self.divisor
        return image_wh / 2, image_wh * size / shown, np.asarray(size, dtype=np.float64)


def get_image_sizes(people: Instances) -> Floats:
    """Return (m, 2) sizes of the images in px; `DEFAULT_IMAGE_WH` where they are unknown."""
    sizes = np.stack([people.images.width, people.images.height], axis=1).astype(np.float64)
    is_known = np.asarray((sizes > 0).all(axis=1))
    return np.where(is_known[:, None], sizes, np.array(DEFAULT_IMAGE_WH, dtype=np.float64))


_HEATMAPS = MethodCodec(
    "heatmaps", "heatmaps at stride 4, quarter shift", codecs.code_heatmaps, (192, 256)
)
_UDP = MethodCodec(
    "UDP heatmaps",
    "UDP heatmaps at stride 4, DARK",
    codecs.code_udp_heatmaps,
    (192, 256),
    "udp crop",
)
_SIMCC = MethodCodec("SimCC", "SimCC, half-pixel bins", codecs.code_simcc, (192, 256), sigma=6.0)
_RTMPOSE = replace(_SIMCC, label="RTMPose", code=codecs.code_rtmpose, sigma=4.9)
_CAL = MethodCodec(
    "CAL", "heatmaps with offsets", codecs.code_offset_heatmaps, (192, 256), "udp crop"
)
_DEKR = MethodCodec(
    "DEKR", "offsets from a root", codecs.code_root_offsets, (512, 512), "cover", divisor=32
)
_CID = MethodCodec(
    "CID",
    "heatmaps of each person at stride 4",
    codecs.code_person_heatmaps,
    (512, 512),
    "cover",
    divisor=64,
)
_RTMO = MethodCodec("RTMO", "bins over the box", codecs.code_box_bins, (640, 640), "inside", 32)
_RLE = MethodCodec("RLE", "coordinates", codecs.keep_points, (192, 256))
_EXPECTED_OKS = MethodCodec(
    "expected OKS", "probabilities at stride 4, expected OKS", code_expected_oks, (64, 96)
)
_TINY_CROP = (64, 96)
_TINY_IMAGE = (192, 192)

METHOD_CODECS = {
    "simple_baseline_r50": _HEATMAPS,
    "hrnet_w32": _HEATMAPS,
    "simcc_r50": _SIMCC,
    "cal_hrnet_w32": _CAL,
    "dekr_hrnet_w32": _DEKR,
    "cid_hrnet_w32": _CID,
    "rtmo_s": _RTMO,
    "hrformer_s": _HEATMAPS,
    "vitpose_s": _UDP,
    "rle_r50": _RLE,
    "vitpose_s_rle": _RLE,
}
VARIANT_CODECS = {
    "rtmo_m": _RTMO,
    "rtmo_l": _RTMO,
    "simple_baseline_r18_tiny": replace(_HEATMAPS, input_wh=_TINY_CROP, sigma=1.0),
    "hrnet_w16_tiny": replace(_HEATMAPS, input_wh=_TINY_CROP),
    "hrformer_tiny": replace(_HEATMAPS, input_wh=_TINY_CROP),
    "simcc_r18_tiny": replace(_SIMCC, input_wh=_TINY_CROP, sigma=4.0),
    "cal_hrnet_w16_tiny": replace(_CAL, input_wh=_TINY_CROP, sigma=1.0),
    "dekr_hrnet_w8_tiny": replace(_DEKR, input_wh=_TINY_IMAGE),
    "cid_hrnet_w8_tiny": replace(_CID, input_wh=_TINY_IMAGE),
    "rtmo_tiny": replace(_RTMO, input_wh=_TINY_IMAGE),
    "vitpose_tiny": replace(_UDP, input_wh=_TINY_CROP),
    "rle_r18_tiny": replace(_RLE, input_wh=_TINY_CROP),
    "vitpose_rle_tiny": replace(_RLE, input_wh=_TINY_CROP),
    "rtmpose_t": _RTMPOSE,
    "rtmpose_s": _RTMPOSE,
    "rtmpose_m": _RTMPOSE,
    "rtmpose_l": _RTMPOSE,
    "rtmpose_tiny": replace(_RTMPOSE, input_wh=_TINY_CROP, sigma=2.83),
    "expected_oks_tiny": _EXPECTED_OKS,
    "hrnet_w48": _HEATMAPS,
    "vitpose_b": _UDP,
}


def find_method_codec(name: str) -> MethodCodec:
    """Return the codec of a method.

    Raises: InputError for an unknown name.
    """
    every = METHOD_CODECS | VARIANT_CODECS
    if name not in every:
        raise InputError(
            f"--method {name}", "no such method", f"choose from {', '.join(METHOD_CODECS)}"
        )
    return every[name]
