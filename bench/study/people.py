"""The labelled people of the study: COCO val2017, and LSP-extended in COCO's form.

Nothing of images or labels is copied: image folders are read in place, or linked.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np

from smallpose.core.boxes import box_around_keypoints
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.dataloading.images import ImageReader
from smallpose.io.coco_annotations import read_coco
from smallpose.system.files import write_atomically

# LSP's 14 joints without neck and head top, which models of COCO's joints lack.
LSP_JOINTS = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
)
LSP_MARGIN = 0.15  # of the joints' extent, at every side; PoseTrack's rule
LSP_AREA = 0.53  # of width x height of the box: what a person covers of it in COCO, on average
# Annotations and images of the val2017 files in the folder of test data.
VAL_PARTS = (
    ("coco/coco-mini/annotations/person_keypoints_val2017.json", "coco/coco-mini/val2017"),
    ("coco/example4/example_coco_val.json", "coco/example4"),
)


@dataclass(frozen=True)
class PeopleSet:
    """Labelled people and their images.

    Args:
        name: of the set.
        title: for readers.
        truth: the labels.
        reader: of the images.
    """

    name: str
    title: str
    truth: Instances
    reader: ImageReader


def open_coco(images: Path) -> PeopleSet:
    """Open a user's val2017 folder, with `annotations/` beside it."""
    labels = images.parent / "annotations" / "person_keypoints_val2017.json"
    return PeopleSet("coco", "COCO val2017", read_coco(labels), ImageReader(images))


def open_val_parts(data: Path, work: Path) -> PeopleSet:
    """Merge the val2017 files of the folder of test data; images are linked."""
    images = work / "coco" / "images"
    images.mkdir(parents=True, exist_ok=True)
    merged: dict[str, list[dict[str, object]]] = {"images": [], "annotations": []}
    names: set[str] = set()
    for labels, folder in VAL_PARTS:
        content = json.loads((data / labels).read_text())
        fresh = {}
        for image in content["images"]:
            if image["file_name"] not in names:
                fresh[image["id"]] = image
                names.add(image["file_name"])
        merged["images"] += fresh.values()
        merged["annotations"] += [a for a in content["annotations"] if a["image_id"] in fresh]
        merged["categories"] = content["categories"]
        for image in fresh.values():
            link = images / image["file_name"]
            if not link.is_symlink():
                link.symlink_to((data / folder / image["file_name"]).resolve())
    path = work / "coco" / "truth.json"
    write_atomically(path, msgspec.json.encode(merged))
    reader = ImageReader(images, (data.resolve(),))
    return PeopleSet("coco", "COCO val2017", read_coco(path), reader)


def open_lsp(folder: Path, work: Path) -> PeopleSet:
    """Convert the labels of LSP-extended: 12 joints, a box around them, and no neighbours."""
    path = work / "lsp" / "truth.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.encode(_convert_lsp(folder)))
    return PeopleSet("lsp", "LSP-extended", read_coco(path), ImageReader(folder / "images"))


def _convert_lsp(folder: Path) -> dict[str, object]:
    from scipy.io import loadmat

    labels = folder / "joints.mat"
    if not labels.is_file():
        raise InputError(str(labels), "no such file", "name the folder of LSP-extended by LSP=")
    joints = np.moveaxis(loadmat(labels)["joints"], 2, 0)[:, : len(LSP_JOINTS)]
    images, people = [], []
    for index, pose in enumerate(joints, start=1):
        name = f"im{index:05d}.jpg"
        path = folder / "images" / name
        if not path.is_file():
            continue
        height, width = cv2.imread(str(path)).shape[:2]
        pose = pose.copy()
        pose[:, :2] -= 1  # MATLAB counts pixels from 1
        # Labels lie outside the image where a joint is; those are marked as not visible.
        pose[:, 2] = np.where(pose[:, 2] > 0, 2, 0)
        pose[pose[:, 2] == 0] = 0
        images.append({"id": index, "file_name": name, "width": width, "height": height})
        if (pose[:, 2] > 0).sum() >= 2:
            people.append(_make_person(index, pose, width, height))
    category = {"id": 1, "name": "person", "keypoints": LSP_JOINTS, "skeleton": []}
    return {"images": images, "annotations": people, "categories": [category]}


def _make_person(index: int, pose: np.ndarray, width: int, height: int) -> dict[str, object]:
    x, y, w, h = box_around_keypoints(pose[None])[0].tolist()
    low = np.maximum([x - LSP_MARGIN * w, y - LSP_MARGIN * h], 0)
    high = np.minimum([x + (1 + LSP_MARGIN) * w, y + (1 + LSP_MARGIN) * h], [width, height])
    size = high - low
    return {
        "id": index,
        "image_id": index,
        "category_id": 1,
        "iscrowd": 0,
        "keypoints": pose.reshape(-1).tolist(),
        "num_keypoints": int((pose[:, 2] > 0).sum()),
        "bbox": [*low.tolist(), *size.tolist()],
        "area": LSP_AREA * float(size.prod()),
    }
