"""One person per sample: crops for top-down methods, each picture decoded once for all its people.

An epoch goes through the images in random order, collects the people of as many as fill a window,
and shuffles the window. So a batch mixes many pictures, although no picture is opened twice. The
order and every augmentation are functions of (seed, epoch, person): neither the number of workers
nor an interruption changes a sample.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from smallpose.core.errors import InputError, RunError
from smallpose.samples.affine import (
    box_window,
    clip_to_pixels,
    cut,
    fit_aspect,
    mirrored,
    warp_matrix,
    warp_points,
)
from smallpose.samples.augment import NO_CHANGE, Augment, View, change, counter_rng
from smallpose.samples.images import Picture, Pictures, one_thread
from smallpose.table.instances import Instances

Rows = NDArray[np.intp]
Sample = tuple[torch.Tensor, torch.Tensor, str]

WINDOW_BYTES = 256 * 2**20  # of crops that wait to be shuffled
WINDOW_PEOPLE = 4096
_ORDER = 1  # purpose of the generator that shuffles; a person's own has 0


class Batch(NamedTuple):
    """People of one step.

    Args:
        rows: (b,) of the people's table.
        crops: (b, h, w, 3) uint8 RGB.
        keypoints: (b, k, 3) float32 x, y in crop px, and v.
    """

    rows: Rows
    crops: torch.Tensor
    keypoints: torch.Tensor

    def part(self, start: int, stop: int | None = None) -> "Batch":
        """The people from `start` up to `stop`."""
        rows = slice(start, stop)
        return Batch(self.rows[rows], self.crops[rows], self.keypoints[rows])


def trainable(people: Instances) -> Rows:
    """Rows of those a top-down method is trained and tested on.

    Not a crowd, at least one labelled keypoint, a box of positive size.
    """
    there = people.counted & (people.labelled > 0) & (people.boxes_xywh[:, 2:] > 0).all(axis=1)
    return np.flatnonzero(there)


def check_size(picture: Picture, people: Instances, image_row: int, where: str) -> None:
    """Raises InputError when the picture is not of the size the annotations say."""
    said = (int(people.images.width[image_row]), int(people.images.height[image_row]))
    height, width = picture.shape[:2]
    if said != (width, height) and 0 not in said:
        raise InputError(
            where,
            f"the picture is {width} × {height}, the annotations say {said[0]} × {said[1]}",
            "use the picture that was annotated",
        )


def cut_boxes(
    picture: Picture,
    boxes_xywh: NDArray[np.float64],
    input_wh: tuple[int, int],
    udp: bool = False,
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """(n, h, w, 3) crops of boxes without chance, with the (n, 2) centres and scales they show.

    Boxes are cut to the picture first, as MMPose does; what is left of one outside is a point.

    Args:
        udp: which of the two warps of `warp_matrix`.
    """
    height, width = picture.shape[:2]
    center, scale = box_window(clip_to_pixels(boxes_xywh, width, height), input_wh)
    scale = np.maximum(scale, 1e-3)
    w, h = input_wh
    crops = np.empty((len(center), h, w, 3), np.uint8)
    for row in range(len(center)):
        crops[row] = cut(picture, warp_matrix(center[row], scale[row], input_wh, udp=udp), input_wh)
    return crops, center, scale


class ImageOfPeople(Dataset[Sample]):
    """Asked for (epoch, image), the crops of all that image's people.

    Args:
        people: the table; columns only, so that forked workers share its memory.
        rows: (m,) people to take.
        pictures: where they lie.
        input_wh: of the crops.
        augment: how much chance; None for none.
        seed: of the chance.
        udp: which of the two warps of `warp_matrix`.
    """

    def __init__(
        self,
        people: Instances,
        rows: Rows,
        pictures: Pictures,
        input_wh: tuple[int, int],
        augment: Augment | None,
        seed: int,
        udp: bool = False,
    ) -> None:
        self.people, self.pictures, self.input_wh, self.udp = people, pictures, input_wh, udp
        self.augment, self.seed = augment or NO_CHANGE, seed
        by_image = rows[np.argsort(people.image_rows[rows], kind="stable")]
        self.image_rows, first = np.unique(people.image_rows[by_image], return_index=True)
        self.of_image: list[Rows] = np.split(by_image, first[1:])

    def __len__(self) -> int:
        return len(self.image_rows)

    def __getitem__(self, which: tuple[int, int]) -> Sample:
        """Crops, keypoints, and what was wrong: "" or why the picture could not be read.

        People of a picture that cannot be read become black crops without labels, so that the
        others' samples and batches stay what they were.
        """
        epoch, image = which
        rows = self.of_image[image]
        image_row = int(self.image_rows[image])
        name = self.people.images.file_names[image_row]
        w, h = self.input_wh
        crops = np.zeros((len(rows), h, w, 3), np.uint8)
        keypoints = np.zeros((len(rows), len(self.people.skeleton), 3), np.float32)
        try:
            picture = self.pictures.read(name)
        except InputError as error:
            return torch.from_numpy(crops), torch.from_numpy(keypoints), str(error)
        check_size(picture, self.people, image_row, name)
        for place, row in enumerate(rows):
            crops[place], keypoints[place] = self._sample(picture, int(row), epoch)
        return torch.from_numpy(crops), torch.from_numpy(keypoints), ""

    def _sample(
        self, picture: Picture, row: int, epoch: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        height, width = picture.shape[:2]
        people = self.people
        box = clip_to_pixels(people.boxes_xywh[row : row + 1], width, height)
        center, scale = box_window(box, self.input_wh)
        view = View(people.keypoints[row], center[0], np.maximum(scale[0], 1e-3))
        rng = counter_rng(self.seed, epoch, int(people.ids[row]))
        view = change(view, self.augment, people.skeleton, width, rng)
        window = fit_aspect(view.scale[None], self.input_wh)[0]
        matrix = warp_matrix(view.center, window, self.input_wh, view.rotate_deg, self.udp)
        points = view.keypoints.astype(np.float32)
        points[:, :2] = warp_points(view.keypoints[:, :2], matrix)
        points[view.keypoints[:, 2] == 0, :2] = 0
        if view.flipped:
            matrix = mirrored(matrix, width)
        return cut(picture, matrix, self.input_wh), points


class Crops:
    """Batches of an epoch, from any step on, the same for any number of workers.

    Args:
        dataset: what to cut.
        batch_size: people per step; the last step of an epoch has what is left.
        jobs: worker processes; 0 works in this one.
        most_bad: share of the images that may be unreadable before the run stops.
    """

    def __init__(
        self, dataset: ImageOfPeople, batch_size: int, jobs: int = 0, most_bad: float = 0.001
    ) -> None:
        self.dataset, self.batch_size, self.jobs, self.most_bad = (
            dataset,
            batch_size,
            jobs,
            most_bad,
        )
        self.sizes = np.array([len(rows) for rows in dataset.of_image])
        crop_bytes = 3 * dataset.input_wh[0] * dataset.input_wh[1]
        most = min(WINDOW_PEOPLE, WINDOW_BYTES // crop_bytes)
        self.window = max(most, batch_size)
        self.unreadable: dict[str, None] = {}

    @property
    def people(self) -> int:
        """How many an epoch goes through."""
        return int(self.sizes.sum())

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return -(-self.people // self.batch_size)

    def windows(self, epoch: int) -> list[tuple[Rows, NDArray[np.intp]]]:
        """For each window, its images, and the order of their people laid end to end."""
        rng = counter_rng(self.dataset.seed, epoch, 0, _ORDER)
        images = rng.permutation(len(self.sizes))
        filled = np.cumsum(self.sizes[images])
        cuts = np.searchsorted(filled, np.arange(self.window, self.people, self.window)) + 1
        parts = [part for part in np.split(images, np.unique(cuts)) if len(part)]
        return [(part, rng.permutation(int(self.sizes[part].sum()))) for part in parts]

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """The steps of an epoch from `first_step` on.

        Raises: RunError when a worker died, InputError when too many pictures are unreadable.
        """
        skip = first_step * self.batch_size
        windows = self.windows(epoch)
        while windows and skip >= len(windows[0][1]):
            skip -= len(windows.pop(0)[1])
        loader = self._loader([(epoch, int(i)) for part, _ in windows for i in part])
        rest: Batch | None = None
        for part, order in windows:
            window = self._gather(part, order, loader)
            if skip:
                window, skip = window.part(skip), 0
            if rest is not None and len(rest.rows):
                window = _join(rest, window)
            whole = len(window.rows) // self.batch_size * self.batch_size
            for start in range(0, whole, self.batch_size):
                yield window.part(start, start + self.batch_size)
            rest = window.part(whole)
        if rest is not None and len(rest.rows):
            yield rest

    def _loader(self, asked: list[tuple[int, int]]) -> Iterator[Sample]:
        if self.jobs == 0:
            one_thread()
            return (self.dataset[which] for which in asked)
        loader = DataLoader(
            self.dataset,
            batch_size=None,
            sampler=asked,  # type: ignore[arg-type]
            num_workers=self.jobs,
            prefetch_factor=16,
            worker_init_fn=_quiet,
        )
        return iter(loader)

    def _gather(self, part: Rows, order: NDArray[np.intp], loader: Iterator[Sample]) -> Batch:
        """One window's people in their order."""
        w, h = self.dataset.input_wh
        crops = torch.empty((len(order), h, w, 3), dtype=torch.uint8)
        keypoints = torch.empty((len(order), len(self.dataset.people.skeleton), 3))
        at = 0
        place = torch.from_numpy(np.argsort(order))  # where the person at hand shall stand
        for image in part:
            some_crops, some_keypoints, wrong = self._next(loader, int(image))
            n = len(some_crops)
            crops[place[at : at + n]] = some_crops
            keypoints[place[at : at + n]] = some_keypoints
            at += n
            if wrong:
                self._count_bad(str(wrong))
        rows = np.concatenate([self.dataset.of_image[int(i)] for i in part])[order]
        return Batch(rows, crops, keypoints)

    def _next(self, loader: Iterator[Sample], image: int) -> Sample:
        try:
            return next(loader)
        except RuntimeError as error:  # what DataLoader makes of a worker that is gone
            if "DataLoader worker" not in str(error):
                raise
            name = self.dataset.people.images.file_names[int(self.dataset.image_rows[image])]
            raise RunError(
                f"picture {name}",
                f"a worker process died near it ({error})",
                "the memory may be full: use fewer --jobs, then --resume",
            ) from None

    def _count_bad(self, wrong: str) -> None:
        self.unreadable[wrong] = None
        bad, images = len(self.unreadable), len(self.sizes)
        if bad > self.most_bad * images:
            raise InputError(
                wrong.split(";")[0],
                f"{bad} of {images:,} pictures cannot be read, more than {self.most_bad:.1%}",
                "mend or remove them, or allow more with --max-bad",
            )


def _join(first: Batch, second: Batch) -> Batch:
    return Batch(
        np.concatenate([first.rows, second.rows]),
        torch.cat([first.crops, second.crops]),
        torch.cat([first.keypoints, second.keypoints]),
    )


def _quiet(_: int) -> None:
    one_thread()
    torch.set_num_threads(1)
