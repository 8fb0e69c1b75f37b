"""People cut out of their pictures, by their boxes or by chance; each picture opened once for all.

Every augmentation is a function of (seed, epoch, person), so nobody's sample depends on who cuts
it, or when.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.dataloading.affine import (
    box_window,
    clip_to_pixels,
    cut,
    fit_aspect,
    mirrored,
    warp_matrix,
    warp_points,
)
from smallpose.dataloading.augmentation import NO_CHANGE, Augment, View, change, counter_rng
from smallpose.dataloading.copy_paste import find_place, may_be_cut, paste_person, shrunk_person
from smallpose.dataloading.images import Picture, Pictures, same_size
from smallpose.dataloading.top_down.crop_cache import Window, Windows, open_windows
from smallpose.dataloading.top_down.small_people import coarser
from smallpose.dataloading.worker_tables import Columns

Rows = NDArray[np.intp]
Task = tuple[int, Rows, Rows]

TASK = 16  # people cut by a worker at a time, or those of one picture
_COPY, _PASTE = 16, 2**20  # purposes of generators; a person's first has 0


def trainable(people: Instances) -> Rows:
    """Rows of those a top-down method is trained and tested on.

    Not a crowd, at least one labelled keypoint, a box of positive size.
    """
    there = people.counted & (people.labelled > 0) & (people.boxes_xywh[:, 2:] > 0).all(axis=1)
    return np.flatnonzero(there)


def check_size(picture: Picture, people: Instances, image_row: int, where: str) -> None:
    """Raises InputError when the picture is not of the size the annotations say."""
    images = people.images
    same_size(picture, (int(images.width[image_row]), int(images.height[image_row])), where)


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


class ImageOfPeople:
    """Cuts people out of their pictures, each picture opened once for all that are asked for.

    Args:
        people: the table.
        rows: (m,) people to take.
        pictures: where they lie.
        input_wh: of the crops.
        augment: how much chance; None for none.
        seed: of the chance.
        udp: which of the two warps of `warp_matrix`.
        cache: a folder that keeps people's windows (`windows.py`); none without.
        jobs: processes that cut them, where the folder has none yet.

    Attributes:
        rows: the people to take, picture by picture.
        sizes: (i,) how many they are in each picture.
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
        cache: Path | None = None,
        jobs: int = 0,
    ) -> None:
        self.people, self.pictures, self.input_wh, self.udp = people, pictures, input_wh, udp
        self.augment, self.seed = augment or NO_CHANGE, seed
        self.columns = Columns.of(people)
        self.rows = rows[np.argsort(people.image_rows[rows], kind="stable")]
        self.sizes = np.unique(people.image_rows[self.rows], return_counts=True)[1]
        self.shape: tuple[int, ...] = (input_wh[1], input_wh[0], 3)
        self.windows: Windows | None = None
        if cache is not None:
            self.windows = open_windows(cache, self.columns, self.rows, pictures, input_wh, jobs)
        self.most = max(TASK, int(self.sizes.max(initial=0)))

    def __getstate__(self) -> dict[str, Any]:
        # To a worker, which is told whom to cut; of the table it needs the columns alone.
        return {**vars(self), "people": None, "rows": None, "sizes": None}

    def cut(self, epoch: int, rows: Rows) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """(n, h, w, 3) crops and (n, k, 3) keypoints of people.

        Raises: InputError when a picture cannot be read.
        """
        crops = np.empty((len(rows), *self.shape), np.uint8)
        keypoints, wrong = self.fill((epoch, rows, np.zeros_like(rows)), crops)
        if wrong:
            raise wrong[0]
        return crops, keypoints

    def fill(
        self, task: Task, out: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], list[InputError]]:
        """Crops into `out`; keypoints, and what was wrong with pictures that could not be read.

        People of such a picture become black crops without labels, so that the others' samples
        and batches stay what they were.

        Args:
            task: epoch, (n,) people, and (n,) which showing of them in the epoch, from 0.
        """
        epoch, rows, again = task
        columns = self.columns
        keypoints = np.zeros((len(rows), len(columns.skeleton), 3), np.float32)
        wrong = []
        images = columns.arrays.image_rows[rows]
        for image in dict.fromkeys(images.tolist()):
            here = np.flatnonzero(images == image)
            opened = _Opened(self.pictures, columns, image)
            try:
                for place in here.tolist():
                    person = int(rows[place]), epoch, int(again[place])
                    keypoints[place] = self._sample(opened, *person, out[place])
            except _Unreadable as error:
                out[here], keypoints[here] = 0, 0
                wrong.append(error.why)
        return keypoints, wrong

    def describe(self, task: Task) -> str:
        """The pictures of a task."""
        images = dict.fromkeys(self.columns.arrays.image_rows[task[1]].tolist())
        return f"picture {', '.join(self.columns.name(i) for i in images)}"

    def _sample(
        self, opened: "_Opened", row: int, epoch: int, again: int, out: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        people = self.columns.arrays
        keypoints, box = people.keypoints[row], people.boxes_xywh[row]
        with self._pasted(opened, row, epoch, again) as elsewhere:
            if elsewhere is not None:
                return self._view(opened, None, row, *elsewhere, epoch, again, out)
        window = None if self.windows is None else self.windows.read(row)
        return self._view(opened, window, row, keypoints, box, epoch, again, out)

    @contextmanager
    def _pasted(
        self, opened: "_Opened", row: int, epoch: int, again: int
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]] | None]:
        """The picture with a person shrunk and pasted, for as long as he is cut from it.

        His keypoints and box there; None where chance, he or the place did not allow it.
        """
        people = self.columns.arrays
        keypoints, box = people.keypoints[row], people.boxes_xywh[row]
        if not self.augment.paste or not may_be_cut(keypoints[None], box[None])[0]:
            yield None
            return
        rng = counter_rng(self.seed, epoch, int(people.ids[row]), _PASTE + again)
        chance, size = rng.random(2)
        if chance >= self.augment.paste:
            yield None
            return
        picture = opened.picture()
        cutting = shrunk_person(picture, keypoints, box, self.columns.skeleton, size)
        others = people.boxes_xywh[self.columns.people_of(int(people.image_rows[row]))]
        others = np.concatenate([others[:, :2], others[:, :2] + others[:, 2:]], axis=1)
        at = find_place((picture.shape[1], picture.shape[0]), cutting.size_wh, others, rng)
        if at is None:
            yield None
            return
        pasted = paste_person(picture, cutting, at)
        try:
            yield pasted.moved(keypoints), pasted.moved_box(box)
        finally:
            pasted.undo(picture)

    def _view(
        self,
        opened: "_Opened",
        window: Window | None,
        row: int,
        keypoints: NDArray[np.float64],
        box_xywh: NDArray[np.float64],
        epoch: int,
        again: int,
        out: NDArray[np.uint8],
    ) -> NDArray[np.float32]:
        width, height = opened.size_wh() if window is None else window.picture_wh
        people, skeleton = self.columns.arrays, self.columns.skeleton
        box = clip_to_pixels(box_xywh[None], width, height)
        center, scale = box_window(box, self.input_wh)
        view = View(keypoints, center[0], np.maximum(scale[0], 1e-3))
        rng = counter_rng(self.seed, epoch, int(people.ids[row]), _COPY + again if again else 0)
        view = change(view, self.augment, skeleton, width, rng)
        scale = fit_aspect(view.scale[None], self.input_wh)[0]
        matrix = warp_matrix(view.center, scale, self.input_wh, view.rotate_deg, self.udp)
        points = view.keypoints.astype(np.float32)
        points[:, :2] = warp_points(view.keypoints[:, :2], matrix)
        points[view.keypoints[:, 2] == 0, :2] = 0
        if view.flipped:
            matrix = mirrored(matrix, width)
        if window is not None and window.shows(matrix, self.input_wh):
            cut(window.pixels, window.moved(matrix), self.input_wh, out)
        else:
            cut(opened.picture(), matrix, self.input_wh, out)
        if self.augment.coarse:
            chance, much = rng.random(2)
            if chance < self.augment.coarse:
                out[...] = coarser(out, float(scale[0]), self.augment.coarse_least, much)
        return points


class _Unreadable(Exception):
    """A picture that cannot be read."""

    def __init__(self, why: InputError) -> None:
        super().__init__(str(why))
        self.why = why


class _Opened:
    """A picture that is read when somebody asks for it, and once."""

    def __init__(self, pictures: Pictures, columns: Columns, image: int) -> None:
        self._pictures, self._columns, self._image = pictures, columns, image
        self._picture: Picture | None = None

    def picture(self) -> Picture:
        """Its pixels.

        Raises: _Unreadable; InputError when it is not of the size the annotations say.
        """
        if self._picture is None:
            name = self._columns.name(self._image)
            try:
                self._picture = self._pictures.read(name)
            except InputError as error:
                raise _Unreadable(error) from None
            same_size(self._picture, self._columns.size_wh(self._image), name)
        return self._picture

    def size_wh(self) -> tuple[int, int]:
        """Its own."""
        height, width = self.picture().shape[:2]
        return width, height
