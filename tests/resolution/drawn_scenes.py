"""Synthetic people with exact joints, in images on disk."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataloading.images import ImageReader
from smallpose.io.coco_annotations import write_coco
from smallpose.synthetic.scenes.sample import draw_scene


@dataclass(frozen=True)
class Scenes:
    """Images of a folder and their people."""

    folder: Path
    truth: Instances

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def truth_path(self) -> Path:
        return self.folder / "truth.json"

    @property
    def reader(self) -> ImageReader:
        return ImageReader(self.images)


def make_scenes(folder: Path, num_images: int) -> Scenes:
    """Draw images of synthetic people with exact labels."""
    (folder / "images").mkdir(parents=True)
    rows, boxes, keypoints, sizes = [], [], [], []
    for row in range(num_images):
        image, points, image_boxes = draw_scene(row)
        cv2.imwrite(str(folder / "images" / f"{row}.png"), image[:, :, ::-1])
        sizes.append((image.shape[1], image.shape[0]))
        rows += [row] * len(points)
        boxes.append(image_boxes)
        keypoints.append(points)
    names = [f"{row}.png" for row in range(num_images)]
    width, height = np.array(sizes).T
    images = make_images(np.arange(num_images) + 100, names, width, height)
    truth = make_instances(
        SMALLPOSE, images, rows, np.concatenate(boxes), np.concatenate(keypoints)
    )
    write_coco(truth, folder / "truth.json")
    return Scenes(folder, truth)
