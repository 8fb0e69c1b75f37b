"""Large pictures in overlapping pieces, so that people too small for the whole view are seen.

A network sees a picture at its own size: in 3840 px brought to 640, someone 48 px tall has 8 left.
So the picture is cut into overlapping tiles and looked at whole as well. Whoever is smaller than
the overlap stands whole in some tile; people cut by a seam are left to the view that shows all of
them, and people found in several views become one by their OKS.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from smallpose.methods.full_image import Found, WholeImageMethod
from smallpose.models.codecs.nms import oks_nms

Picture = NDArray[np.uint8]
Ints = NDArray[np.int64]

NMS_ABOVE = 0.7  # OKS of one person in two views; views differ more than peaks of one map do
EDGE = 0.01  # share of a tile's side within which a box ends at its seam


def tile_windows(picture_wh: tuple[int, int], side: int, overlap: int) -> Ints:
    """(m, 4) x, y, width, height of tiles that cover the picture, px.

    Tiles of one picture have one size, never beyond the picture, and lie evenly: neighbours share
    at least `overlap` px. None for a picture that is a single tile.
    """
    starts = []
    sides = [min(side, length) for length in picture_wh]
    for length, shown in zip(picture_wh, sides, strict=True):
        step = max(shown - overlap, 1)
        count = 1 + max(-(-(length - shown) // step), 0)
        starts.append(np.round(np.linspace(0, length - shown, count)).astype(np.int64))
    x, y = np.meshgrid(*starts)
    if x.size == 1:
        return np.zeros((0, 4), dtype=np.int64)
    size = np.broadcast_to(np.array(sides), (x.size, 2))
    return np.concatenate([np.stack([x.ravel(), y.ravel()], axis=1), size], axis=1)


def find_in_tiles(
    method: WholeImageMethod,
    picture: Picture,
    flip_test: bool,
    batch_size: int,
    side: int,
    overlap: int,
) -> Found:
    """The people of one picture, px of the picture, from its tiles and its whole view.

    Args:
        picture: (h, w, 3) uint8 RGB.
        side, overlap: of the tiles, px of the picture.
    """
    picture_wh = (picture.shape[1], picture.shape[0])
    windows = tile_windows(picture_wh, side, overlap)
    if not len(windows):
        return method.find_in([picture], flip_test, batch_size)[0]
    views = [picture[y : y + h, x : x + w] for x, y, w, h in windows.tolist()]
    found = method.find_in([*views, picture], flip_test, batch_size)
    parts = [
        _whole_ones(_moved(part, window), window, picture_wh)
        for part, window in zip(found, windows, strict=False)
    ]
    return _once(parts, found[-1], method.skeleton.sigmas, overlap, method.most)


def _moved(found: Found, window: Ints) -> Found:
    """From px of a tile to px of the picture."""
    corner = torch.from_numpy(window[:2].astype(np.float64))
    return found._replace(
        keypoints=found.keypoints + corner,
        boxes_xyxy=found.boxes_xyxy + corner.repeat(2),
    )


def _whole_ones(found: Found, window: Ints, picture_wh: tuple[int, int]) -> Found:
    """Without people whose box reaches a seam; the picture's own border is none."""
    x, y, w, h = window.tolist()
    low = found.boxes_xyxy[:, :2] < torch.tensor([x + EDGE * w, y + EDGE * h])
    high = found.boxes_xyxy[:, 2:] > torch.tensor([x + w - EDGE * w, y + h - EDGE * h])
    low &= torch.tensor([x > 0, y > 0])
    high &= torch.tensor([x + w < picture_wh[0], y + h < picture_wh[1]])
    return _rows(found, ~(low | high).any(dim=1))


def _once(
    tiles: Sequence[Found],
    whole: Found,
    sigmas: NDArray[np.float64],
    overlap: int,
    most: int | None,
) -> Found:
    """One person for each bunch of views of him.

    People smaller than the overlap are taken from a tile where they are in one, for it shows them
    larger; the others from the surest view.
    """
    together = Found(*(torch.cat(columns) for columns in zip(*tiles, whole, strict=True)))
    sides = together.boxes_xyxy[:, 2:] - together.boxes_xyxy[:, :2]
    in_tile = torch.arange(len(sides)) < len(sides) - len(whole.scores)
    better = in_tile & (sides.amax(dim=1) <= overlap)
    rank = together.scores + better * (together.scores.abs().max() + 1 if len(sides) else 1)
    points = together.keypoints.numpy()
    area = np.ptp(points, axis=1).prod(axis=1) if len(points) else np.zeros(0)
    kept = oks_nms(points, rank.numpy(), area, sigmas, NMS_ABOVE)
    kept = kept[np.argsort(-together.scores.numpy()[kept], kind="stable")][:most]
    return _rows(together, torch.from_numpy(kept))


def _rows(found: Found, rows: torch.Tensor) -> Found:
    return Found(*(column[rows] for column in found))
