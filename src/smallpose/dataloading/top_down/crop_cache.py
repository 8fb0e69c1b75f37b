"""A cache of image parts around people: later epochs read a small JPEG each, not a full image.

A cached window is wide enough for nearly all augmentations; a crop that reaches beyond it is cut
out of the image, so samples differ only by the loss of JPEG compression. The index is written last,
so a folder without one is an incomplete cache. Workers and ranks map the shards, from a local disk
or a shared one.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.dataloading.affine import clip_to_pixels, compute_box_window
from smallpose.dataloading.image_cache import ReadsImages
from smallpose.dataloading.images import ImageArray, check_image_size, decode_jpeg
from smallpose.dataloading.worker_pool import WorkerPool
from smallpose.dataloading.worker_tables import WorkerTable
from smallpose.system.files import read_bytes, write_atomically, write_atomically_with
from smallpose.system.lock import hold_lock
from smallpose.system.progress import print_status, show_progress

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Entry = tuple[int, bytes, tuple[int, ...]]  # row, JPEG, and x, y, width and height (see `_ENTRY`)

# From the centre to each side, in longer sides of the crop; augmentation rarely reaches further.
REACH = 1.0
QUALITY = 95
MAX_SHARE = 0.6  # of the image; if a window needs more, reading the image is as fast
GRID = 16  # windows begin at multiples, where JPEG blocks and the chroma of most images begin
SHARD_BYTES = 256 * 2**20
INDEX = "index.npy"
ABOUT = "cache.json"

# x and y of the window, width and height of the image.
_ENTRY = np.dtype(
    [("shard", "i4"), ("length", "u4"), ("offset", "u8")]
    + [(name, "i4") for name in ("x", "y", "width", "height")]
)


class CachedWindow(NamedTuple):
    """The part of an image around a person.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        corner: (2,) x, y of its top left corner in the image.
        image_wh: size of the image.
    """

    pixels: ImageArray
    corner: NDArray[np.int64]
    image_wh: tuple[int, int]

    def shift_matrix(self, matrix: Floats) -> Floats:
        """Turn a (2, 3) matrix from image px into one from px of the window."""
        out = matrix.copy()
        out[:, 2] += matrix[:, :2] @ self.corner
        return out

    def contains_crop(self, matrix: Floats, input_wh: tuple[int, int], reach: int = 1) -> bool:
        """Return whether a crop by a (2, 3) matrix of the image needs no other part of it.

        Args:
            reach: px around a point that its interpolation reads.
        """
        w, h = input_wh
        corners = np.array([[0, 0], [w - 1, 0], [0, h - 1], [w - 1, h - 1]], dtype=np.float64)
        in_image = np.linalg.solve(matrix[:, :2], (corners - matrix[:, 2]).T).T
        last = np.array(self.image_wh) - 1
        low = np.clip(np.floor(in_image.min(axis=0)) - reach, 0, last)
        high = np.clip(np.ceil(in_image.max(axis=0)) + reach, 0, last)
        size = np.array([self.pixels.shape[1], self.pixels.shape[0]])
        return bool((low >= self.corner).all() and (high < self.corner + size).all())


class CropCache:
    """The cached windows of a folder, by row of the person."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index = np.load(folder / INDEX, mmap_mode="r")
        self._shards: dict[int, NDArray[np.uint8]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]

    def read(self, row: int) -> CachedWindow | None:
        """Read the window of a person; None if they have none."""
        entry = self._index[row]
        if not entry["length"]:
            return None
        shard = int(entry["shard"])
        start = int(entry["offset"])
        if shard not in self._shards:
            self._shards[shard] = np.memmap(get_shard_path(self.folder, shard), np.uint8, "r")
        pixels = decode_jpeg(self._shards[shard][start : start + int(entry["length"])])
        if pixels is None:
            return None
        corner = np.array([entry["x"], entry["y"]], dtype=np.int64)
        return CachedWindow(pixels, corner, (int(entry["width"]), int(entry["height"])))


def get_shard_path(folder: Path, shard: int) -> Path:
    """Return the path of a shard of windows."""
    return folder / f"windows-{shard:05d}.bin"


def compute_cached_window(
    box_xywh: Floats, image_wh: tuple[int, int], input_wh: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Return x, y, width, height of the window of a person, px; None if it is most of the image."""
    w, h = image_wh
    center, scale = compute_box_window(clip_to_pixels(box_xywh[None], w, h), input_wh)
    reach = REACH * scale[0].max()
    low = np.clip(np.floor((center[0] - reach) / GRID) * GRID, 0, None).astype(int)
    high = np.clip(np.ceil(center[0] + reach) + 1, low + 1, image_wh).astype(int)
    if (high <= low).any() or (high - low).prod() > MAX_SHARE * w * h:
        return None
    x, y = low.tolist()
    right, bottom = high.tolist()
    return x, y, right - x, bottom - y


class _WindowCutter:
    """Cuts the windows of an image's people; runs in the workers."""

    shape: tuple[int, ...] = (1,)
    max_samples = 1

    def __init__(self, table: WorkerTable, reader: ReadsImages, input_wh: tuple[int, int]) -> None:
        self.table, self.reader, self.input_wh = table, reader, input_wh

    def fill(self, task: Rows, out: NDArray[np.uint8]) -> list[Entry]:
        """Return the entries of an image's people; none if it is unreadable."""
        arrays = self.table.arrays
        image_row = int(arrays.image_rows[task[0]])
        name = self.table.file_name(image_row)
        try:
            image = self.reader.read(name)
            check_image_size(image, self.table.size_wh(image_row), name)
        except InputError:
            return []  # training reads the image again, and counts it as unreadable
        image_wh = image.shape[1], image.shape[0]
        entries: list[Entry] = []
        for row in task.tolist():
            window = compute_cached_window(arrays.boxes_xywh[row], image_wh, self.input_wh)
            if window is not None:
                x, y, w, h = window
                jpeg = _encode_jpeg(image[y : y + h, x : x + w])
                entries.append((row, jpeg, (x, y, *image_wh)))
        return entries

    def describe(self, task: Rows) -> str:
        """Return the name of a task's image."""
        return f"image {self.table.file_name(int(self.table.arrays.image_rows[task[0]]))}"


def _encode_jpeg(pixels: ImageArray) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR]
    options.append(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    return cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)[1].tobytes()


def open_crop_cache(
    folder: Path,
    table: WorkerTable,
    rows: Rows,
    reader: ReadsImages,
    input_wh: tuple[int, int],
    num_workers: int = 0,
) -> CropCache:
    """Open the crop cache of a folder; one process fills it first if it is empty.

    Args:
        rows: people whose windows are needed, image by image.
        num_workers: processes that cut windows.

    Raises: InputError when the folder has windows of other people or of crops of another shape,
        or another process is filling it.
    """
    expected = _describe_cache(table, rows, input_wh)
    if not (folder / INDEX).exists():
        cutter = _WindowCutter(table, reader, input_wh)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with hold_lock(folder / "lock"):
                if not (folder / INDEX).exists():
                    _fill_cache(folder, cutter, rows, num_workers)
        except OSError as error:
            what = (error.strerror or str(error)).lower()
            raise InputError(
                f"--cache {folder}", what, "name a folder that can be written"
            ) from None
    stored = json.loads(read_bytes(folder / ABOUT))
    for key, value in expected.items():
        if stored.get(key) != value:
            raise InputError(
                f"--cache {folder}",
                f"holds windows of other people or crops: their {key} differ",
                "name another folder, or remove this one",
            )
    return CropCache(folder)


def _fill_cache(folder: Path, cutter: _WindowCutter, rows: Rows, num_workers: int) -> None:
    for part in folder.glob(".*.part"):  # of a process that was killed
        part.unlink(missing_ok=True)
    print_status(
        f"{folder}: cutting {format_count(len(rows), 'person', 'people')} out for later epochs"
    )
    index = np.zeros(len(cutter.table.arrays.ids), _ENTRY)
    entries = _cut_windows(cutter, rows, num_workers)
    shard = 0
    is_finished = False

    def fill(file: IO[bytes]) -> None:
        nonlocal is_finished
        offset = 0
        for row, jpeg, window in entries:
            file.write(jpeg)
            index[row] = (shard, len(jpeg), offset, *window)
            offset += len(jpeg)
            if offset >= SHARD_BYTES:
                return
        is_finished = True

    while not is_finished:
        write_atomically_with(get_shard_path(folder, shard), fill)
        shard += 1
    about = json.dumps(_describe_cache(cutter.table, rows, cutter.input_wh), indent=1)
    write_atomically(folder / ABOUT, about + "\n")
    write_atomically_with(folder / INDEX, lambda file: np.save(file, index))


def _cut_windows(cutter: _WindowCutter, rows: Rows, num_workers: int) -> Iterator[Entry]:
    first = np.unique(cutter.table.arrays.image_rows[rows], return_index=True)[1]
    tasks = np.split(rows, first[1:]) if len(rows) else []
    pool = WorkerPool(cutter, num_workers)
    try:
        for entries, _ in show_progress(pool.run(tasks), "windows", len(tasks)):
            yield from entries
    finally:
        pool.close()


def _describe_cache(table: WorkerTable, rows: Rows, input_wh: tuple[int, int]) -> dict[str, Any]:
    arrays = table.arrays
    digest = hashlib.sha256()
    for part in (arrays.ids[rows], arrays.boxes_xywh[rows], arrays.image_rows[rows]):
        digest.update(np.ascontiguousarray(part).tobytes())
    names = hashlib.sha256(arrays.name_bytes.tobytes() + arrays.sizes_wh.tobytes()).hexdigest()
    return {
        "people": len(rows),
        "boxes": digest.hexdigest(),
        "pictures": names,
        "shape": round(input_wh[0] / input_wh[1], 6),
        "made": {"reach": REACH, "quality": QUALITY, "grid": GRID, "most_share": MAX_SHARE},
    }
