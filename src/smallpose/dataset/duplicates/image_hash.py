"""Fingerprints of pictures that survive cropping, mirroring, resizing and recompression.

Each picture is brought to the same number of pixels and leaves three things behind: a 64-bit hash
of its lowest frequencies, up to 64 binary descriptors of its corners (of the picture and of its
mirror image), and a thumbnail of 48 × 48 with which a suspicion is checked. About 7 KB a picture.
`near.py` compares them; nothing here knows about data sets.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError, RefusedError
from smallpose.dataset.place_images import read_image_size
from smallpose.system.progress import show_progress

Grey = NDArray[np.uint8]

WORKING_SIDE = 256  # px; pictures are compared at SIDE² pixels, whatever their shape
MAX_CORNERS = 64  # corners kept; a crop to 70 % of the area keeps about 45 of them
THUMBNAIL_SIDE = 48  # px
MOST_PIXELS = 89_000_000  # beyond, a header is taken for a decompression bomb
_PYRAMID_LEVELS, _PYRAMID_SCALE = 4, 1.2  # a crop to 70 % of the area enlarges what it keeps by 1.2


@dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of m pictures.

    Args:
        hashes: (2, m) uint64, of each picture and of its mirror image.
        thumbs: (m, THUMB, THUMB) uint8, squeezed to a square.
        codes: (2, f, 8) uint32 descriptors of all corners, plain and mirrored.
        points: (f, 2) where each corner lies in its (unmirrored) picture, 0 to 1 along both sides.
        owners: (f,) the picture each corner belongs to, ascending.
    """

    hashes: NDArray[np.uint64]
    thumbnails: NDArray[np.uint8]
    descriptors: NDArray[np.uint32]
    corner_positions: NDArray[np.float32]
    image_numbers: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.thumbnails)


_Fingerprint = tuple[NDArray[np.uint64], Grey, NDArray[np.uint32], NDArray[np.float32]]


def compute_fingerprints(
    images: Sequence[Path | Grey], workers: int = 1, unreadable: list[int] | None = None
) -> Fingerprints:
    """Fingerprints of files, or of (h, w) grey or (h, w, 3) colour arrays.

    Args:
        broken: gets the numbers of files that cannot be read; those resemble nothing. Without it
            they raise.
    Raises: InputError for a file that is no picture, RefusedError for one of absurd size.
    """

    def one(item: tuple[int, Path | Grey]) -> _Fingerprint:
        number, picture = item
        try:
            return _compute_fingerprint(_convert_to_grey(picture))
        except (InputError, RefusedError):
            if unreadable is None:
                raise
            unreadable.append(number)
            return _compute_fingerprint(np.zeros((THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8))

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # OpenCV's own pool and ours would fight over the cores
    try:
        with ThreadPoolExecutor(max(workers, 1)) as pool:
            prints = pool.map(one, enumerate(images))
            parts = list(show_progress(prints, "fingerprints", total=len(images)))
    finally:
        cv2.setNumThreads(threads)
    if unreadable is not None:
        unreadable.sort()
    return Fingerprints(
        np.array([p[0] for p in parts], dtype=np.uint64).reshape(-1, 2).T.copy(),
        np.array([p[1] for p in parts], dtype=np.uint8).reshape(-1, THUMBNAIL_SIDE, THUMBNAIL_SIDE),
        np.concatenate([np.zeros((2, 0, 8), np.uint32), *(p[2] for p in parts)], axis=1),
        np.concatenate([np.zeros((0, 2), np.float32), *(p[3] for p in parts)]),
        np.repeat(np.arange(len(parts), dtype=np.int32), [len(p[3]) for p in parts]),
    )


def read_grey(path: Path) -> Grey:
    """(h, w) grey levels of the stored grid, reduced while decoding where the picture is large.

    Raises: InputError when it cannot be decoded, RefusedError when its header promises too much.
    """
    width, height = read_image_size(path)
    if width * height > MOST_PIXELS:
        raise RefusedError(
            str(path), f"the header promises {width} × {height} pixels", "store it smaller"
        )
    data = np.frombuffer(path.read_bytes(), np.uint8)
    # JPEG decodes at a half, a quarter or an eighth for less work than at full size.
    shrink = next((s for s in (8, 4, 2) if min(width, height) >= 1.5 * s * WORKING_SIDE), 1)
    flags = {
        1: cv2.IMREAD_GRAYSCALE,
        2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
        4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
        8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    }[shrink]
    grey = cv2.imdecode(data, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if grey is None:
        raise InputError(str(path), "cannot be decoded", "fetch it again")
    return np.asarray(grey, dtype=np.uint8)


def _convert_to_grey(picture: Path | Grey) -> Grey:
    if isinstance(picture, Path):
        return read_grey(picture)
    if picture.ndim == 3:
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    return picture


def _compute_fingerprint(grey: Grey) -> _Fingerprint:
    height, width = grey.shape
    scale = WORKING_SIDE / (height * width) ** 0.5
    # A sliver of a picture would leave nothing to look at; stretch it to 48 px at least.
    size = (max(THUMBNAIL_SIDE, round(width * scale)), max(THUMBNAIL_SIDE, round(height * scale)))
    same = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    small = cv2.resize(same, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    thumb = np.asarray(small, dtype=np.uint8)
    codes, points = _describe_corners(np.asarray(same, dtype=np.uint8))
    return _hash_frequencies(thumb), thumb, codes, points


def _hash_frequencies(thumb: Grey) -> NDArray[np.uint64]:
    """(2,) 64 signs of the lowest frequencies about their median, and those of the mirror image.

    Mirroring a picture negates its odd horizontal cosines, so the second hash costs nothing.
    """
    cosines = cv2.dct(thumb.astype(np.float32))
    waves = cosines[:8, :8].copy()
    waves[0, 0] = cosines[8, 0]  # the mean brightness says nothing; another takes its place
    hashes = []
    for values in (waves, waves * np.where(np.arange(8) % 2, -1, 1)):
        bits = (values > np.median(values)).ravel()
        hashes.append(np.packbits(bits).view(np.uint64)[0])
    return np.array(hashes, dtype=np.uint64)


def _describe_corners(grey: Grey) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """(2, f, 8) descriptors of strong corners, plain and mirrored; (f, 2) their places."""
    height, width = grey.shape
    orb = cv2.ORB.create(
        nfeatures=4 * MAX_CORNERS,
        scaleFactor=_PYRAMID_SCALE,
        nlevels=_PYRAMID_LEVELS,
        edgeThreshold=16,
        fastThreshold=8,
    )
    found = _select_spread_corners(orb.detect(grey, None), width, height)
    # Pictures are not turned when they are copied: upright descriptors tell more apart.
    plain = [
        cv2.KeyPoint(k.pt[0], k.pt[1], k.size, 0, k.response, k.octave, n)
        for n, k in enumerate(found)
    ]
    mirrored = [
        cv2.KeyPoint(width - 1 - k.pt[0], k.pt[1], k.size, 0, k.response, k.octave, n)
        for n, k in enumerate(found)
    ]
    by_number: list[dict[int, NDArray[np.uint32]]] = []
    for picture, corners in ((grey, plain), (cv2.flip(grey, 1), mirrored)):
        kept, codes = orb.compute(picture, corners)
        rows = [] if codes is None else list(codes.view(np.uint32))
        by_number.append({k.class_id: row for k, row in zip(kept, rows, strict=True)})
    both = sorted(by_number[0].keys() & by_number[1].keys())
    descriptors = [[side[n] for n in both] for side in by_number]
    places = [(found[n].pt[0] / width, found[n].pt[1] / height) for n in both]
    return (
        np.array(descriptors, dtype=np.uint32).reshape(2, -1, 8),
        np.array(places, dtype=np.float32).reshape(-1, 2),
    )


def _select_spread_corners(found: Sequence[Any], width: int, height: int) -> list[Any]:
    """The strongest corners, but no more than an eighth of them from one of 4 × 4 fields.

    Corners that all lie on one banner say little of how two pictures lie on each other.
    """
    left = [MAX_CORNERS // 8] * 16
    kept: list[Any] = []
    for corner in sorted(found, key=lambda k: (-k.response, k.pt)):
        field = 4 * int(4 * corner.pt[1] / height) + int(4 * corner.pt[0] / width)
        if left[field] and len(kept) < MAX_CORNERS:
            left[field] -= 1
            kept.append(corner)
    return kept
