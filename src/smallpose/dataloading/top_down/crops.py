"""Cut people out of their images, with or without augmentation; each image is opened once.

Every augmentation is a function of (seed, epoch, person), so a sample does not depend on the
process that cuts it, or on the order.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.dataloading.affine import (
    PADDING,
    clip_to_pixels,
    compute_box_window,
    compute_warp_matrix,
    cut_crop,
    fit_aspect,
    mirror_matrix,
    warp_points,
)
from smallpose.dataloading.augmentation import (
    NO_AUGMENTATION,
    Augmentation,
    PersonView,
    augment_view,
    make_counter_rng,
)
from smallpose.dataloading.copy_paste import (
    choose_place,
    cut_and_shrink_person,
    paste_person,
    select_cuttable,
)
from smallpose.dataloading.image_cache import ReadsImages
from smallpose.dataloading.images import ImageArray, SizedImage, check_image_size
from smallpose.dataloading.pixel_augmentation import PixelAugmentation, change_pixels
from smallpose.dataloading.top_down.crop_cache import CachedWindow, CropCache, open_crop_cache
from smallpose.dataloading.top_down.small_people import reduce_resolution
from smallpose.dataloading.worker_tables import WorkerTable

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Task = tuple[int, Rows, Rows]

PEOPLE_PER_TASK = 16  # or all of one image
# How many px around a point an interpolation reads.
_REACH_PX = {"linear": 1, "cubic": 2}
_REPEAT, _PASTE = 16, 2**20  # purposes of generators; a person's first crop has 0


def select_trainable(people: Instances) -> Rows:
    """Return the rows of people that top-down methods are trained and tested on.

    They are no crowd, have at least one labelled keypoint and a box of positive size.
    """
    has_box = (people.boxes_xywh[:, 2:] > 0).all(axis=1)
    return np.flatnonzero(people.is_counted & (people.num_labelled > 0) & has_box)


def check_labelled_size(image: SizedImage, people: Instances, image_row: int, where: str) -> None:
    """Raise InputError when the image does not have the size that the annotations say."""
    images = people.images
    expected_wh = int(images.width[image_row]), int(images.height[image_row])
    check_image_size(image, expected_wh, where)


def cut_boxes(
    image: ImageArray,
    boxes_xywh: Floats,
    input_wh: tuple[int, int],
    udp: bool = False,
    interpolation: str = "linear",
    padding: float = PADDING,
) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """Cut (n, h, w, 3) crops of boxes without augmentation.

    Boxes are clipped to the image first, as in MMPose; a box outside is clipped to a point.

    Args:
        udp: which of the two warps of `compute_warp_matrix`.
        interpolation: "linear" or "cubic".
        padding: factor from the box to the window.
    Returns: crops, and the (n, 2) centres and scales of their windows.
    """
    center, scale = compute_clipped_windows(image.shape, boxes_xywh, input_wh, padding)
    crops = cut_windows(image, center, scale, input_wh, udp, interpolation)
    return crops, center, scale


def compute_clipped_windows(
    shape_hw: tuple[int, ...],
    boxes_xywh: Floats,
    input_wh: tuple[int, int],
    padding: float = PADDING,
) -> tuple[Floats, Floats]:
    """Return the (n, 2) centres and scales of the windows of boxes, clipped to their image."""
    clipped = clip_to_pixels(boxes_xywh, shape_hw[1], shape_hw[0])
    center, scale = compute_box_window(clipped, input_wh, padding)
    return center, np.maximum(scale, 1e-3)


def cut_windows(
    image: ImageArray,
    center: Floats,
    scale: Floats,
    input_wh: tuple[int, int],
    udp: bool = False,
    interpolation: str = "linear",
) -> NDArray[np.uint8]:
    """Cut the (n, h, w, 3) crops that show windows of an image; options as in `cut_boxes`."""
    w, h = input_wh
    crops = np.empty((len(center), h, w, 3), np.uint8)
    for row in range(len(center)):
        matrix = compute_warp_matrix(center[row], scale[row], input_wh, udp=udp)
        crops[row] = cut_crop(image, matrix, input_wh, interpolation=interpolation)
    return crops


class _Sample(NamedTuple):
    """Which person is shown in which epoch, and the how-many-eth time in it, from 0."""

    row: int
    epoch: int
    repeat: int

    @property
    def purpose(self) -> int:
        """Return the purpose of the generator that augments this sample."""
        return _REPEAT + self.repeat if self.repeat else 0


class CropDataset:
    """Training samples of people cut out of their images.

    Args:
        people: the table.
        rows: (m,) people to take.
        reader: reads the images.
        input_wh: size of the crops.
        augmentation: None for none.
        seed: of the augmentation.
        udp: which of the two warps of `compute_warp_matrix`.
        interpolation: "linear" or "cubic".

    Attributes:
        rows: the people to take, image by image.
        sizes: (i,) number of them in each image.
        epochs: of the whole run, for augmentations that change in the last ones; 0 where no epoch
            is one of these.
    """

    def __init__(
        self,
        people: Instances,
        rows: Rows,
        reader: ReadsImages,
        input_wh: tuple[int, int],
        augmentation: Augmentation | None,
        seed: int,
        udp: bool = False,
        interpolation: str = "linear",
    ) -> None:
        self.people, self.reader, self.input_wh, self.udp = people, reader, input_wh, udp
        self.interpolation = interpolation
        self.augmentation, self.seed = augmentation or NO_AUGMENTATION, seed
        self.epochs = 0
        self.table = WorkerTable.from_instances(people)
        self.rows = rows[np.argsort(people.image_rows[rows], kind="stable")]
        self.sizes = np.unique(people.image_rows[self.rows], return_counts=True)[1]
        self.shape: tuple[int, ...] = (input_wh[1], input_wh[0], 3)
        self.cache: CropCache | None = None
        self.max_samples = max(PEOPLE_PER_TASK, int(self.sizes.max(initial=0)))

    def __getstate__(self) -> dict[str, Any]:
        # Tasks name people by row; workers use the arrays of `table` only.
        return {**vars(self), "people": None, "rows": None, "sizes": None}

    def open_cache(self, folder: Path, num_workers: int = 0) -> None:
        """Read people from the crop cache of a folder, which is filled first if it is empty."""
        self.cache = open_crop_cache(
            folder, self.table, self.rows, self.reader, self.input_wh, num_workers
        )

    def cut(self, epoch: int, rows: Rows) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return (n, h, w, 3) crops and (n, k, 3) keypoints of people.

        Raises: InputError when an image cannot be read.
        """
        crops = np.empty((len(rows), *self.shape), np.uint8)
        keypoints, problems = self.fill((epoch, rows, np.zeros_like(rows)), crops)
        if problems:
            raise problems[0]
        return crops, keypoints

    def fill(
        self, task: Task, out: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], list[InputError]]:
        """Write crops to `out`; return keypoints, and the errors of unreadable images.

        People of such an image become black crops without labels, so that other people's samples
        and batches stay the same.

        Args:
            task: epoch, (n,) rows of people, and (n,) how often each was shown in it before.
        """
        epoch, rows, repeats = task
        keypoints = np.zeros((len(rows), len(self.table.skeleton), 3), np.float32)
        problems = []
        image_rows = self.table.arrays.image_rows[rows]
        for image_row in dict.fromkeys(image_rows.tolist()):
            in_image = np.flatnonzero(image_rows == image_row)
            image = _LazyImage(self.reader, self.table, image_row)
            try:
                for index in in_image.tolist():
                    sample = _Sample(int(rows[index]), epoch, int(repeats[index]))
                    keypoints[index] = self._cut_sample(image, sample, out[index])
            except _UnreadableImage as error:
                out[in_image] = 0
                keypoints[in_image] = 0
                problems.append(error.reason)
        return keypoints, problems

    def describe(self, task: Task) -> str:
        """Return the names of a task's images."""
        image_rows = dict.fromkeys(self.table.arrays.image_rows[task[1]].tolist())
        return f"image {', '.join(self.table.file_name(row) for row in image_rows)}"

    def _cut_sample(
        self, image: "_LazyImage", sample: _Sample, out: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        people = self.table.arrays
        with self._paste_copy(image, sample) as pasted:
            if pasted is not None:
                return self._augment_and_cut(image, None, sample, *pasted, out)
        window = None if self.cache is None else self.cache.read(sample.row)
        keypoints = people.keypoints[sample.row]
        box_xywh = people.boxes_xywh[sample.row]
        return self._augment_and_cut(image, window, sample, keypoints, box_xywh, out)

    @contextmanager
    def _paste_copy(
        self, image: "_LazyImage", sample: _Sample
    ) -> Iterator[tuple[Floats, Floats] | None]:
        """Shrink a person and paste them into their image, as long as the context lasts.

        Yields: their keypoints and box there; None if chance, the person or the image forbid it.
        """
        people = self.table.arrays
        row = sample.row
        keypoints, box = people.keypoints[row], people.boxes_xywh[row]
        if not self.augmentation.paste or not select_cuttable(keypoints[None], box[None])[0]:
            yield None
            return
        purpose = _PASTE + sample.repeat
        rng = make_counter_rng(self.seed, sample.epoch, int(people.ids[row]), purpose)
        chance, size = rng.random(2)
        if chance >= self.augmentation.paste:
            yield None
            return
        pixels = image.pixels()
        cutout = cut_and_shrink_person(pixels, keypoints, box, self.table.skeleton, size)
        others = people.boxes_xywh[self.table.rows_of_image(int(people.image_rows[row]))]
        others = np.concatenate([others[:, :2], others[:, :2] + others[:, 2:]], axis=1)
        corner = choose_place((pixels.shape[1], pixels.shape[0]), cutout.size_wh, others, rng)
        if corner is None:
            yield None
            return
        pasted = paste_person(pixels, cutout, corner)
        try:
            yield pasted.move_keypoints(keypoints), pasted.move_box(box)
        finally:
            pasted.undo(pixels)

    def _augment_and_cut(
        self,
        image: "_LazyImage",
        window: CachedWindow | None,
        sample: _Sample,
        keypoints: Floats,
        box_xywh: Floats,
        out: NDArray[np.uint8],
    ) -> NDArray[np.float32]:
        """Augment a person's view and cut it, from the cached window if that suffices."""
        width, height = image.size_wh() if window is None else window.image_wh
        center, scale = compute_box_window(
            clip_to_pixels(box_xywh[None], width, height), self.input_wh
        )
        view = PersonView(keypoints, center[0], np.maximum(scale[0], 1e-3))
        person_id = int(self.table.arrays.ids[sample.row])
        rng = make_counter_rng(self.seed, sample.epoch, person_id, sample.purpose)
        augmentation = self._choose_augmentation(sample.epoch)
        view = augment_view(view, augmentation, self.table.skeleton, width, rng)
        scale = fit_aspect(view.scale[None], self.input_wh)[0]
        matrix = compute_warp_matrix(view.center, scale, self.input_wh, view.rotate_deg, self.udp)
        points = view.keypoints.astype(np.float32)
        points[:, :2] = warp_points(view.keypoints[:, :2], matrix)
        points[view.keypoints[:, 2] == 0, :2] = 0
        if view.is_flipped:
            matrix = mirror_matrix(matrix, width)
        reach = _REACH_PX[self.interpolation]
        if window is not None and window.contains_crop(matrix, self.input_wh, reach):
            matrix = window.shift_matrix(matrix)
            cut_crop(window.pixels, matrix, self.input_wh, out, self.interpolation)
        else:
            cut_crop(image.pixels(), matrix, self.input_wh, out, self.interpolation)
        if self.augmentation.coarse:
            self._reduce_resolution(out, float(scale[0]), rng)
        if isinstance(augmentation, PixelAugmentation):
            change_pixels(out, augmentation, rng)
        return points

    def _reduce_resolution(
        self, crop: NDArray[np.uint8], window_w: float, rng: np.random.Generator
    ) -> None:
        """Show a crop at a lower resolution, in place, if chance will have it."""
        augmentation = self.augmentation
        chance, draw = rng.random(2)
        if chance >= augmentation.coarse:
            return
        has_camera = augmentation.coarse_camera > 0 and rng.random() < augmentation.coarse_camera
        camera_rng = rng if has_camera else None
        crop[...] = reduce_resolution(crop, window_w, augmentation.coarse_least, draw, camera_rng)

    def _choose_augmentation(self, epoch: int) -> Augmentation:
        """Return the augmentation of an epoch."""
        augmentation = self.augmentation
        if not isinstance(augmentation, PixelAugmentation) or not self.epochs:
            return augmentation
        is_closing = epoch >= self.epochs - augmentation.closing
        return augmentation.to_closing() if is_closing else augmentation


class _UnreadableImage(Exception):
    """An image that cannot be read."""

    def __init__(self, reason: InputError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _LazyImage:
    """An image that is read at the first request, and only once."""

    def __init__(self, reader: ReadsImages, table: WorkerTable, row: int) -> None:
        self._reader, self._table, self._row = reader, table, row
        self._pixels: ImageArray | None = None

    def pixels(self) -> ImageArray:
        """Return (h, w, 3) uint8 RGB.

        Raises: _UnreadableImage; InputError when it does not have the annotated size.
        """
        if self._pixels is None:
            name = self._table.file_name(self._row)
            try:
                self._pixels = self._reader.read(name)
            except InputError as error:
                raise _UnreadableImage(error) from None
            check_image_size(self._pixels, self._table.size_wh(self._row), name)
        return self._pixels

    def size_wh(self) -> tuple[int, int]:
        """Return the size of the file's image."""
        height, width = self.pixels().shape[:2]
        return width, height
