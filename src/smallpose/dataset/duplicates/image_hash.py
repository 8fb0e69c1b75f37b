"""Compute image fingerprints that survive cropping, mirroring, resizing and recompression.

Each image is resized to the same number of pixels. Its fingerprint has three parts: a 64-bit hash
of its lowest frequencies, up to 64 binary descriptors of its corners (for the image and for its
mirror image), and a thumbnail of 48 × 48 px that confirms candidates. This takes about 7 KB per
image. `near_duplicates.py` compares the fingerprints.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError, RefusedError
from smallpose.dataset.pillow_images import decode_with_pillow
from smallpose.dataset.place_images import read_image_size
from smallpose.system.image_formats import START_BYTES, detect_format
from smallpose.system.progress import show_progress

Grey = NDArray[np.uint8]

WORKING_SIDE = 256  # px; images are resized to this number squared of pixels
MAX_CORNERS = 64  # per image; a crop to 70 % of the area keeps about 45 of them
THUMBNAIL_SIDE = 48  # px
# A crop to 70 % of the area, resized to as many pixels, is enlarged by 1.2.
_PYRAMID_LEVELS = 4
_PYRAMID_SCALE = 1.2
_MIRROR_SIGNS = np.where(np.arange(8) % 2, -1, 1)  # of horizontal cosines
_IMAGES_PER_BLOCK = 1024
_IMAGES_PER_TASK = 8


@dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of m images with f corners in total.

    Args:
        hashes: (2, m) uint64, of each image and of its mirror image.
        thumbnails: (m, THUMBNAIL_SIDE, THUMBNAIL_SIDE) uint8, resized to a square.
        descriptors: (2, f, 8) uint32, of each corner and of its mirror image.
        corner_positions: (f, 2) position in the (unmirrored) image, 0 to 1 along both sides.
        image_index: (f,) index of the image that has the corner, ascending.
    """

    hashes: NDArray[np.uint64]
    thumbnails: NDArray[np.uint8]
    descriptors: NDArray[np.uint32]
    corner_positions: NDArray[np.float32]
    image_index: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.thumbnails)


# Hashes, thumbnail, descriptors and corner positions of one image.
_Fingerprint = tuple[NDArray[np.uint64], Grey, NDArray[np.uint32], NDArray[np.float32]]


def compute_fingerprints(
    images: Sequence[Path | Grey], workers: int = 1, unreadable: list[int] | None = None
) -> Fingerprints:
    """Compute the fingerprints of files, or of (h, w) grey or (h, w, 3) colour arrays.

    Args:
        unreadable: a list to which the indices of unreadable files are appended; these are similar
            to no image. By default the error is raised.
    Raises: InputError for a file that is no image, RefusedError for one that is too large.
    """

    def compute_one(index: int) -> _Fingerprint:
        image = images[index]
        try:
            return _compute_fingerprint(_convert_to_grey(image))
        except (InputError, RefusedError):
            if unreadable is None:
                raise
            unreadable.append(index)
            return _compute_fingerprint(np.zeros((THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8))

    def compute_many(indices: range) -> list[_Fingerprint]:
        return [compute_one(index) for index in indices]

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # threads of OpenCV would compete with ours for the cores
    try:
        with ThreadPoolExecutor(max(workers, 1)) as pool:
            # Block by block, because the tasks of all images would take more memory than a block.
            blocks = _split(range(len(images)), _IMAGES_PER_BLOCK)
            tasks = (_split(block, _IMAGES_PER_TASK) for block in blocks)
            parts = (part for block in tasks for part in pool.map(compute_many, block))
            results = (result for part in parts for result in part)
            progress = show_progress(results, "fingerprints", total=len(images))
            prints = _collect_fingerprints(progress, len(images))
    finally:
        cv2.setNumThreads(threads)
    if unreadable is not None:
        unreadable.sort()
    return prints


def _split(indices: range, size: int) -> list[range]:
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def _collect_fingerprints(parts: Iterable[_Fingerprint], m: int) -> Fingerprints:
    """Write the fingerprints of m images into arrays, so that no second copy is needed."""
    hashes = np.empty((2, m), dtype=np.uint64)
    thumbnails = np.empty((m, THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8)
    # The system gives memory to the rows that are written, not to those left over.
    descriptors = np.empty((2, m * MAX_CORNERS, 8), dtype=np.uint32)
    positions = np.empty((m * MAX_CORNERS, 2), dtype=np.float32)
    counts = np.zeros(m, dtype=np.intp)
    end = 0
    for index, (image_hashes, thumbnail, codes, points) in enumerate(parts):
        hashes[:, index] = image_hashes
        thumbnails[index] = thumbnail
        counts[index] = len(points)
        start, end = end, end + len(points)
        descriptors[:, start:end] = codes
        positions[start:end] = points
    return Fingerprints(
        hashes=hashes,
        thumbnails=thumbnails,
        descriptors=descriptors[:, :end],
        corner_positions=positions[:end],
        image_index=np.repeat(np.arange(m, dtype=np.int32), counts),
    )


def read_grey(path: Path) -> Grey:
    """Read the (h, w) grey levels of the stored grid, reduced while decoding large images.

    Raises: InputError when it cannot be decoded, RefusedError when it is too large.
    """
    width, height = read_image_size(path)
    content = path.read_bytes()
    if detect_format(content[:START_BYTES], path) in ("GIF", "TIFF"):
        return _convert_to_grey(decode_with_pillow(content, str(path)))
    data = np.frombuffer(content, np.uint8)
    # JPEG decodes faster at a half, a quarter or an eighth of its size.
    reduction = next((s for s in (8, 4, 2) if min(width, height) >= 1.5 * s * WORKING_SIDE), 1)
    flags = {
        1: cv2.IMREAD_GRAYSCALE,
        2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
        4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
        8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    }[reduction]
    grey = cv2.imdecode(data, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if grey is None:
        raise InputError(str(path), "cannot be decoded", "download the image again")
    return np.asarray(grey, dtype=np.uint8)


def _convert_to_grey(image: Path | Grey) -> Grey:
    if isinstance(image, Path):
        return read_grey(image)
    if image.ndim == 3:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    return image


def _compute_fingerprint(grey: Grey) -> _Fingerprint:
    height, width = grey.shape
    scale = WORKING_SIDE / (height * width) ** 0.5
    # Very narrow images are stretched to at least 48 px, so that some content is left.
    size = (max(THUMBNAIL_SIDE, round(width * scale)), max(THUMBNAIL_SIDE, round(height * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(grey, size, interpolation=interpolation)
    small = cv2.resize(resized, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    thumbnail = np.asarray(small, dtype=np.uint8)
    descriptors, positions = _describe_corners(np.asarray(resized, dtype=np.uint8))
    return _hash_frequencies(thumbnail), thumbnail, descriptors, positions


def _hash_frequencies(thumbnail: Grey) -> NDArray[np.uint64]:
    """Hash the 64 lowest frequencies by their signs about the median.

    Mirroring an image negates its odd horizontal cosines, so the second hash costs nothing.

    Returns: (2,) the hashes of the image and of its mirror image.
    """
    cosines = cv2.dct(thumbnail.astype(np.float32))
    waves = cosines[:8, :8].copy()
    waves[0, 0] = cosines[8, 0]  # replaces the mean brightness, which is not informative
    hashes = []
    for values in (waves, waves * _MIRROR_SIGNS):
        ordered = np.sort(values, axis=None)
        median = (ordered[31] + ordered[32]) / 2  # np.median is slow on so few values
        bits = (values > median).ravel()
        hashes.append(np.packbits(bits).view(np.uint64)[0])
    return np.array(hashes, dtype=np.uint64)


def _describe_corners(grey: Grey) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """Detect strong corners and describe them in the image and in its mirror image.

    Returns: (2, f, 8) descriptors and (f, 2) positions, 0 to 1.
    """
    height, width = grey.shape
    orb = cv2.ORB.create(
        nfeatures=4 * MAX_CORNERS,
        scaleFactor=_PYRAMID_SCALE,
        nlevels=_PYRAMID_LEVELS,
        edgeThreshold=16,
        fastThreshold=8,
    )
    corners = orb.detect(grey, None)
    points = np.array(cv2.KeyPoint.convert(corners), dtype=np.float64).reshape(-1, 2)
    response = np.array([corner.response for corner in corners])
    selected = _select_spread_corners(points, response, width, height)
    points = points[selected]
    kept = [corners[index] for index in selected.tolist()]
    for number, corner in enumerate(kept):
        corner.angle = 0  # copies are not rotated, and upright descriptors are more distinctive
        corner.class_id = number
    numbers, codes = _compute_descriptors(orb, grey, kept)
    for corner, (x, y) in zip(kept, points.tolist(), strict=True):
        corner.pt = (width - 1 - x, y)
    mirrored_numbers, mirrored_codes = _compute_descriptors(orb, cv2.flip(grey, 1), kept)
    if not np.array_equal(numbers, mirrored_numbers):
        in_both, rows, mirrored_rows = np.intersect1d(
            numbers, mirrored_numbers, assume_unique=True, return_indices=True
        )
        codes, mirrored_codes, points = codes[rows], mirrored_codes[mirrored_rows], points[in_both]
    else:
        points = points[numbers]
    positions = (points / (width, height)).astype(np.float32)
    return np.stack([codes, mirrored_codes]), positions


def _compute_descriptors(
    orb: cv2.ORB, grey: Any, corners: Sequence[Any]
) -> tuple[NDArray[np.intp], NDArray[np.uint32]]:
    """Describe corners; those at the border of the image are left out.

    Returns: (f,) the `class_id` of each described corner, ascending, and (f, 8) descriptors.
    """
    described, codes = orb.compute(grey, corners)
    if codes is None:
        return np.zeros(0, np.intp), np.zeros((0, 8), np.uint32)
    numbers = np.array([corner.class_id for corner in described], dtype=np.intp)
    order = np.argsort(numbers)
    return numbers[order], codes.view(np.uint32)[order]


def _select_spread_corners(
    points: NDArray[np.float64], response: NDArray[np.float64], width: int, height: int
) -> NDArray[np.intp]:
    """Select the strongest corners, at most an eighth of them from each of 4 × 4 cells.

    If all corners were on one banner, they would not determine how two images align.

    Returns: indices, the strongest corner first.
    """
    order = np.lexsort((points[:, 1], points[:, 0], -response))
    cells = 4 * (4 * points[:, 1] / height).astype(int) + (4 * points[:, 0] / width).astype(int)
    cells = cells[order]
    by_cell = np.argsort(cells, kind="stable")
    counts = np.bincount(cells, minlength=16)
    rank = np.empty(len(order), np.intp)
    rank[by_cell] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[rank < MAX_CORNERS // 8][:MAX_CORNERS]
