"""Compute image fingerprints that survive cropping, mirroring, resizing and recompression.

Each image is resized to the same number of pixels. Its fingerprint has three parts: a 64-bit hash
of its lowest frequencies, up to 64 binary descriptors of its corners, and a thumbnail of 48 × 48 px
that confirms candidates. This takes about 5 KB per image. `near_duplicates.py` compares the
fingerprints.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError, RefusedError
from smallpose.dataset.duplicates.corners import MAX_CORNERS, Grey, describe_corners
from smallpose.dataset.jpeg_size import read_jpeg_size
from smallpose.dataset.pillow_images import decode_with_pillow
from smallpose.dataset.place_images import read_image_size
from smallpose.system.image_formats import START_BYTES, detect_format
from smallpose.system.image_limits import check_image_pixels
from smallpose.system.progress import show_progress

WORKING_SIDE = 256  # px; images are resized to this number squared of pixels
THUMBNAIL_SIDE = 48  # px
_REDUCING_FLAGS = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
# The lowest (9, THUMBNAIL_SIDE) waves of the discrete cosine transform, all of one norm.
_COSINES = np.cos(
    np.pi / THUMBNAIL_SIDE * np.arange(9)[:, None] * (np.arange(THUMBNAIL_SIDE) + 0.5)
)
_COSINES[0] *= 0.5**0.5
_MIRROR_SIGNS = np.where(np.arange(8) % 2, -1, 1)  # of horizontal cosines
_IMAGES_PER_BLOCK = 1024
_IMAGES_PER_TASK = 8


@dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of m images with f corners in total.

    Args:
        hashes: (2, m) uint64, of each image and of its mirror image.
        thumbnails: (m, THUMBNAIL_SIDE, THUMBNAIL_SIDE) uint8, resized to a square.
        descriptors: (f, 8) uint32, of each corner.
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


# Thumbnail, descriptors and corner positions of one image.
_Fingerprint = tuple[Grey, NDArray[np.uint32], NDArray[np.float32]]


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
    descriptors = np.empty((m * MAX_CORNERS, 8), dtype=np.uint32)
    positions = np.empty((m * MAX_CORNERS, 2), dtype=np.float32)
    counts = np.zeros(m, dtype=np.intp)
    end = 0
    for index, (thumbnail, codes, points) in enumerate(parts):
        thumbnails[index] = thumbnail
        counts[index] = len(points)
        start, end = end, end + len(points)
        descriptors[start:end] = codes
        positions[start:end] = points
        if index % _IMAGES_PER_BLOCK == _IMAGES_PER_BLOCK - 1 or index == m - 1:
            block = slice(index // _IMAGES_PER_BLOCK * _IMAGES_PER_BLOCK, index + 1)
            hashes[:, block] = hash_frequencies(thumbnails[block])
    return Fingerprints(
        hashes=hashes,
        thumbnails=thumbnails,
        descriptors=descriptors[:end],
        corner_positions=positions[:end],
        image_index=np.repeat(np.arange(m, dtype=np.int32), counts),
    )


def read_grey(path: Path) -> Grey:
    """Read the (h, w) grey levels of the stored grid; large JPEG images are reduced while decoding.

    Raises: InputError when it cannot be decoded, RefusedError when it is too large.
    """
    try:
        content = path.read_bytes()
    except OSError:
        content = b""  # what follows explains why
    size = read_jpeg_size(content) or read_image_size(path)
    check_image_pixels(str(path), *size)
    image_format = detect_format(content[:START_BYTES], path)
    if image_format in ("GIF", "TIFF"):
        return _convert_to_grey(decode_with_pillow(content, str(path)))
    reduction = _choose_reduction(*size) if image_format == "JPEG" else 1
    flags = _REDUCING_FLAGS[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
    grey = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if grey is None:
        raise InputError(str(path), "cannot be decoded", "download the image again")
    return np.asarray(grey, dtype=np.uint8)


def _choose_reduction(width: int, height: int) -> int:
    """Choose 8, 4, 2 or 1; as the eighth, say, a JPEG image is decoded faster."""
    side = (width * height) ** 0.5
    return next((r for r in (8, 4, 2) if side >= r * WORKING_SIDE), 1)


def _convert_to_grey(image: Path | Grey) -> Grey:
    if isinstance(image, Path):
        return read_grey(image)
    if image.ndim == 3:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    return image


def _compute_fingerprint(grey: Grey) -> _Fingerprint:
    height, width = grey.shape
    scale = WORKING_SIDE / (height * width) ** 0.5
    # Both sides are even, because halving is fast then. Very narrow images are stretched to at
    # least 48 px, so that some content is left.
    size = tuple(max(THUMBNAIL_SIDE, 2 * round(side * scale / 2)) for side in (width, height))
    # Down to half the size, linear interpolation leaves out no pixel.
    interpolation = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
    resized = np.asarray(cv2.resize(grey, size, interpolation=interpolation), np.uint8)
    small = resized
    if min(size) >= 2 * THUMBNAIL_SIDE:
        half = (size[0] // 2, size[1] // 2)
        small = np.asarray(cv2.resize(resized, half, interpolation=cv2.INTER_AREA), np.uint8)
    square = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    thumbnail = cv2.resize(small, square, interpolation=cv2.INTER_AREA)
    descriptors, positions = describe_corners(resized)
    return np.asarray(thumbnail, np.uint8), descriptors, positions


def hash_frequencies(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hash the 64 lowest frequencies of thumbnails by their signs about the median.

    Mirroring an image negates its odd horizontal cosines, so the second hash costs nothing.

    Args:
        thumbnails: (n, THUMBNAIL_SIDE, THUMBNAIL_SIDE) uint8.
    Returns: (2, n) the hashes of the images and of their mirror images.
    """
    cosines = _COSINES @ thumbnails.astype(np.float64) @ _COSINES.T  # (n, 9, 9)
    waves = cosines[:, :8, :8].copy()
    waves[:, 0, 0] = cosines[:, 8, 0]  # replaces the mean brightness, which is not informative
    hashes = []
    for values in (waves, waves * _MIRROR_SIGNS):
        flat = values.reshape(-1, 64)
        ordered = np.sort(flat, axis=1)
        median = (ordered[:, 31:32] + ordered[:, 32:33]) / 2
        hashes.append(np.packbits(flat > median, axis=1).view(np.uint64)[:, 0])
    return np.stack(hashes)
