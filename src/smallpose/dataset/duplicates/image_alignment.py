"""Align two images by the corners they share, and compare their thumbnails where they overlap."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.dataset.duplicates.image_hash import THUMBNAIL_SIDE

Transform = tuple[float, float, float, float]  # x' = a x + b, y' = c y + d, in 0 … 1

MIN_ALIGNED_CORNERS = 3
MIN_SIMILARITY = 0.7  # correlation of aligned thumbnails
MIN_OVERLAP = 0.5  # the overlap must cover this share of one of the images
MIN_DETAIL = 3.0  # grey levels; images with less detail are similar to each other by chance
_MAX_FITTED_CORNERS = 128
_ROWS, _COLUMNS = np.mgrid[:THUMBNAIL_SIDE, :THUMBNAIL_SIDE].astype(np.float32) / THUMBNAIL_SIDE
_PLANE = np.stack([np.ones_like(_ROWS), _ROWS, _COLUMNS], axis=2)
_PLANE_ROWS = _PLANE.reshape(-1, 3).T.astype(np.float64)
_PLANE_PRODUCTS = (_PLANE_ROWS[:, None] * _PLANE_ROWS[None]).reshape(9, -1)
_ESTIMATE_MARGIN = 0.02  # of similarity; estimates are within 0.001 of it


@dataclass(frozen=True, order=True)
class DuplicatePair:
    """Two near-duplicate images.

    Args:
        first, second: indices of the images, first < second.
        is_mirrored: one is the mirror image of the other.
        similarity: correlation where both overlap, -1 to 1.
        overlap: the share of the smaller scene that both show, 0 to 1.
        is_crop: one shows less than nine tenths of the other.
    """

    first: int
    second: int
    is_mirrored: bool
    similarity: float
    overlap: float
    is_crop: bool

    @property
    def kind(self) -> str:
        """Return "same", "mirrored", "crop" or "mirrored crop"."""
        flags = (("mirrored", self.is_mirrored), ("crop", self.is_crop))
        return " ".join(word for word, is_set in flags if is_set) or "same"


def fit_transform(
    first: NDArray[np.float32], second: NDArray[np.float32], is_mirrored: bool
) -> Transform | None:
    """Fit the scale and shift of each axis on which most corners agree.

    Args:
        first, second: (c, 2) positions of the same corners in the two images.
    """
    fits = []
    for axis in (0, 1):
        fit = _fit_line(first[:, axis], second[:, axis], is_mirrored and axis == 0)
        if fit is None:
            return None
        fits.append(fit)
    (a, b, is_close_x), (c, d, is_close_y) = fits
    if (is_close_x & is_close_y).sum() < MIN_ALIGNED_CORNERS:
        return None
    return (a, b, c, d)


def find_alignable(
    first: NDArray[np.float32], second: NDArray[np.float32], is_mirrored: bool
) -> NDArray[np.bool_]:
    """Return for which of many pairs of images `fit_transform` returns a transform.

    One pair at a time takes ten times as long, and nine in ten cannot be aligned.

    Args:
        first, second: (g, c, 2) positions of the same c corners in the two images of each pair.
    Returns: (g,) mask.
    """
    is_close = [
        _find_close_to_line(first[..., axis], second[..., axis], is_mirrored and axis == 0)
        for axis in (0, 1)
    ]
    mask: NDArray[np.bool_] = (is_close[0] & is_close[1]).sum(axis=1) >= MIN_ALIGNED_CORNERS
    return mask


def _find_close_to_line(
    x: NDArray[np.float32], y: NDArray[np.float32], is_falling: bool
) -> NDArray[np.bool_]:
    """Return which of (g, c) points `_fit_line` has close to the line of their row."""
    x = x[:, :_MAX_FITTED_CORNERS].astype(np.float64)
    y = y[:, :_MAX_FITTED_CORNERS].astype(np.float64)
    i, j = np.triu_indices(x.shape[1], 1)
    dx = x[:, i] - x[:, j]
    dy = y[:, i] - y[:, j]
    slopes = np.full(dx.shape, np.inf)
    np.divide(dy, dx, out=slopes, where=np.abs(dx) > 0.08)
    low, high = (-2.5, -0.4) if is_falling else (0.4, 2.5)
    is_used = (slopes > low) & (slopes < high)
    slopes[~is_used] = np.inf  # sorted to the end
    num_used = is_used.sum(axis=1)
    has_slope = num_used > 0
    slope = _compute_row_medians(slopes, np.maximum(num_used, 1))
    slope = np.where(has_slope, slope, 0.0)[:, None]
    offset = _compute_row_medians(y - slope * x, np.full(len(x), x.shape[1]))[:, None]
    is_close = np.abs(slope * x + offset - y) < 0.03
    return np.asarray(is_close & has_slope[:, None], dtype=bool)


def _compute_row_medians(
    values: NDArray[np.float64], count: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the median of the `count` smallest values of each row."""
    ordered = np.sort(values, axis=1)
    rows = np.arange(len(values))
    medians = (ordered[rows, (count - 1) // 2] + ordered[rows, count // 2]) / 2
    return np.asarray(medians, dtype=np.float64)


def _fit_line(
    x: NDArray[np.float32], y: NDArray[np.float32], is_falling: bool
) -> tuple[float, float, NDArray[np.bool_]] | None:
    """Fit y = slope × x + offset by the median of all slopes.

    Returns: slope, offset, and which points are close to the line.
    """
    x, y = x[:_MAX_FITTED_CORNERS].astype(np.float64), y[:_MAX_FITTED_CORNERS].astype(np.float64)
    dx, dy = x[:, None] - x[None], y[:, None] - y[None]
    is_far = dx > 0.08
    slopes = dy[is_far] / dx[is_far]
    if is_falling:
        slopes = slopes[(slopes < -0.4) & (slopes > -2.5)]
    else:
        slopes = slopes[(slopes > 0.4) & (slopes < 2.5)]
    if not len(slopes):
        return None
    slope = _compute_median(slopes)
    offset = _compute_median(y - slope * x)
    is_close = np.abs(slope * x + offset - y) < 0.03
    if is_close.sum() >= MIN_ALIGNED_CORNERS and np.ptp(x[is_close]) > 0.08:
        # Least squares over the points close to the line.
        u, w = x[is_close], y[is_close]
        mean_u, mean_w = float(u.sum()) / len(u), float(w.sum()) / len(w)
        u = u - mean_u
        slope = float(u @ (w - mean_w)) / float(u @ u)
        offset = mean_w - slope * mean_u
    return slope, offset, is_close


def _compute_median(values: NDArray[np.float64]) -> float:
    """Return the median; np.median is slow on the millions of short lists of a search."""
    ordered = np.sort(values)
    n = len(ordered)
    return float(ordered[(n - 1) // 2] + ordered[n // 2]) / 2


def compare_thumbnails(
    thumbnails: NDArray[np.uint8], i: int, j: int, is_mirrored: bool, transform: Transform
) -> DuplicatePair | None:
    """Compare two thumbnails where they overlap.

    Args:
        transform: from image i to image j.
    Returns: the pair, if the images are similar and overlap enough.
    """
    a, b, c, d = transform
    if not (0.4 < abs(a) < 2.5 and 0.4 < c < 2.5):
        return None
    # From thumbnail i to the frame of j; pixel centres are at integers.
    matrix = np.array(
        [
            [a, 0, b * THUMBNAIL_SIDE + (a - 1) * 0.5],
            [0, c, d * THUMBNAIL_SIDE + (c - 1) * 0.5],
        ],
        dtype=np.float64,
    )
    size = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    in_overlap = _warp_thumbnail(np.ones(size, np.float32), matrix, cv2.INTER_NEAREST)
    share_j = float(in_overlap.mean())
    share_i = share_j / (abs(a) * c)
    if max(share_i, share_j) < MIN_OVERLAP or min(share_i, share_j) < 0.3:
        return None
    warped = _warp_thumbnail(thumbnails[i].astype(np.float32), matrix, cv2.INTER_LINEAR)
    target = thumbnails[j].astype(np.float32)
    if _estimate_similarity(warped, target, in_overlap) < MIN_SIMILARITY - _ESTIMATE_MARGIN:
        return None
    first = _extract_detail(warped, in_overlap)
    second = _extract_detail(target, in_overlap)
    norms = float(np.linalg.norm(first)), float(np.linalg.norm(second))
    if min(norms) < MIN_DETAIL * float(in_overlap.sum()) ** 0.5:
        return None
    similarity = float((first * second).sum()) / (norms[0] * norms[1])
    if similarity < MIN_SIMILARITY:
        return None
    return DuplicatePair(
        first=i,
        second=j,
        is_mirrored=is_mirrored,
        similarity=round(similarity, 4),
        overlap=round(min(1.0, max(share_i, share_j)), 4),
        is_crop=min(share_i, share_j) < 0.9,
    )


def _warp_thumbnail(
    thumbnail: NDArray[np.float32], matrix: NDArray[np.float64], interpolation: int
) -> NDArray[np.float32]:
    size = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    return np.asarray(cv2.warpAffine(thumbnail, matrix, size, flags=interpolation), np.float32)


def _estimate_similarity(
    first: NDArray[np.float32], second: NDArray[np.float32], in_overlap: NDArray[np.float32]
) -> float:
    """Estimate the similarity of two thumbnails, with less work than `_extract_detail`.

    Both are treated at once, and their planes are fitted by normal equations, whose error is far
    below the margin. Returns 1 where nothing can be estimated.
    """
    both = np.dstack([first, second])
    smooth = cv2.GaussianBlur(both, (0, 0), 0.7)
    moments = _PLANE_PRODUCTS @ in_overlap.ravel()
    sums = (_PLANE_ROWS * in_overlap.ravel()) @ smooth.reshape(-1, 2)
    try:
        slopes = np.linalg.solve(moments.reshape(3, 3), sums)
    except np.linalg.LinAlgError:
        return 1.0
    planes = (_PLANE_ROWS.T @ slopes).reshape(both.shape)
    level = ((smooth - planes) * in_overlap[..., None]).astype(np.float32)
    weight = cv2.blur(in_overlap, (13, 13), borderType=cv2.BORDER_CONSTANT)
    shade = cv2.blur(level, (13, 13), borderType=cv2.BORDER_CONSTANT)
    detail = (level - shade / np.maximum(weight, 1e-6)[..., None]) * in_overlap[..., None]
    products = detail.reshape(-1, 2).T.astype(np.float64) @ detail.reshape(-1, 2)
    norm = float(products[0, 0] * products[1, 1]) ** 0.5
    return float(products[0, 1]) / norm if norm > 0 else 1.0


def _extract_detail(
    thumbnail: NDArray[np.float32], in_overlap: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Remove slow changes of brightness; zero outside the overlap.

    Skies, walls and vignettes are similar in any two images; edges are not. A plane is fitted and
    subtracted first, because at the border the mean of neighbours on one side would leave some of
    the slope.
    """
    smooth = cv2.GaussianBlur(thumbnail, (0, 0), 0.7)
    inside = in_overlap > 0
    slope, *_ = np.linalg.lstsq(_PLANE[inside], smooth[inside], rcond=None)
    level = (smooth - _PLANE @ slope) * in_overlap
    weight = cv2.blur(in_overlap, (13, 13), borderType=cv2.BORDER_CONSTANT)
    shade = cv2.blur(level, (13, 13), borderType=cv2.BORDER_CONSTANT)
    detail = (level - shade / np.maximum(weight, 1e-6)) * in_overlap
    return np.asarray(detail, dtype=np.float64)
