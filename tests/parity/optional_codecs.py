"""Two codecs that no method here uses, for checkers that know them: `msra_dark`, `udp_offset`.

`msra_dark` is MSRA's heatmap about the exact keypoint, decoded by a Newton step on its logarithm
(DARK, Zhang et al. 2020); `udp_offset` a disc with two offset fields (UDP, Huang et al. 2020). In
NumPy, for one crop of 192 × 256 at a time.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SIZE, MAP = (192, 256), (48, 64)
SIGMA = 2.0
RADIUS = 3.5  # map px
BLUR_KERNEL = 11  # taps
CODECS = ("msra_dark", "udp_offset")


def encode(codec: str, keypoints: NDArray, visible: NDArray) -> dict[str, Floats]:
    """Encode (n, k, 2) keypoints and (n, k) visibilities; several people share one map."""
    points, weights = np.asarray(keypoints, np.float32), np.array(visible, np.float32)
    w, h = MAP
    x, y = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)[:, None]
    if codec == "udp_offset":
        maps = np.zeros((points.shape[1], 3, h, w), np.float32)
        on_map = points / (np.subtract(SIZE, 1) / np.subtract(MAP, 1)).astype(np.float32)
        for person, joint in zip(*np.nonzero(weights >= 0.5), strict=True):
            offsets = [
                (p - grid) / RADIUS for p, grid in zip(on_map[person, joint], (x, y), strict=True)
            ]
            maps[joint] = [
                sum(offset**2 for offset in offsets) <= 1,
                *(np.broadcast_to(offset, (h, w)) for offset in offsets),
            ]
        return {"heatmaps": maps.reshape(-1, h, w), "keypoint_weights": weights}
    maps = np.zeros((points.shape[1], h, w), np.float32)
    on_map = points / np.divide(SIZE, MAP).astype(np.float32)
    reach = 3 * SIGMA
    for person, joint in zip(*np.nonzero(weights >= 0.5), strict=True):
        center = on_map[person, joint]
        if (center - reach >= MAP).any() or (center + reach + 1 < 0).any():
            weights[person, joint] = 0
            continue
        squared_distance = (x - center[0]) ** 2 + (y - center[1]) ** 2
        maps[joint] = np.maximum(maps[joint], np.exp(-squared_distance / (2 * SIGMA**2)))
    return {"heatmaps": maps, "keypoint_weights": weights}


def decode(codec: str, maps: NDArray) -> tuple[Floats, Floats]:
    """Decode (k, h, w) or (3k, h, w) maps to (1, k, 2) keypoints of the crop and (1, k) scores."""
    maps = np.array(maps, np.float32).reshape(-1, *np.shape(maps)[-2:])
    h, w = maps.shape[1:]
    if codec == "udp_offset":
        kernel = 2 * BLUR_KERNEL + 1
        discs = np.stack([cv2.GaussianBlur(disc, (kernel, kernel), 0) for disc in maps[::3]])
        pixels, scores = _find_maxima(discs)
        # Where nothing is above 0 the pixel is (-1, -1), and the offsets read there are arbitrary.
        indices = (pixels[:, 0] + pixels[:, 1] * w + w * h * np.arange(len(discs))).astype(int)
        fields = [maps[i::3].ravel()[indices] * np.float32(RADIUS) for i in (1, 2)]
        points = (pixels + np.stack(fields, axis=1)) / np.subtract((w, h), 1) * SIZE
    else:
        pixels, scores = _find_maxima(maps)
        blurred = np.stack([_blur_map(m) for m in maps])
        log_maps = np.log(np.maximum(blurred, 1e-10))
        refined = [_take_newton_step(m, p) for m, p in zip(log_maps, pixels, strict=True)]
        points = np.stack(refined) * 4
    return points[None].astype(np.float32), scores[None]


def _find_maxima(maps: Floats) -> tuple[Floats, Floats]:
    """Return the first maxima, (k, 2), (-1, -1) where nothing is above 0, and their values."""
    flat = maps.reshape(len(maps), -1)
    indices, scores = flat.argmax(axis=1), flat.max(axis=1)
    pixels = np.stack([indices % maps.shape[2], indices // maps.shape[2]], axis=1).astype(
        np.float32
    )
    pixels[scores <= 0] = -1
    return pixels, scores


def _blur_map(heatmap: Floats) -> Floats:
    """Blur a map with zero padding and scale it back to its old maximum."""
    margin = BLUR_KERNEL // 2
    padded = cv2.GaussianBlur(np.pad(heatmap, margin), (BLUR_KERNEL, BLUR_KERNEL), 0)
    blurred = padded[margin:-margin, margin:-margin]
    # 0 / 0 is a flat map of zeros, whose pixel is (-1, -1) and takes no step.
    with np.errstate(invalid="ignore", divide="ignore"):
        return blurred * (heatmap.max() / blurred.max())


def _take_newton_step(log_map: Floats, pixel: Floats) -> Floats:
    """Move a pixel to the extremum of the parabola through its neighbours two away."""
    h, w = log_map.shape
    x, y = pixel.astype(int)
    if not (1 < x < w - 2 and 1 < y < h - 2):
        return pixel
    near = log_map[y - 2 : y + 3, x - 2 : x + 3].astype(np.float64)  # the pixel is [2, 2]
    gradient = np.array([near[2, 3] - near[2, 1], near[3, 2] - near[1, 2]]) / 2
    xx = (near[2, 4] - 2 * near[2, 2] + near[2, 0]) / 4
    yy = (near[4, 2] - 2 * near[2, 2] + near[0, 2]) / 4
    xy = (near[3, 3] - near[1, 3] - near[3, 1] + near[1, 1]) / 4
    if xx * yy - xy**2 == 0:
        return pixel
    return pixel - np.linalg.solve([[xx, xy], [xy, yy]], gradient)
