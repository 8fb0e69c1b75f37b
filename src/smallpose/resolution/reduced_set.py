"""Write the images of one sensor and height, with their boxes and labels, for models to read."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.dataloading.images import ImageArray, ImageReader, check_image_size, read_image_size
from smallpose.dataset.meant_folder import suggest_image_folder
from smallpose.io.coco_annotations import write_coco
from smallpose.resolution.frame import Frame, place_in_frame
from smallpose.resolution.people import ChosenPeople
from smallpose.resolution.reduced_labels import compute_reduced_sizes, reduce_labels
from smallpose.resolution.sensor import Sensor
from smallpose.system.files import write_atomically

MAX_CACHE_BYTES = 512 * 2**20


@dataclass(frozen=True)
class ReducedSet:
    """The images of one sensor and height.

    Args:
        folder: of the set.
        truth: labels; image i + 1 is that of the i-th chosen person.
        sensor: the sensor model.
        px: height of the chosen people.
        reduced_wh: (n, 2) size of each image, without a frame around it.
    """

    folder: Path
    truth: Instances
    sensor: Sensor
    px: int
    reduced_wh: NDArray[np.int64]

    @property
    def name(self) -> str:
        """Return the name, which sorts by height."""
        return f"{self.sensor.name}-{self.px:04d}"

    @property
    def images(self) -> Path:
        """Return the folder of the images."""
        return self.folder / "images"

    @property
    def boxes_path(self) -> Path:
        """Return the path of the boxes."""
        return self.folder / "boxes.json"

    @property
    def is_complete(self) -> bool:
        """Return whether the images are there; the boxes are written after them."""
        last = self.images / self.truth.images.file_names[-1]
        return self.boxes_path.is_file() and last.is_file()

    def remove_images(self) -> None:
        """Remove the images, which can be made again."""
        shutil.rmtree(self.images, ignore_errors=True)


class ImageReducer:
    """Reduces the images of the chosen people; keeps decoded ones as far as memory allows.

    Args:
        people: who is seen.
        reader: of the images.
        seed: of the noise.
        num_threads: that write images.
        frame: around each reduced image, or None.
        lossless: ending of files without JPEG: ".bmp" is written and read fastest, and ".png" is
            read by any program.
    """

    def __init__(
        self,
        people: ChosenPeople,
        reader: ImageReader,
        seed: int = 0,
        num_threads: int = 1,
        lossless: str = ".png",
        frame: Frame | None = None,
    ) -> None:
        self.frame = frame
        self.lossless = lossless
        self.people, self.reader, self.seed, self.num_threads = people, reader, seed, num_threads
        self.image_rows = people.truth.image_rows[people.rows]
        self.sizes_wh = _read_sizes(people, reader)
        self._cache: dict[int, ImageArray] = {}
        self._cached_bytes = 0

    def describe_set(self, root: Path, sensor: Sensor, px: int) -> ReducedSet:
        """Return the set of a sensor and height, with its labels, not yet written."""
        reduced_wh = compute_reduced_sizes(self.people, self.sizes_wh, px)
        suffix = ".jpg" if sensor.jpeg else self.lossless
        name = f"{sensor.name}-{px:04d}"
        frame_wh = reduced_wh
        if self.frame is not None:
            frame_wh = self.frame.compute_sizes(self.sizes_wh, reduced_wh)
            name += f"-in-{self.frame.name}"
        truth = reduce_labels(self.people, self.sizes_wh, reduced_wh, suffix, frame_wh)
        return ReducedSet(root / name, truth, sensor, px, reduced_wh)

    def write_set(self, reduced: ReducedSet) -> None:
        """Write the images, the labels, and last the boxes; an existing set is replaced."""
        reduced.boxes_path.unlink(missing_ok=True)
        reduced.remove_images()
        reduced.images.mkdir(parents=True)
        by_image = np.split(
            np.arange(len(self.people)), np.flatnonzero(np.diff(self.image_rows)) + 1
        )
        with ThreadPoolExecutor(self.num_threads) as pool:
            list(pool.map(lambda indices: self._write_images(reduced, indices), by_image))
        write_coco(reduced.truth, reduced.folder / "truth.json")
        write_atomically(reduced.boxes_path, msgspec.json.encode(list_boxes(reduced.truth)))

    def _write_images(self, reduced: ReducedSet, indices: NDArray[np.intp]) -> None:
        """Write the reduced versions of one image, one for each of its chosen people."""
        image = self._read(int(self.image_rows[indices[0]]))
        images = reduced.truth.images
        for index in indices.tolist():
            width, height = reduced.reduced_wh[index].tolist()
            pixels = reduced.sensor.reduce(image, (width, height), [self.seed, index, reduced.px])
            frame_wh = int(images.width[index]), int(images.height[index])
            pixels = place_in_frame(pixels, frame_wh)
            path = reduced.images / images.file_names[index]
            path.write_bytes(reduced.sensor.encode(pixels, path.suffix))

    def _read(self, row: int) -> ImageArray:
        if row in self._cache:
            return self._cache[row]
        images = self.people.truth.images
        name = images.file_names[row]
        image = self.reader.read(name)
        check_image_size(image, (int(images.width[row]), int(images.height[row])), name)
        if self._cached_bytes + image.nbytes <= MAX_CACHE_BYTES:
            self._cached_bytes += image.nbytes
            self._cache[row] = image
        return image


def list_boxes(truth: Instances) -> list[dict[str, object]]:
    """List the boxes of the chosen people, as records for any program."""
    rows = np.flatnonzero(~truth.iscrowd)
    images = truth.images
    image_rows = truth.image_rows[rows].tolist()
    return [
        {
            "image_id": int(images.ids[row]),
            "file_name": images.file_names[row],
            "category_id": truth.category_id,
            "bbox": box,
            "score": 1.0,
        }
        for row, box in zip(image_rows, truth.boxes_xywh[rows].tolist(), strict=True)
    ]


def find_existing_images(truth: Instances, reader: ImageReader) -> NDArray[np.bool_]:
    """Return (m,) which images are in the folder.

    Raises: InputError when none is.
    """
    names = truth.images.file_names
    has_image = np.array([reader.resolve(name).is_file() for name in names], dtype=bool)
    if not has_image.any():
        raise InputError(
            f"--images {reader.root}",
            f"none of the {format_count(len(names), 'image')} of the file is there, such as "
            f"{names[0]}"
            if names
            else "the file has no images",
            suggest_image_folder(
                reader.root, names, "name the folder that file_name is relative to"
            ),
        )
    return has_image


def _read_sizes(people: ChosenPeople, reader: ImageReader) -> NDArray[np.int64]:
    """Return (n, 2) the size of each person's image, from its header where the file has none."""
    images = people.truth.images
    rows = people.truth.image_rows[people.rows]
    sizes = np.stack([images.width[rows], images.height[rows]], axis=1)
    for index in np.flatnonzero((sizes == 0).any(axis=1)).tolist():
        sizes[index] = read_image_size(reader.resolve(images.file_names[rows[index]]))
    return sizes
