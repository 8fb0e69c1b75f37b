"""One full image per sample with all its people: for bottom-up and one-stage methods.

Every augmentation is a function of (seed, epoch, image), so neither the number of workers nor an
interruption changes a sample.
"""

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.dataloading.affine import mirror_matrix
from smallpose.dataloading.augmentation import make_counter_rng
from smallpose.dataloading.copy_paste import (
    choose_place,
    cut_and_shrink_person,
    paste_person,
    select_cuttable,
)
from smallpose.dataloading.full_image.batch_people import MASK_STRIDE, BatchPeople
from smallpose.dataloading.full_image.mosaic import (
    LETTERBOX_ONLY,
    FullImageAugmentation,
    LabelledImage,
    combine_labels,
    compute_box_corners,
    draw_mosaic_warp,
    mirror_image,
    paste_image,
    warp_image,
    warp_labels,
)
from smallpose.dataloading.full_image.windows import draw_window_warp
from smallpose.dataloading.image_cache import ReadsImages
from smallpose.dataloading.images import ImageArray, check_image_size
from smallpose.dataloading.pixel_augmentation import jitter_hsv
from smallpose.dataloading.worker_tables import WorkerTable

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_PASTE = 3  # purpose of a generator; an image's first has 0, and 1 and 2 belong to the loader


class FullImageDataset:
    """Training samples of full images; `dataset[(epoch, index)]` prepares one.

    Args:
        people: the table.
        image_rows: (m,) images to take.
        reader: reads the images.
        input_wh: size of the samples.
        augmentation: None letterboxes images and changes nothing else.
        seed: of the augmentation.
        epochs: of the whole run, which decides when its closing epochs begin.
    """

    def __init__(
        self,
        people: Instances,
        image_rows: Rows,
        reader: ReadsImages,
        input_wh: tuple[int, int],
        augmentation: FullImageAugmentation | None,
        seed: int,
        epochs: int = 0,
    ) -> None:
        self.people, self.reader, self.input_wh = people, reader, input_wh
        self.augmentation, self.seed = augmentation or LETTERBOX_ONLY, seed
        self.image_rows, self.epochs = image_rows, epochs
        self.shape: tuple[int, ...] = (input_wh[1], input_wh[0], 3)
        self.max_samples = 1
        self.table = WorkerTable.from_instances(people)
        if self.augmentation.balance or self.augmentation.coarse:
            raise InputError(
                "augment.balance or augment.coarse",
                "these augment crops of people, and this method takes full images",
                "leave them at 0, or train a top-down method",
            )

    def __len__(self) -> int:
        return len(self.image_rows)

    def __getstate__(self) -> dict[str, Any]:
        # Workers use the arrays of `table` only.
        return {**vars(self), "people": None}

    def __getitem__(self, key: tuple[int, int]) -> tuple[ImageArray, BatchPeople, str]:
        """Return image, people and problem: "" or why the image could not be read.

        An unreadable image becomes a grey sample without people.
        """
        epoch, index = key
        w, h = self.input_wh
        row = int(self.image_rows[index])
        # By the image's id and not its row: adding or removing other images changes nothing.
        rng = make_counter_rng(self.seed, epoch, int(self.table.arrays.image_ids[row]))
        try:
            labelled = self._augment(row, epoch, rng)
        except InputError as error:
            no_corners = np.zeros((0, 4, 2))
            no_keypoints = np.zeros((0, len(self.table.skeleton), 3))
            grey = np.full((h, w, 3), self.augmentation.pad, np.uint8)
            empty = LabelledImage(grey, no_keypoints, no_corners, np.zeros(0), no_corners)
            return grey, self._to_tensors(empty), str(error)
        return labelled.image, self._to_tensors(labelled), ""

    def fill(self, task: tuple[int, list[int]], out: ImageArray) -> list[tuple[Any, str]]:
        """Write images to `out`; return for each its people as arrays, and its problem.

        Args:
            task: epoch and indices.
        """
        epoch, indices = task
        labels = []
        for n, index in enumerate(indices):
            out[n], people, problem = self[(epoch, index)]
            # Arrays: tensors would be passed through files of their own.
            labels.append((tuple(column.numpy() for column in people), problem))
        return labels

    def describe(self, task: tuple[int, list[int]]) -> str:
        """Return the names of a task's images."""
        names = [self.table.file_name(int(self.image_rows[index])) for index in task[1]]
        return f"image {', '.join(names)}"

    def _augment(self, row: int, epoch: int, rng: np.random.Generator) -> LabelledImage:
        augmentation = self.augmentation
        is_closing = augmentation.closing > 0 and epoch >= self.epochs - augmentation.closing
        uses_mosaic = augmentation.mosaic and not is_closing
        if uses_mosaic:
            labelled = self._mix_in_image(self._make_mosaic(row, epoch, rng), rng)
        else:
            labelled = self._read_with_pasted(row, epoch)
            letterbox_only = is_closing and augmentation.closing_still
            matrix = draw_window_warp(labelled, augmentation, self.input_wh, rng, letterbox_only)
            if rng.random() < augmentation.flip:
                matrix = mirror_matrix(matrix, labelled.image.shape[1])
                labelled = labelled.mirror_people(self.table.skeleton)
            labelled = warp_image(labelled, matrix, self.input_wh, augmentation.pad)
        if any(augmentation.hsv):
            labelled = labelled._replace(image=jitter_hsv(labelled.image, augmentation.hsv, rng))
        if uses_mosaic and rng.random() < augmentation.flip:
            labelled = mirror_image(labelled, self.table.skeleton)
        return self._drop_outside(labelled) if augmentation.only_labelled else labelled

    def _read(self, row: int) -> LabelledImage:
        """Read an image; of crowds and people without keypoints it keeps the boxes only."""
        people = self.table.arrays
        rows = self.table.rows_of_image(row)
        name = self.table.file_name(row)
        image = self.reader.read(name)
        check_image_size(image, self.table.size_wh(row), name)
        is_labelled = people.is_labelled[rows]
        labelled = rows[is_labelled]
        boxes = people.boxes_xywh[labelled]
        area = people.area[labelled]
        area = np.where(np.isfinite(area), area, np.maximum(0.53 * boxes[:, 2:].prod(axis=1), 1))
        return LabelledImage(
            image,
            people.keypoints[labelled],
            compute_box_corners(boxes),
            area,
            compute_box_corners(people.boxes_xywh[rows[~is_labelled]]),
        )

    def _read_with_pasted(self, row: int, epoch: int) -> LabelledImage:
        """Read an image and, with `paste`, paste shrunk people of another image into it."""
        labelled = self._read(row)
        if not self.augmentation.paste:
            return labelled
        rng = make_counter_rng(self.seed, epoch, int(self.table.arrays.image_ids[row]), _PASTE)
        other = self._read(int(self.image_rows[rng.integers(len(self.image_rows))]))
        boxes = np.concatenate([other.corners[:, 0], np.ptp(other.corners, axis=1)], axis=1)
        chances, sizes = rng.random((2, len(boxes)))
        is_chosen = select_cuttable(other.keypoints, boxes) & (chances < self.augmentation.paste)
        image = labelled.image.copy()
        image_wh = image.shape[1], image.shape[0]
        for n in np.flatnonzero(is_chosen).tolist():
            cutout = cut_and_shrink_person(
                other.image, other.keypoints[n], boxes[n], self.table.skeleton, sizes[n]
            )
            corners = np.concatenate([labelled.corners, labelled.unlabelled_corners])
            others_xyxy = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
            corner = choose_place(image_wh, cutout.size_wh, others_xyxy, rng)
            if corner is None:
                continue
            pasted = paste_person(image, cutout, corner)
            person = slice(n, n + 1)
            copy = LabelledImage(
                image,
                other.keypoints[person],
                other.corners[person],
                other.area[person],
                labelled.unlabelled_corners[:0],
            )
            copy = warp_labels(copy, pasted.matrix)
            copy.keypoints[copy.keypoints[..., 2] == 0] = 0
            occluded = labelled._replace(keypoints=pasted.occlude_keypoints(labelled.keypoints))
            labelled = combine_labels(image, [occluded, copy])
        return labelled

    def _make_mosaic(self, row: int, epoch: int, rng: np.random.Generator) -> LabelledImage:
        """Put four images on a canvas of twice the size, and warp a part of it to a sample."""
        w, h = self.input_wh
        center = rng.uniform(0.5, 1.5, 2) * (w, h)
        others = rng.integers(len(self.image_rows), size=3)
        canvas = np.full((2 * h, 2 * w, 3), self.augmentation.pad, np.uint8)
        parts = []
        for quadrant, image_row in enumerate([row, *self.image_rows[others].tolist()]):
            is_first = quadrant == 0
            labelled = (
                self._read_with_pasted(int(image_row), epoch)
                if is_first
                else self._read(int(image_row))
            )
            image_h, image_w = labelled.image.shape[:2]
            ratio = min(h / image_h, w / image_w)
            size = (max(round(image_w * ratio), 1), max(round(image_h * ratio), 1))
            # Each image touches the centre with the corner that faces it.
            corner = np.round(center).astype(int) - np.array(
                [size[0] * (quadrant % 2 == 0), size[1] * (quadrant < 2)]
            )
            resized = cv2.resize(labelled.image, size)
            paste_image(canvas, np.asarray(resized, np.uint8), corner)
            # Resizing keeps the outer edges fixed, half a pixel beyond the outer pixel centres.
            scale = np.array(size) / (image_w, image_h)
            matrix = np.column_stack([np.diag(scale), corner + (scale - 1) / 2])
            parts.append(warp_labels(labelled, matrix))
        mosaic = combine_labels(canvas, parts)
        return warp_image(mosaic, draw_mosaic_warp(rng, (w, h)), (w, h), self.augmentation.pad)

    def _mix_in_image(self, labelled: LabelledImage, rng: np.random.Generator) -> LabelledImage:
        """Blend with another image, half of each; the sample has the people of both (MixUp)."""
        w, h = self.input_wh
        other = self._read(int(self.image_rows[rng.integers(len(self.image_rows))]))
        image_h, image_w = other.image.shape[:2]
        ratio = min(h / image_h, w / image_w) * rng.uniform(0.8, 1.6)
        slack = np.array([w - image_w * ratio, h - image_h * ratio])
        corner = rng.random(2) * slack  # a smaller image is inside, a larger one reaches across
        matrix = np.array([[ratio, 0, corner[0]], [0, ratio, corner[1]]])
        if rng.random() < 0.5:
            matrix = mirror_matrix(matrix, image_w)
            other = other.mirror_people(self.table.skeleton)
        other = warp_image(other, matrix, (w, h), self.augmentation.pad)
        blended = cv2.addWeighted(labelled.image, 0.5, other.image, 0.5, 0)
        return combine_labels(np.asarray(blended, np.uint8), [labelled, other])

    def _drop_outside(self, labelled: LabelledImage) -> LabelledImage:
        """Drop labels of keypoints outside the sample, and people without any left."""
        w, h = self.input_wh
        keypoints = labelled.keypoints.copy()
        x, y = keypoints[..., 0], keypoints[..., 1]
        keypoints[..., 2] *= (x >= 0) & (x < w) & (y >= 0) & (y < h)
        corners = np.clip(labelled.corners, 0, (w, h))
        sides = corners.max(axis=1) - corners.min(axis=1)
        is_kept = (keypoints[..., 2] > 0).any(axis=1) & (sides > 1).all(axis=1)
        return labelled._replace(
            keypoints=keypoints[is_kept], corners=corners[is_kept], area=labelled.area[is_kept]
        )

    def _to_tensors(self, labelled: LabelledImage) -> BatchPeople:
        w, h = self.input_wh
        keypoints = labelled.keypoints.astype(np.float32)
        keypoints[keypoints[..., 2] == 0, :2] = 0
        mask = np.ones((h // MASK_STRIDE, w // MASK_STRIDE), np.float32)
        for corners in labelled.unlabelled_corners:
            outline = np.round(corners[[0, 1, 3, 2]] / MASK_STRIDE).astype(np.int32)
            cv2.fillPoly(mask, [outline], 0.0)
        return BatchPeople(
            torch.zeros(len(keypoints), dtype=torch.int64),
            torch.from_numpy(keypoints),
            torch.from_numpy(labelled.corners.astype(np.float32)),
            torch.from_numpy(labelled.area.astype(np.float32)),
            torch.from_numpy(mask)[None],
        )
