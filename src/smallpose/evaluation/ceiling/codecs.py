"""What encoding and decoding do to joints, without a network: the codecs of the methods in NumPy.

A perfect network returns its target. Decoding the target gives the joint back only as precisely as
the codec can store it. Each function takes (n, k, 2) joints in px of the network's input and
returns them as decoded; `tests/evaluation/ceiling` holds them equal to the codecs of the methods.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

STRIDE = 4  # input px per map px of all heatmaps
SPLIT_RATIO = 2  # bins per input px of SimCC
SIMCC_SIGMA = 6.0  # bins
OFFSET_RADIUS = 4.0  # map px within which CAL's offsets are supervised
BLUR_TAPS = 11  # of DARK's smoothing
BIN_PADDING = 1.25  # RTMO's bins cover the box enlarged by this factor
MIN_DIAGONAL = float(np.sqrt(32))  # map px; DEKR gives smaller people no root
_CHUNK = 256  # people whose maps are computed at a time
_TIE = 5e-6  # differences between map pixels below it are rounding


@dataclass(frozen=True)
class NetworkPeople:
    """People as a network sees them.

    Args:
        points: (n, k, 2) joints in px of the input.
        is_labelled: (n, k).
        boxes_xyxy: (n, 4) px of the input.
        size_wh: (n, 2) of the input.
        sigmas: (k,) of OKS.
    """

    points: Floats
    is_labelled: Mask
    boxes_xyxy: Floats
    size_wh: Floats
    sigmas: Floats

    def __len__(self) -> int:
        return len(self.points)

    def take(self, rows: slice) -> "NetworkPeople":
        """Return some of the people."""
        return NetworkPeople(
            self.points[rows],
            self.is_labelled[rows],
            self.boxes_xyxy[rows],
            self.size_wh[rows],
            self.sigmas,
        )


def keep_points(people: NetworkPeople, sigma: float) -> tuple[Floats, Mask]:
    """Return the joints as they are: coordinates that are regressed (RLE) lose nothing."""
    return people.points, np.ones(len(people), dtype=bool)


def code_heatmaps(people: NetworkPeople, sigma: float) -> tuple[Floats, Mask]:
    """Pass joints through Gaussians on whole pixels at stride 4.

    The map is symmetric about its peak, so the quarter shift towards the larger neighbour does
    nothing, and joints come back rounded to multiples of 4 px. A joint off the map whose Gaussian
    reaches it comes back at the border, one farther off at (-4, -4).
    """
    size = (people.size_wh // STRIDE)[:, None]
    center = np.trunc(people.points / STRIDE + 0.5)
    is_drawn = _touches(center - 3 * sigma, center + 3 * sigma, size) & _overlaps(
        center, 3 * sigma, size
    )
    pixels = np.where(is_drawn[..., None], np.clip(center, 0, size - 1), -1.0)
    return pixels * STRIDE, np.ones(len(people), dtype=bool)


def _touches(first: Floats, last: Floats, size: Floats) -> Mask:
    """Return (n, k) whether a joint is supervised, whose patch ends at the earliest before 0."""
    return np.asarray(((first < size) & (last + 1 >= 0)).all(axis=-1))


def _overlaps(center: Floats, reach: float, size: Floats) -> Mask:
    """Return (n, k) whether a pixel of the map is in the patch."""
    return np.asarray(((center + reach >= 0) & (center - reach <= size - 1)).all(axis=-1))


def code_udp_heatmaps(people: NetworkPeople, sigma: float) -> tuple[Floats, Mask]:
    """Pass joints through unbiased heatmaps (UDP) and DARK's Newton step.

    The Gaussian lies about the exact joint; what is lost is due to its cut at 3 sigma and to the
    borders of the map. Map and step are products of a row and a column, so that each axis is
    computed alone. Points are in px of UDP's input grid.
    """
    parts = [
        _code_udp_part(people.take(slice(start, start + _CHUNK)), sigma)
        for start in range(0, len(people), _CHUNK)
    ]
    points = np.concatenate([people.points[:0], *parts])
    return points, np.ones(len(people), dtype=bool)


def _code_udp_part(people: NetworkPeople, sigma: float) -> Floats:
    size = people.size_wh // STRIDE
    per_pixel = ((people.size_wh - 1) / (size - 1))[:, None]
    exact = people.points / per_pixel
    center = np.trunc(exact + 0.5)
    is_drawn = _touches(center - 3 * sigma, center + 3 * sigma, size[:, None])
    is_drawn &= _overlaps(center, 3 * sigma, size[:, None])
    decoded = np.full(exact.shape, -1.0)
    for axis in (0, 1):
        length = int(size[0, axis])
        pixels = np.arange(length)
        distance = pixels - exact[..., axis, None]
        is_inside = np.abs(pixels - center[..., axis, None]) <= 3 * sigma
        row = np.where(is_inside, np.exp(-(distance**2) / (2 * sigma**2)), 0.0)
        decoded[..., axis] = _step_by_newton(row)
    return np.where(is_drawn[..., None], decoded, -1.0) * per_pixel


def _step_by_newton(rows: Floats) -> Floats:
    """Return the (n, k) maxima of (n, k, w) rows, moved by one Newton step on the blurred log."""
    width = rows.shape[-1]
    half = BLUR_TAPS // 2
    blur_sigma = 0.3 * ((BLUR_TAPS - 1) * 0.5 - 1) + 0.8
    taps = np.exp(-((np.arange(BLUR_TAPS) - half) ** 2) / (2 * blur_sigma**2))
    taps /= taps.sum()
    padded = np.pad(rows, ((0, 0), (0, 0), (half, half)))
    blurred = sum(taps[i] * padded[..., i : i + width] for i in range(BLUR_TAPS))
    peak = rows.argmax(axis=-1)
    highest = np.maximum(blurred.max(axis=-1, keepdims=True), 1e-300)
    logs = np.log(np.maximum(blurred / highest * rows.max(axis=-1, keepdims=True), 1e-12))

    def value_at(step: int) -> Floats:
        index = np.clip(peak + step, 0, width - 1)
        return np.asarray(np.take_along_axis(logs, index[..., None], axis=-1)[..., 0])

    left, middle, right = value_at(-1), value_at(0), value_at(1)
    curvature = right - 2 * middle + left + 1.1920929e-07
    with np.errstate(divide="ignore", invalid="ignore"):
        step = (right - left) / 2 / curvature
    return np.asarray(peak - np.nan_to_num(step, posinf=0.0, neginf=0.0))


def code_simcc(people: NetworkPeople, sigma: float) -> tuple[Floats, Mask]:
    """Pass joints through bins of half a pixel along each axis.

    A joint beyond the border comes back in the outermost bin, one more than 3 sigma beyond it at
    (-.5, -.5).
    """
    return _code_bins(people, np.array([sigma, sigma]))


def code_rtmpose(people: NetworkPeople, sigma: float) -> tuple[Floats, Mask]:
    """Pass joints through the bins of `code_simcc`, with RTMPose's wider labels along the height.

    Args:
        sigma: along x; that along y is larger by the root of height / width.
    """
    w, h = people.size_wh.T
    sigmas = np.stack([np.full(len(people), sigma), sigma * np.sqrt(h / w)], axis=1)
    return _code_bins(people, sigmas[:, None])


def _code_bins(people: NetworkPeople, sigma_xy: Floats) -> tuple[Floats, Mask]:
    count = (SPLIT_RATIO * people.size_wh)[:, None]
    center = np.round(people.points * SPLIT_RATIO)
    is_drawn = _touches(center - 3 * sigma_xy, center + 3 * sigma_xy, count)
    bins = np.where(is_drawn[..., None], np.clip(center, 0, count - 1), -1.0)
    return bins / SPLIT_RATIO, np.ones(len(people), dtype=bool)


def code_offset_heatmaps(people: NetworkPeople, sigma: float) -> tuple[Floats, Mask]:
    """Pass joints through CAL's heatmaps with an offset at each pixel; exact on the map.

    A joint up to 4 map px off the map comes back by its offset, one farther off at the border.
    Points are in px of UDP's input grid.
    """
    size = people.size_wh // STRIDE
    per_pixel = ((people.size_wh - 1) / (size - 1))[:, None]
    exact = people.points / per_pixel
    center = np.trunc(exact + 0.5)
    reach = int(3 * sigma + 0.5)
    is_drawn = np.asarray(
        ((center - reach < size[:, None]) & (center + reach + 1 > 0)).all(axis=-1)
    )
    pixel = np.clip(np.ceil(exact - 0.5), 0, size[:, None] - 1)
    is_near = ((exact - pixel) ** 2).sum(axis=-1) <= OFFSET_RADIUS**2
    is_exact = np.asarray(is_drawn & is_near)
    decoded = np.where(is_exact[..., None], exact, pixel)
    return np.where(is_drawn[..., None], decoded, 0.0) * per_pixel, np.ones(len(people), dtype=bool)


def code_person_heatmaps(people: NetworkPeople, sigma: float) -> tuple[Floats, Mask]:
    """Pass joints through CID's heatmaps of each person at stride 4.

    The Gaussian is as wide as the person's box allows, and its peak is one pixel up and left of the
    joint's where the fraction of 3 sigma is below a half; decoding adds half a map pixel.
    """
    size = (people.size_wh // STRIDE)[:, None]
    sigmas = np.maximum(_compute_person_sigma(people.boxes_xyxy / STRIDE), 1e-3)[:, None, None]
    reach = 3 * sigmas
    rounded = np.trunc(people.points / STRIDE + 0.5)
    first, last = np.trunc(rounded - reach), np.trunc(rounded + reach + 1) - 1
    center = first + np.floor(reach + 0.5)
    is_drawn = _touches(first, last, size) & ((last >= 0) & (first <= size - 1)).all(axis=-1)
    rows = _Rows(center, first, last, sigmas, size)
    pixel = rows.find_peak()
    shift = np.zeros(pixel.shape)
    for axis in (0, 1):
        other = 1 - axis
        unit = np.eye(2)[axis]
        slope = rows.evaluate_map(pixel + unit) - rows.evaluate_map(pixel - unit)
        can_shift = (pixel[..., axis] > 1) & (pixel[..., axis] < size[..., axis] - 1)
        can_shift &= (pixel[..., other] > 0) & (pixel[..., other] < size[..., other])
        shift[..., axis] = np.sign(slope) * (np.abs(slope) > _TIE) * can_shift
    points = np.where(is_drawn[..., None], (pixel + 0.25 * shift) * STRIDE, -1.0 * STRIDE)
    has_root = np.asarray(people.is_labelled.any(axis=1))
    return points + STRIDE / 2, has_root


@dataclass(frozen=True)
class _Rows:
    """One row and one column of each joint's map: Gaussians that are cut at both ends."""

    center: Floats
    first: Floats
    last: Floats
    sigmas: Floats
    size: Floats

    def evaluate(self, pixel: Floats) -> Floats:
        """Return the values at pixels, 0 off the patch and off the map."""
        is_inside = (pixel >= np.maximum(self.first, 0)) & (
            pixel <= np.minimum(self.last, self.size - 1)
        )
        squared = (pixel - self.center) ** 2
        return np.asarray(np.where(is_inside, np.exp(-squared / (2 * self.sigmas**2)), 0.0))

    def average(self, pixel: Floats) -> Floats:
        """Return the means of three neighbours."""
        return np.asarray(sum(self.evaluate(pixel + step) for step in (-1, 0, 1)) / 3)

    def evaluate_map(self, pixel: Floats) -> Floats:
        """Return (n, k) values of the smoothed map: each pixel averaged with the nine around it."""
        return np.asarray(
            (self.evaluate(pixel).prod(axis=-1) + self.average(pixel).prod(axis=-1)) / 2
        )

    def find_peak(self) -> Floats:
        """Return (n, k, 2) the maximum of the smoothed map.

        It is the Gaussian's peak, except at the border, where the zeros beyond it may move the
        maximum inward by a pixel.
        """
        nearest = np.clip(self.center, 0, self.size - 1)
        best, highest = nearest, self.evaluate_map(nearest)
        for step in ((-1, 0), (0, -1), (-1, -1), (1, 0), (0, 1), (1, 1), (-1, 1), (1, -1)):
            pixel = np.clip(nearest + step, 0, self.size - 1)
            value = self.evaluate_map(pixel)
            is_higher = value > highest
            best = np.where(is_higher[..., None], pixel, best)
            highest = np.where(is_higher, value, highest)
        return best


def _compute_person_sigma(boxes_xyxy: Floats, overlap: float = 0.7) -> Floats:
    """Return (n,) CID's sigmas from boxes in map px: a third of CornerNet's radius."""
    width, height = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).T
    total, area = height + width, height * width
    shifted = (total + np.sqrt(total**2 - 4 * area * (1 - overlap) / (1 + overlap))) / 2
    inner = (2 * total + np.sqrt(4 * total**2 - 16 * (1 - overlap) * area)) / 2
    outer = -2 * overlap * total
    outer = (outer + np.sqrt(outer**2 + 16 * overlap * (1 - overlap) * area)) / 2
    return np.asarray(np.minimum(np.minimum(shifted, inner), outer) / 3)


def code_root_offsets(people: NetworkPeople, sigma: float) -> tuple[Floats, Mask]:
    """Pass joints through DEKR's offsets from the person's root; exact, for people who have one.

    People whose labelled joints span less than 5.7 map px get no root and are not detected. A joint
    off the map comes back at the root.
    """
    size = (people.size_wh // STRIDE)[:, None]
    exact = people.points / STRIDE
    is_labelled = people.is_labelled[..., None]
    count = np.maximum(is_labelled.sum(axis=1), 1)
    mean = np.where(is_labelled, exact, 0).sum(axis=1) / count
    low = np.where(is_labelled, exact, np.inf).min(axis=1)
    high = np.where(is_labelled, exact, -np.inf).max(axis=1)
    has_label = np.asarray(people.is_labelled.any(axis=1))
    diagonal = np.hypot(*np.where(has_label[:, None], high - low, 0).T)
    on_map = ((mean >= 0) & (mean < size[:, 0])).all(axis=-1)
    has_root = has_label & (diagonal >= MIN_DIAGONAL) & on_map
    root = np.clip(np.trunc(mean + 0.5), 0, size[:, 0] - 1)[:, None]
    is_inside = ((exact >= 0) & (exact < size)).all(axis=-1) & people.is_labelled
    return np.where(is_inside[..., None], exact, root) * STRIDE, has_root


def code_box_bins(people: NetworkPeople, sigma: float) -> tuple[Floats, Mask]:
    """Pass joints through RTMO's bins over the person's enlarged box.

    The joint is an expected position, so it may lie between bins; one beyond them comes back in the
    outermost.
    """
    low, high = people.boxes_xyxy[:, None, :2], people.boxes_xyxy[:, None, 2:]
    center, half = (low + high) / 2, (high - low) / 2 * BIN_PADDING
    return np.clip(people.points, center - half, center + half), np.ones(len(people), dtype=bool)
