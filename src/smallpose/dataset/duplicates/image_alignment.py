"""Two pictures laid on each other: by the corners they share, then compared by what both show."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.dataset.duplicates.image_hash import THUMBNAIL_SIDE, Fingerprints

Transform = tuple[float, float, float, float]  # x' = a x + b, y' = c y + d, in 0 … 1

MIN_ALIGNED_CORNERS = 3  # in common, or two pictures are not looked at
MIN_SIMILARITY = 0.7  # correlation of aligned thumbnails
MIN_OVERLAP = 0.5  # share of either picture that the other one must cover
MIN_DETAIL = 3.0  # grey levels of detail; a plainer picture resembles all plain ones
_ROWS, _COLUMNS = np.mgrid[:THUMBNAIL_SIDE, :THUMBNAIL_SIDE].astype(np.float32) / THUMBNAIL_SIDE
_PLANE = np.stack([np.ones_like(_ROWS), _ROWS, _COLUMNS], axis=2)


@dataclass(frozen=True, order=True)
class DuplicatePair:
    """Two near-duplicates.

    Args:
        first, second: their numbers, first < second.
        mirrored: one is the other's mirror image.
        similarity: correlation of what both show, -1 to 1.
        overlap: the part of the smaller one's scene that both show, 0 to 1.
        crop: one shows less than nine tenths of the other.
    """

    first: int
    second: int
    is_mirrored: bool
    similarity: float
    overlap: float
    is_crop: bool

    @property
    def kind(self) -> str:
        """In words: "same", "mirrored", "crop" or "mirrored crop"."""
        words = [w for w, on in (("mirrored", self.is_mirrored), ("crop", self.is_crop)) if on]
        return " ".join(words) or "same"


def fit_transform(
    here: NDArray[np.float32], there: NDArray[np.float32], mirrored: bool
) -> Transform | None:
    """The stretch and shift along both axes that most corners agree on."""
    fits = []
    for axis in (0, 1):
        fit = _fit_line(here[:, axis], there[:, axis], mirrored and axis == 0)
        if fit is None:
            return None
        fits.append(fit)
    (a, b, close_x), (c, d, close_y) = fits
    both = close_x & close_y
    if both.sum() < MIN_ALIGNED_CORNERS:
        return None
    return (a, b, c, d)


def _fit_line(
    x: NDArray[np.float32], y: NDArray[np.float32], falling: bool
) -> tuple[float, float, NDArray[np.bool_]] | None:
    """Slope and offset of y over x by the median of all slopes, and who lies on the line."""
    x, y = x[:128].astype(np.float64), y[:128].astype(np.float64)
    dx, dy = x[:, None] - x[None], y[:, None] - y[None]
    far = dx > 0.08
    slopes = dy[far] / dx[far]
    slopes = slopes[
        (slopes < -0.4) & (slopes > -2.5) if falling else (slopes > 0.4) & (slopes < 2.5)
    ]
    if not len(slopes):
        return None
    slope = _compute_median(slopes)
    offset = _compute_median(y - slope * x)
    close = np.abs(slope * x + offset - y) < 0.03
    if close.sum() >= MIN_ALIGNED_CORNERS and np.ptp(x[close]) > 0.08:
        u, w = x[close], y[close]
        mean_u, mean_w = float(u.sum()) / len(u), float(w.sum()) / len(w)
        u = u - mean_u
        slope = float(u @ (w - mean_w)) / float(u @ u)  # least squares
        offset = mean_w - slope * mean_u
    return slope, offset, close


def _compute_median(values: NDArray[np.float64]) -> float:
    """The median; millions of short lists of corners come by, and np.median is slow on them."""
    ordered = np.sort(values)
    n = len(ordered)
    return float(ordered[(n - 1) // 2] + ordered[n // 2]) / 2


class ThumbnailComparison:
    """Compares two thumbnails where a transform lays one on the other."""

    def __init__(self, prints: Fingerprints) -> None:
        self.thumbnails = prints.thumbnails

    def compare(self, i: int, j: int, mirrored: bool, transform: Transform) -> DuplicatePair | None:
        """The pair, if what both show is alike and enough of it."""
        a, b, c, d = transform
        if not (0.4 < abs(a) < 2.5 and 0.4 < c < 2.5):
            return None
        # Thumbnail i laid into the frame of j; pixel centres are at integers.
        move = np.array(
            [
                [a, 0, b * THUMBNAIL_SIDE + (a - 1) * 0.5],
                [0, c, d * THUMBNAIL_SIDE + (c - 1) * 0.5],
            ],
            dtype=np.float64,
        )
        size = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
        seen = _warp_thumbnail(np.ones(size, np.float32), move, cv2.INTER_NEAREST)
        share_j = float(seen.mean())
        share_i = share_j / (abs(a) * c)
        if max(share_i, share_j) < MIN_OVERLAP or min(share_i, share_j) < 0.3:
            return None
        laid = _warp_thumbnail(self.thumbnails[i].astype(np.float32), move, cv2.INTER_LINEAR)
        first = _extract_detail(laid, seen)
        second = _extract_detail(self.thumbnails[j].astype(np.float32), seen)
        norm = float(np.linalg.norm(first)), float(np.linalg.norm(second))
        if min(norm) < MIN_DETAIL * float(seen.sum()) ** 0.5:
            return None
        similarity = float((first * second).sum()) / (norm[0] * norm[1])
        if similarity < MIN_SIMILARITY:
            return None
        return DuplicatePair(
            i,
            j,
            mirrored,
            round(similarity, 4),
            round(min(1.0, max(share_i, share_j)), 4),
            min(share_i, share_j) < 0.9,
        )


def _warp_thumbnail(
    thumb: NDArray[np.float32], move: NDArray[np.float64], how: int
) -> NDArray[np.float32]:
    return np.asarray(
        cv2.warpAffine(thumb, move, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), flags=how), dtype=np.float32
    )


def _extract_detail(thumb: NDArray[np.float32], seen: NDArray[np.float32]) -> NDArray[np.float64]:
    """What is left of a thumbnail without its slow shades, zero where nothing is seen.

    Skies, walls and vignettes are alike in any two pictures; edges are not. The even slope goes
    first, because at the rim a mean of neighbours on one side only would leave some of it.
    """
    smooth = cv2.GaussianBlur(thumb, (0, 0), 0.7)
    inside = seen > 0
    slope, *_ = np.linalg.lstsq(_PLANE[inside], smooth[inside], rcond=None)
    level = (smooth - _PLANE @ slope) * seen
    weight = cv2.blur(seen, (13, 13), borderType=cv2.BORDER_CONSTANT)
    shade = cv2.blur(level, (13, 13), borderType=cv2.BORDER_CONSTANT)
    return np.asarray((level - shade / np.maximum(weight, 1e-6)) * seen, dtype=np.float64)
