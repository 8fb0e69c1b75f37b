"""One picture per sample with all its people: for bottom-up and single-stage methods.

Every change is a function of (seed, epoch, picture), so neither workers nor an interruption change
a sample.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.dataloading.affine import mirrored, warp_matrix
from smallpose.dataloading.augmentation import counter_rng
from smallpose.dataloading.batches import Feed
from smallpose.dataloading.copy_paste import find_place, may_be_cut, paste_person, shrunk_person
from smallpose.dataloading.full_image.mosaic import (
    STILL,
    Scene,
    WholeAugment,
    box_corners,
    cut_normal,
    joined,
    moved,
    paste,
    people_moved,
    perspective,
    shift_hsv,
    turned,
)
from smallpose.dataloading.images import Picture, Pictures, same_size
from smallpose.dataloading.worker_pool import Pool
from smallpose.dataloading.worker_tables import Columns

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

MASK_STRIDE = 4
# Purposes of generators; the first two are nobody's in particular, a picture's own has 0.
_ORDER, _SIZE, _PASTE = 1, 2, 3


class People(NamedTuple):
    """The people of a batch's pictures, one row each; x and y in px of the pictures.

    Args:
        picture: (n,) whose people they are: numbers in the batch.
        keypoints: (n, k, 3) float32 x, y, v.
        corners: (n, 4, 2) float32 of the boxes: top left, bottom left, top right, bottom right
            as they stood before the picture was turned.
        area: (n,) float32 px²; of the mask where it is known, else 0.53 of the box.
        counts: (b, h / 4, w / 4) float32, 0 where people stand that nobody labelled.
    """

    picture: Tensor
    keypoints: Tensor
    corners: Tensor
    area: Tensor
    counts: Tensor

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "People":
        """The same on another device."""
        return People(*(column.to(device, non_blocking=non_blocking) for column in self))

    @property
    def boxes_xyxy(self) -> Tensor:
        """(n, 4) upright boxes around the corners."""
        return torch.cat([self.corners.amin(dim=1), self.corners.amax(dim=1)], dim=1)


class WholeBatch(NamedTuple):
    """Pictures of one step.

    Args:
        rows: of the people's table: everybody the pictures were chosen for.
        pictures: (b, h, w, 3) uint8 RGB.
        people: theirs.
        weight: of this rank's mean loss; see `AnyBatch`.
    """

    rows: Rows
    pictures: Tensor
    people: People
    weight: float = 1.0

    @property
    def crops(self) -> Tensor:
        """The pictures, under the name a loop over crops has for them."""
        return self.pictures

    @property
    def keypoints(self) -> People:
        """The people, under the name a loop over crops has for what `targets` takes."""
        return self.people


class WholeImages:
    """Asked for (epoch, place), one picture as a training sample.

    Args:
        people: the table; columns only, so that forked workers share its memory.
        image_rows: (m,) images to take.
        pictures: where they lie.
        input_wh: of the samples.
        augment: how much chance; None fits pictures and changes nothing.
        seed: of the chance.
        epochs: of the whole run, which says when its closing epochs begin.
    """

    def __init__(
        self,
        people: Instances,
        image_rows: Rows,
        pictures: Pictures,
        input_wh: tuple[int, int],
        augment: WholeAugment | None,
        seed: int,
        epochs: int = 0,
    ) -> None:
        self.people, self.pictures, self.input_wh = people, pictures, input_wh
        self.augment, self.seed = augment or STILL, seed
        self.image_rows, self.epochs = image_rows, epochs
        self.shape: tuple[int, ...] = (input_wh[1], input_wh[0], 3)
        self.most = 1
        self.columns = Columns.of(people)
        if self.augment.balance or self.augment.coarse:
            raise InputError(
                "augment.balance or augment.coarse",
                "are for people cut out, and this method takes whole pictures",
                "leave them at 0, or train a top-down method",
            )

    def __len__(self) -> int:
        return len(self.image_rows)

    def __getstate__(self) -> dict[str, Any]:
        # To a worker, which needs the columns alone.
        return {**vars(self), "people": None}

    def __getitem__(self, which: tuple[int, int]) -> tuple[Picture, People, str]:
        """Picture, people, and what was wrong: "" or why the picture could not be read.

        One that cannot be read is a grey sample without people.
        """
        epoch, place = which
        w, h = self.input_wh
        row = int(self.image_rows[place])
        # The image's id and not its place: other images may come or go without changing it.
        rng = counter_rng(self.seed, epoch, int(self.columns.arrays.image_ids[row]))
        try:
            scene = self._sample(row, epoch, rng)
        except InputError as error:
            empty = np.zeros((0, 4, 2))
            k = len(self.columns.skeleton)
            grey = np.full((h, w, 3), self.augment.pad, np.uint8)
            scene = Scene(grey, np.zeros((0, k, 3)), empty, np.zeros(0), empty)
            return grey, self._people(scene), str(error)
        return scene.picture, self._people(scene), ""

    def _sample(self, row: int, epoch: int, rng: np.random.Generator) -> Scene:
        augment = self.augment
        closing = augment.closing > 0 and epoch >= self.epochs - augment.closing
        if augment.mosaic and not closing:
            scene = self._mosaic(row, epoch, rng)
            scene = self._mixed(scene, rng)
        else:
            scene = self._with_pasted(row, epoch)
            matrix = self._window(scene.picture, rng, still=closing and augment.closing_still)
            if rng.random() < augment.flip:
                matrix = mirrored(matrix, scene.picture.shape[1])
                swap = self.columns.skeleton.mirror
                scene = scene._replace(
                    keypoints=scene.keypoints[:, swap], corners=scene.corners[:, [2, 3, 0, 1]]
                )
            scene = moved(scene, matrix, self.input_wh, augment.pad)
        if any(augment.hsv):
            scene = scene._replace(picture=shift_hsv(scene.picture, augment.hsv, rng))
        if augment.mosaic and not closing and rng.random() < augment.flip:
            scene = turned(scene, self.columns.skeleton)
        return self._cut_off(scene)

    def _read(self, row: int) -> Scene:
        """The stored picture; people without keypoints or in crowds only as places."""
        people, rows = self.columns.arrays, self.columns.people_of(row)
        name = self.columns.name(row)
        picture = self.pictures.read(name)
        same_size(picture, self.columns.size_wh(row), name)
        labelled = people.labelled[rows]
        good, rest = rows[labelled], rows[~labelled]
        boxes = people.boxes_xywh[good]
        area = people.area[good]
        area = np.where(np.isfinite(area), area, np.maximum(0.53 * boxes[:, 2:].prod(axis=1), 1))
        return Scene(
            picture,
            people.keypoints[good],
            box_corners(boxes),
            area,
            box_corners(people.boxes_xywh[rest]),
        )

    def _window(self, picture: Picture, rng: np.random.Generator, still: bool) -> Floats:
        """The (2, 3) matrix of one picture alone: a window about its centre, changed by chance."""
        augment, (w, h) = self.augment, self.input_wh
        size = np.array([picture.shape[1], picture.shape[0]], dtype=np.float64)
        v = cut_normal(rng, 4)
        low, high = (1.0, 1.0) if still else augment.scale_range
        window = size * (low + (high - low) * (v[2] + 1) / 2)
        aspect = w / h
        wide = window[0] > window[1] * aspect
        # The window has the sample's shape; made from the short side it cuts the long one.
        from_height = wide == (augment.fit == "short" and not still)
        fitted = (
            np.array([window[1] * aspect, window[1]])
            if from_height
            else np.array([window[0], window[0] / aspect])
        )
        move = 0.0 if still else augment.shift
        turn = 0.0 if still else augment.rotate_deg * v[3]
        return warp_matrix(size / 2 + move * v[:2] * size, fitted, self.input_wh, turn)

    def _with_pasted(self, row: int, epoch: int) -> Scene:
        """The stored picture; if so asked, people of another one shrunk and pasted into it."""
        scene, skeleton = self._read(row), self.columns.skeleton
        if not self.augment.paste:
            return scene
        rng = counter_rng(self.seed, epoch, int(self.columns.arrays.image_ids[row]), _PASTE)
        other = self._read(int(self.image_rows[rng.integers(len(self.image_rows))]))
        boxes = np.concatenate([other.corners[:, 0], np.ptp(other.corners, axis=1)], axis=1)
        chance, sizes = rng.random((2, len(boxes)))
        chosen = may_be_cut(other.keypoints, boxes) & (chance < self.augment.paste)
        picture = scene.picture.copy()
        picture_wh = picture.shape[1], picture.shape[0]
        for n in np.flatnonzero(chosen).tolist():
            person = other.picture, other.keypoints[n], boxes[n], skeleton, sizes[n]
            cutting = shrunk_person(*person)
            there = np.concatenate([scene.corners, scene.unlabelled])
            others = np.concatenate([there.min(axis=1), there.max(axis=1)], axis=1)
            at = find_place(picture_wh, cutting.size_wh, others, rng)
            if at is None:
                continue
            pasted = paste_person(picture, cutting, at)
            whom = slice(n, n + 1)
            one = Scene(
                picture,
                other.keypoints[whom],
                other.corners[whom],
                other.area[whom],
                scene.unlabelled[:0],
            )
            one = people_moved(one, pasted.matrix)
            one.keypoints[one.keypoints[..., 2] == 0] = 0
            hidden = scene._replace(keypoints=pasted.hides(scene.keypoints))
            scene = joined(picture, [hidden, one])
        return scene

    def _mosaic(self, row: int, epoch: int, rng: np.random.Generator) -> Scene:
        """Four pictures on a canvas of twice the size, and a warped piece of that."""
        w, h = self.input_wh
        center = rng.uniform(0.5, 1.5, 2) * (w, h)
        others = rng.integers(len(self.image_rows), size=3)
        canvas = np.full((2 * h, 2 * w, 3), self.augment.pad, np.uint8)
        parts = []
        for corner, image in enumerate([row, *self.image_rows[others].tolist()]):
            image = int(image)
            scene = self._read(image) if corner else self._with_pasted(image, epoch)
            high, wide = scene.picture.shape[:2]
            ratio = min(h / high, w / wide)
            size = (max(round(wide * ratio), 1), max(round(high * ratio), 1))
            # Each picture touches the centre with the corner that faces it.
            at = np.round(center).astype(int) - np.array(
                [size[0] * (corner % 2 == 0), size[1] * (corner < 2)]
            )
            small = cv2.resize(scene.picture, size)
            paste(canvas, np.asarray(small, np.uint8), at)
            # Resizing keeps the outer edges in place, half a pixel beyond the outer centres.
            grown = np.array(size) / (wide, high)
            matrix = np.column_stack([np.diag(grown), at + (grown - 1) / 2])
            parts.append(people_moved(scene, matrix))
        laid = joined(canvas, parts)
        return moved(laid, perspective(rng, (w, h)), (w, h), self.augment.pad)

    def _mixed(self, scene: Scene, rng: np.random.Generator) -> Scene:
        """Half this scene and half another picture, its people beside ours."""
        w, h = self.input_wh
        other = self._read(int(self.image_rows[rng.integers(len(self.image_rows))]))
        high, wide = other.picture.shape[:2]
        ratio = min(h / high, w / wide) * rng.uniform(0.8, 1.6)
        slack = np.array([w - wide * ratio, h - high * ratio])
        at = rng.random(2) * slack  # inside where it is smaller, across where it is larger
        matrix = np.array([[ratio, 0, at[0]], [0, ratio, at[1]]])
        if rng.random() < 0.5:
            matrix = mirrored(matrix, wide)
            swap = self.columns.skeleton.mirror
            other = other._replace(
                keypoints=other.keypoints[:, swap], corners=other.corners[:, [2, 3, 0, 1]]
            )
        other = moved(other, matrix, (w, h), self.augment.pad)
        half = cv2.addWeighted(scene.picture, 0.5, other.picture, 0.5, 0)
        return joined(np.asarray(half, np.uint8), [scene, other])

    def _cut_off(self, scene: Scene) -> Scene:
        """Keypoints outside the sample lose their label, and people without any may go."""
        w, h = self.input_wh
        keypoints = scene.keypoints.copy()
        if not self.augment.only_labelled:
            return scene
        x, y = keypoints[..., 0], keypoints[..., 1]
        keypoints[..., 2] *= (x >= 0) & (x < w) & (y >= 0) & (y < h)
        corners = np.clip(scene.corners, 0, (w, h))
        sides = corners.max(axis=1) - corners.min(axis=1)
        keep = (keypoints[..., 2] > 0).any(axis=1) & (sides > 1).all(axis=1)
        return Scene(
            scene.picture, keypoints[keep], corners[keep], scene.area[keep], scene.unlabelled
        )

    def _people(self, scene: Scene) -> People:
        w, h = self.input_wh
        keypoints = scene.keypoints.astype(np.float32)
        keypoints[keypoints[..., 2] == 0, :2] = 0
        counts = np.ones((h // MASK_STRIDE, w // MASK_STRIDE), np.float32)
        for corners in scene.unlabelled:
            outline = np.round(corners[[0, 1, 3, 2]] / MASK_STRIDE).astype(np.int32)
            cv2.fillPoly(counts, [outline], 0.0)
        return People(
            torch.zeros(len(keypoints), dtype=torch.int64),
            torch.from_numpy(keypoints),
            torch.from_numpy(scene.corners.astype(np.float32)),
            torch.from_numpy(scene.area.astype(np.float32)),
            torch.from_numpy(counts)[None],
        )

    def fill(self, task: tuple[int, list[int]], out: Picture) -> list[tuple[Any, str]]:
        """Pictures into `out`; of each its people as arrays, and what was wrong.

        Args:
            task: epoch and places.
        """
        epoch, places = task
        told = []
        for n, place in enumerate(places):
            out[n], people, wrong = self[(epoch, place)]
            # Tensors would be passed through files of their own.
            told.append((tuple(column.numpy() for column in people), wrong))
        return told

    def describe(self, task: tuple[int, list[int]]) -> str:
        """The pictures of a task."""
        names = [self.columns.name(int(self.image_rows[place])) for place in task[1]]
        return f"picture {', '.join(names)}"


def together(parts: list[People]) -> People:
    """The people of several pictures, numbered in their order."""
    number = torch.cat([torch.full_like(p.picture, i) for i, p in enumerate(parts)])
    return People(number, *(torch.cat(column) for column in list(zip(*parts, strict=True))[1:]))


class Wholes(Feed):
    """Batches of whole pictures; see `Feed`.

    Args:
        dataset: what to show.
        sizes: least and most side to which each step is resized by chance, in multiples of 32;
            None leaves all as they are.
    """

    def __init__(
        self,
        dataset: WholeImages,
        batch_size: int,
        jobs: int = 0,
        most_bad: float = 0.001,
        sizes: tuple[int, int] | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(
            dataset.people,
            len(dataset),
            len(dataset),
            batch_size,
            jobs,
            most_bad,
            rank,
            world,
        )
        self.dataset, self.sizes = dataset, sizes
        self._pool = Pool(dataset, jobs)

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[WholeBatch]:
        """See `Feed`."""
        order = counter_rng(self.dataset.seed, epoch, 0, _ORDER).permutation(len(self.dataset))
        steps = [order[self.places(step)] for step in range(first_step, self.steps)]
        tasks = [(epoch, [place]) for places in steps for place in places.tolist()]
        done = self._pool.run(tasks)
        w, h = self.dataset.input_wh
        for step, places in enumerate(steps, first_step):
            pictures = torch.empty((len(places), h, w, 3), dtype=torch.uint8)
            parts = []
            for n in range(len(places)):
                ((columns, wrong),), picture = next(done)
                pictures.numpy()[n] = picture[0]
                parts.append(People(*(torch.from_numpy(column) for column in columns)))
                if wrong:
                    self.count_bad(wrong)
            images = self.dataset.image_rows[places]
            rows = np.concatenate([self.dataset.columns.people_of(int(i)) for i in images])
            batch = WholeBatch(rows, pictures, together(parts), self.weight(step))
            yield batch if self.sizes is None else self._resized(batch, epoch, step)
        next(done, None)  # read to its end, the pool keeps its workers for the next epoch

    def close(self) -> None:
        """See `Feed`."""
        self._pool.close()

    def _resized(self, batch: WholeBatch, epoch: int, step: int) -> WholeBatch:
        """The batch at a side of its own, drawn for its epoch and step."""
        assert self.sizes is not None
        rng = counter_rng(self.dataset.seed, epoch, step, _SIZE)
        side = 32 * int(rng.integers(self.sizes[0] // 32, self.sizes[1] // 32 + 1))
        pictures = [cv2.resize(picture, (side, side)) for picture in batch.pictures.numpy()]
        people = batch.people
        factor = torch.tensor([side / batch.pictures.shape[2], side / batch.pictures.shape[1]])
        keypoints = people.keypoints.clone()
        keypoints[..., :2] *= factor
        counts = torch.nn.functional.interpolate(people.counts[:, None], side // MASK_STRIDE)
        resized = People(
            people.picture,
            keypoints,
            people.corners * factor,
            people.area * factor.prod(),
            counts[:, 0],
        )
        return batch._replace(pictures=torch.from_numpy(np.stack(pictures)), people=resized)
