"""Windows of people, cut out once and kept: later epochs read a small JPEG each, no whole picture.

A window is wide enough for nearly all that chance asks of it; what it does not show is cut from the
picture as ever, so samples differ by the JPEG's loss alone. The folder is whole or not there: its
index is written last. Workers and ranks map the shards, from a disk of their own or a shared one.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.dataloading.affine import box_window, clip_to_pixels
from smallpose.dataloading.images import Picture, Pictures, decode_jpeg, same_size
from smallpose.dataloading.worker_pool import Pool
from smallpose.dataloading.worker_tables import Columns
from smallpose.system.files import read_bytes, write_whole, write_whole_with
from smallpose.system.lock import locked
from smallpose.system.progress import say, track

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

REACH = 1.0  # half a side, of the longer side of a person's crop: what chance asks of it but rarely
QUALITY = 95
MOST_SHARE = 0.6  # of the picture: above, the picture itself is as fast
GRID = 16  # windows begin at multiples, where JPEG's blocks and most pictures' chroma do
SHARD_BYTES = 256 * 2**20
INDEX, ABOUT = "index.npy", "cache.json"

_ENTRY = np.dtype(
    [("shard", "i4"), ("length", "u4"), ("offset", "u8")]
    + [(name, "i4") for name in ("x", "y", "width", "height")]
)


class Window(NamedTuple):
    """Part of a picture around a person.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        at: (2,) its corner in the picture.
        picture_wh: of the picture.
    """

    pixels: Picture
    at: NDArray[np.int64]
    picture_wh: tuple[int, int]

    def moved(self, matrix: Floats) -> Floats:
        """A (2, 3) matrix from the picture's px as one from the window's."""
        out = matrix.copy()
        out[:, 2] += matrix[:, :2] @ self.at
        return out

    def shows(self, matrix: Floats, input_wh: tuple[int, int]) -> bool:
        """Whether a crop through a (2, 3) matrix of the picture needs nothing else of it."""
        w, h = input_wh
        corners = np.array([[0, 0], [w - 1, 0], [0, h - 1], [w - 1, h - 1]], dtype=np.float64)
        there = np.linalg.solve(matrix[:, :2], (corners - matrix[:, 2]).T).T
        last = np.array(self.picture_wh) - 1
        low = np.clip(np.floor(there.min(axis=0)) - 1, 0, last)
        high = np.clip(np.ceil(there.max(axis=0)) + 1, 0, last)
        size = np.array([self.pixels.shape[1], self.pixels.shape[0]])
        return bool((low >= self.at).all() and (high < self.at + size).all())


class Windows:
    """The kept windows of a folder, by person."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index = np.load(folder / INDEX, mmap_mode="r")
        self._shards: dict[int, NDArray[np.uint8]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]

    def read(self, row: int) -> Window | None:
        """A person's; None where there is none."""
        entry = self._index[row]
        if not entry["length"]:
            return None
        number, first = int(entry["shard"]), int(entry["offset"])
        if number not in self._shards:
            self._shards[number] = np.memmap(shard_file(self.folder, number), np.uint8, "r")
        pixels = decode_jpeg(self._shards[number][first : first + int(entry["length"])])
        if pixels is None:
            return None
        at = np.array([entry["x"], entry["y"]], dtype=np.int64)
        return Window(pixels, at, (int(entry["width"]), int(entry["height"])))


def shard_file(folder: Path, number: int) -> Path:
    """Where a shard of windows lies."""
    return folder / f"windows-{number:05d}.bin"


def window_of(
    box_xywh: Floats, picture_wh: tuple[int, int], input_wh: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """x, y, width, height of what is kept of a person, px; None for most of the picture."""
    w, h = picture_wh
    center, scale = box_window(clip_to_pixels(box_xywh[None], w, h), input_wh)
    reach = REACH * scale[0].max()
    low = np.clip(np.floor((center[0] - reach) / GRID) * GRID, 0, None).astype(int)
    high = np.clip(np.ceil(center[0] + reach) + 1, low + 1, picture_wh).astype(int)
    if (high <= low).any() or (high - low).prod() > MOST_SHARE * w * h:
        return None
    (x, y), (right, bottom) = low.tolist(), high.tolist()
    return x, y, right - x, bottom - y


class _Cutter:
    """What workers do to make the windows of a picture's people."""

    shape: tuple[int, ...] = (1,)
    most = 1

    def __init__(self, columns: Columns, pictures: Pictures, input_wh: tuple[int, int]) -> None:
        self.columns, self.pictures, self.input_wh = columns, pictures, input_wh

    def fill(self, task: Rows, out: NDArray[np.uint8]) -> list[tuple[int, bytes, tuple[int, ...]]]:
        """Rows, JPEGs, and x, y, width and height of the picture; nothing of an unreadable one."""
        arrays, image = self.columns.arrays, int(self.columns.arrays.image_rows[task[0]])
        name = self.columns.name(image)
        try:
            picture = self.pictures.read(name)
            same_size(picture, self.columns.size_wh(image), name)
        except InputError:
            return []  # the training meets it, and counts it
        size = picture.shape[1], picture.shape[0]
        made: list[tuple[int, bytes, tuple[int, ...]]] = []
        for row in task.tolist():
            place = window_of(arrays.boxes_xywh[row], size, self.input_wh)
            if place is not None:
                x, y, w, h = place
                made.append((row, _jpeg(picture[y : y + h, x : x + w]), (x, y, *size)))
        return made

    def describe(self, task: Rows) -> str:
        """The picture of a task."""
        return f"picture {self.columns.name(int(self.columns.arrays.image_rows[task[0]]))}"


def _jpeg(pixels: Picture) -> bytes:
    how = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR]
    how.append(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    return cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), how)[1].tobytes()


def open_windows(
    folder: Path,
    columns: Columns,
    rows: Rows,
    pictures: Pictures,
    input_wh: tuple[int, int],
    jobs: int = 0,
) -> Windows:
    """The windows that a folder keeps of people; made first where it has none, by one process.

    Args:
        rows: people to be shown, picture by picture.
        jobs: processes that cut.

    Raises: InputError when the folder keeps those of other people, or of crops of another shape,
        or another process is filling it.
    """
    about = _about(columns, rows, input_wh)
    if not (folder / INDEX).exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder / "lock"):
                if not (folder / INDEX).exists():
                    _fill(folder, columns, rows, pictures, input_wh, jobs)
        except OSError as error:
            what = (error.strerror or str(error)).lower()
            raise InputError(f"--cache {folder}", what, "name one that can be written") from None
    before = json.loads(read_bytes(folder / ABOUT))
    for key, value in about.items():
        if before.get(key) != value:
            raise InputError(
                f"--cache {folder}",
                f"keeps windows of other people or crops: their {key} differ",
                "name another folder, or remove this one",
            )
    return Windows(folder)


def _fill(
    folder: Path,
    columns: Columns,
    rows: Rows,
    pictures: Pictures,
    input_wh: tuple[int, int],
    jobs: int,
) -> None:
    for part in folder.glob(".*.part"):  # of one that was killed
        part.unlink(missing_ok=True)
    say(f"{folder}: cutting {len(rows):,} people out for later epochs")
    index = np.zeros(len(columns.arrays.ids), _ENTRY)
    shard, offset = 0, 0
    made = _cut_out(columns, rows, pictures, input_wh, jobs)
    more = True

    def fill(file: IO[bytes]) -> None:
        nonlocal offset, more
        offset = 0
        for row, data, where in made:
            file.write(data)
            index[row] = (shard, len(data), offset, *where)
            offset += len(data)
            if offset >= SHARD_BYTES:
                return
        more = False

    while more:
        write_whole_with(shard_file(folder, shard), fill)
        shard += 1
    about = json.dumps(_about(columns, rows, input_wh), indent=1)
    write_whole(folder / ABOUT, about + "\n")
    write_whole_with(folder / INDEX, lambda file: np.save(file, index))


def _cut_out(
    columns: Columns, rows: Rows, pictures: Pictures, input_wh: tuple[int, int], jobs: int
) -> Iterator[tuple[int, bytes, tuple[int, ...]]]:
    first = np.unique(columns.arrays.image_rows[rows], return_index=True)[1]
    tasks = np.split(rows, first[1:]) if len(rows) else []
    pool = Pool(_Cutter(columns, pictures, input_wh), jobs)
    try:
        for told, _ in track(pool.run(tasks), "windows", len(tasks)):
            yield from told
    finally:
        pool.close()


def _about(columns: Columns, rows: Rows, input_wh: tuple[int, int]) -> dict[str, Any]:
    arrays, digest = columns.arrays, hashlib.sha256()
    for part in (arrays.ids[rows], arrays.boxes_xywh[rows], arrays.image_rows[rows]):
        digest.update(np.ascontiguousarray(part).tobytes())
    names = hashlib.sha256(arrays.letters.tobytes() + arrays.sizes_wh.tobytes()).hexdigest()
    return {
        "people": len(rows),
        "boxes": digest.hexdigest(),
        "pictures": names,
        "shape": round(input_wh[0] / input_wh[1], 6),
        "made": {"reach": REACH, "quality": QUALITY, "grid": GRID, "most_share": MOST_SHARE},
    }
