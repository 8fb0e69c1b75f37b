"""Settings A and B: what is trained on, which joints are found (paper, Sec. 5.3).

A trains on the COCO part with COCO's 17 joints; B on the whole set with the set's own joints (the
21). Both are tested on the whole test set, on boxes that people drew.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Images, Instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.top_down.batches import trainable
from smallpose.dataset.image_folder import read_manifest
from smallpose.dataset.subsets import read_subset
from smallpose.io.coco_annotations import read_coco

Setting = Literal["A", "B"]


@dataclass(frozen=True)
class Task:
    """What one training is about.

    Args:
        setting: "A" or "B".
        train: people to learn from; their skeleton is the one that is found.
        test: people to be scored on, with all their joints.
        subset: number of the training subset; 0 for everybody.
    """

    setting: Setting
    train: Instances
    test: Instances
    subset: int = 0


def read_task(
    data: Path, setting: Setting, *, derived: bool = False, subset: Path | None = None
) -> Task:
    """The training and the test people of a built set under a setting.

    Args:
        subset: file of `dataset.subsets` that says which training images count (Table 5).
        derived: learn from keypoints that `build --derive` made up, too; nobody is scored on them.
    Raises: InputError when a file is missing, when nobody is left to learn from, or when an image
        is in both.
    """
    train = read_coco(data / "annotations" / "train.json", derived=derived)
    test = read_coco(data / "annotations" / "test.json")
    refuse_shared_images(data, train.images, test.images)
    people, number = train, 0
    if subset is not None:
        number, people = read_subset(subset, train)
    if setting == "A":
        people = coco_part(people)
    if not len(trainable(people)):
        part = "from COCO " if setting == "A" else ""
        raise InputError(
            f"{data}, setting {setting}",
            f"train.json has nobody {part}with a box and a labelled keypoint",
            "build the set with --coco, or train with --setting B" if part else "check the set",
        )
    return Task(setting, people, test, number)


def coco_part(people: Instances) -> Instances:
    """People whose images are COCO's, with COCO's 17 joints."""
    rows = np.flatnonzero(people.source == SOURCES.index("coco"))
    return people.take(rows).to_skeleton(COCO17)


def refuse_shared_images(data: Path, train: Images, test: Images) -> None:
    """Raises InputError when an image is in both, whatever it is called there.

    By its id, its file name, what its source calls it, or, where the set's manifest says, the hash
    of its file. Such a test would be scored on what was learned by heart.
    """
    ways = (
        set(train.ids.tolist()) & set(test.ids.tolist()),
        set(train.file_names) & set(test.file_names),
        _origins(train) & _origins(test),
        _same_files(data, train, test),
    )
    shared = max(ways, key=len)
    if shared:
        first = min(str(s) for s in shared)
        raise InputError(
            f"{data}",
            f"{len(shared):,} training images are also in test.json, the first {first}",
            "build the set again, or take them out of one of the two",
        )


def _same_files(data: Path, train: Images, test: Images) -> set[str]:
    """Names of training images whose file is, byte for byte, that of a test image."""
    if not (data / "manifest.json").is_file():
        return set()
    pictures = read_manifest(data)["pictures"]
    hashes = {name: record.get("sha256") for name, record in pictures.items()}
    asked = {hashes.get(name) for name in test.file_names} - {None}
    return {name for name in train.file_names if hashes.get(name) in asked}


def _origins(images: Images) -> set[tuple[str, str]]:
    pairs = zip(images.source.tolist(), images.source_ids, strict=True)
    return {(SOURCES[source], one) for source, one in pairs if source and one}
