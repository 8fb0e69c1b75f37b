"""Two codecs that no method here uses, for checkers that know them: `msra_dark`, `udp_offset`.

`msra_dark` is MSRA's heatmap about the exact place, decoded by a Newton step on its logarithm
(Zhang et al. 2020); `udp_offset` a disc with two fields of offsets (Huang et al. 2020). In NumPy,
for one crop of 192 × 256 at a time.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SIZE, MAP = (192, 256), (48, 64)
SIGMA = 2.0
RADIUS = 3.5  # map px
BLUR = 11  # taps
CODECS = ("msra_dark", "udp_offset")


def encode(codec: str, keypoints: NDArray, visible: NDArray) -> dict[str, Floats]:
    """(n, k, 2) keypoints and (n, k) visibilities to targets; of several people the largest."""
    points, weights = np.asarray(keypoints, np.float32), np.array(visible, np.float32)
    w, h = MAP
    x, y = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)[:, None]
    if codec == "udp_offset":
        maps = np.zeros((points.shape[1], 3, h, w), np.float32)
        places = points / (np.subtract(SIZE, 1) / np.subtract(MAP, 1)).astype(np.float32)
        for person, joint in zip(*np.nonzero(weights >= 0.5), strict=True):
            away = [
                (p - grid) / RADIUS for p, grid in zip(places[person, joint], (x, y), strict=True)
            ]
            maps[joint] = [
                sum(a**2 for a in away) <= 1,
                *(np.broadcast_to(a, (h, w)) for a in away),
            ]
        return {"heatmaps": maps.reshape(-1, h, w), "keypoint_weights": weights}
    maps = np.zeros((points.shape[1], h, w), np.float32)
    places = points / np.divide(SIZE, MAP).astype(np.float32)
    reach = 3 * SIGMA
    for person, joint in zip(*np.nonzero(weights >= 0.5), strict=True):
        at = places[person, joint]
        if (at - reach >= MAP).any() or (at + reach + 1 < 0).any():
            weights[person, joint] = 0
            continue
        bell = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * SIGMA**2))
        maps[joint] = np.maximum(maps[joint], bell)
    return {"heatmaps": maps, "keypoint_weights": weights}


def decode(codec: str, maps: NDArray) -> tuple[Floats, Floats]:
    """(k, h, w) or (3k, h, w) maps to (1, k, 2) keypoints of the crop and (1, k) scores."""
    maps = np.array(maps, np.float32).reshape(-1, *np.shape(maps)[-2:])
    h, w = maps.shape[1:]
    if codec == "udp_offset":
        blur = 2 * BLUR + 1
        discs = np.stack([cv2.GaussianBlur(disc, (blur, blur), 0) for disc in maps[::3]])
        pixels, scores = _maxima(discs)
        # Where nothing is above 0 the pixel is (-1, -1), and what is read there means nothing.
        place = (pixels[:, 0] + pixels[:, 1] * w + w * h * np.arange(len(discs))).astype(int)
        fields = [maps[i::3].ravel()[place] * np.float32(RADIUS) for i in (1, 2)]
        points = (pixels + np.stack(fields, axis=1)) / np.subtract((w, h), 1) * SIZE
    else:
        pixels, scores = _maxima(maps)
        smooth = np.stack([_blurred(m) for m in maps])
        logs = np.log(np.maximum(smooth, 1e-10))
        points = np.stack([_newton(m, p) for m, p in zip(logs, pixels, strict=True)]) * 4
    return points[None].astype(np.float32), scores[None]


def _maxima(maps: Floats) -> tuple[Floats, Floats]:
    """First largest pixels, (k, 2), (-1, -1) where nothing is above 0, and their values."""
    flat = maps.reshape(len(maps), -1)
    place, scores = flat.argmax(axis=1), flat.max(axis=1)
    pixels = np.stack([place % maps.shape[2], place // maps.shape[2]], axis=1).astype(np.float32)
    pixels[scores <= 0] = -1
    return pixels, scores


def _blurred(heatmap: Floats) -> Floats:
    """Smoothed with zeros around it, and given its old maximum back."""
    around = BLUR // 2
    padded = cv2.GaussianBlur(np.pad(heatmap, around), (BLUR, BLUR), 0)
    smooth = padded[around:-around, around:-around]
    # 0 / 0 is a flat map of zeros, whose pixel is (-1, -1) and takes no step.
    with np.errstate(invalid="ignore", divide="ignore"):
        return smooth * (heatmap.max() / smooth.max())


def _newton(logs: Floats, pixel: Floats) -> Floats:
    """The pixel moved to where the parabola through its neighbours two away is level."""
    h, w = logs.shape
    x, y = pixel.astype(int)
    if not (1 < x < w - 2 and 1 < y < h - 2):
        return pixel
    near = logs[y - 2 : y + 3, x - 2 : x + 3].astype(np.float64)  # the pixel is [2, 2]
    gradient = np.array([near[2, 3] - near[2, 1], near[3, 2] - near[1, 2]]) / 2
    xx = (near[2, 4] - 2 * near[2, 2] + near[2, 0]) / 4
    yy = (near[4, 2] - 2 * near[2, 2] + near[0, 2]) / 4
    xy = (near[3, 3] - near[1, 3] - near[3, 1] + near[1, 1]) / 4
    if xx * yy - xy**2 == 0:
        return pixel
    return pixel - np.linalg.solve([[xx, xy], [xy, yy]], gradient)
