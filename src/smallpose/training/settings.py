"""Settings A and B: which people are trained on, and which joints are predicted (paper, Sec. 5.3).

A trains on the COCO part with COCO's 17 joints; B on the whole set with the set's own joints (the
21). Both are tested on the whole test set, with annotated boxes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Images, Instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.top_down.batches import select_trainable
from smallpose.dataset.image_folder import read_manifest
from smallpose.dataset.subsets import read_subset
from smallpose.evaluation.analysis.sample_size import (
    describe_remedy,
    describe_shortage,
    measure_sample,
)
from smallpose.evaluation.sigma_file import set_sigmas
from smallpose.io.coco_annotations import read_coco
from smallpose.io.joint_pairs import set_pairs_of_people
from smallpose.io.label_faults import describe_wrong_units

Setting = Literal["A", "B"]


@dataclass(frozen=True)
class SettingData:
    """The training and test people of a setting.

    Args:
        setting: "A" or "B".
        train: people to train on; the method predicts their skeleton.
        test: people to be scored on, with all their joints.
        subset: number of the training subset; 0 for all images.
    """

    setting: Setting
    train: Instances
    test: Instances
    subset: int = 0


def read_setting_data(
    data: Path,
    setting: Setting,
    *,
    derived: bool = False,
    subset: Path | None = None,
    sigmas: Path | None = None,
    swap: Sequence[tuple[str, str]] | None = None,
) -> SettingData:
    """Read the training and the test people of a built set under a setting.

    Args:
        subset: file of `dataset.subsets` with the training images to use (Table 5).
        derived: also train on keypoints that `build --derive` computed; they are never scored.
        sigmas: file of OKS sigmas, which joints that are none of the 21 need.
        swap: names of the left and the right joint of each pair, where names do not tell them.
    Raises: InputError when a file is missing, when no person is left to train on, when a joint has
        no sigma, or when an image is in both parts.
    """
    train = read_coco(data / "annotations" / "train.json", derived=derived)
    test = read_coco(data / "annotations" / "test.json")
    train, test = (
        set_pairs_of_people(set_sigmas(people, sigmas), swap) for people in (train, test)
    )
    refuse_shared_images(data, train.images, test.images)
    number = 0
    if subset is not None:
        number, train = read_subset(subset, train)
    if setting == "A":
        train = select_coco_part(train)
    if not len(select_trainable(train)):
        is_setting_a = setting == "A"
        part = "from COCO " if is_setting_a else ""
        raise InputError(
            f"{data}, setting {setting}",
            f"train.json has no person {part}with a box and a labelled keypoint",
            "build the set with --coco, or train with --setting B"
            if is_setting_a
            else "check the set",
        )
    return SettingData(setting, train, test, number)


def describe_label_units(people: SettingData) -> list[str]:
    """Say before a training that labels are in other units, as their boxes decide the crops."""
    notes = []
    for name, part in (("train.json", people.train), ("test.json", people.test)):
        notes += [f"note: {name}: {fault}" for fault in describe_wrong_units(part)]
    return notes


def describe_small_test(data: Path, people: SettingData) -> list[str]:
    """Say before a training what the test part is too small for, and what to do about it."""
    train, test = measure_sample(people.train), measure_sample(people.test)
    shortage = describe_shortage(test)
    if not shortage:
        return []
    if (data / "manifest.json").is_file():
        return [f"note: {shortage}; a larger set would do"]
    num_test = len(people.test.images)
    share = num_test / (num_test + len(people.train.images))
    remedy = describe_remedy(test, train + test, share)
    return [f"note: {shortage}; {remedy}"]


def select_coco_part(people: Instances) -> Instances:
    """Select the people in images of COCO, with COCO's 17 joints."""
    rows = np.flatnonzero(people.source == SOURCES.index("coco"))
    return people.take(rows).to_skeleton(COCO17)


def refuse_shared_images(data: Path, train: Images, test: Images) -> None:
    """Raise InputError when an image is in both parts, possibly under another name.

    Images are compared by file name and by their name in the source; in a set with a manifest,
    which was built, also by id and by the hash of the file. Labelling tools number the images of
    each file from 1. A method could score on such images by overfitting.
    """
    is_built = (data / "manifest.json").is_file()
    shared_ids = set(train.ids.tolist()) & set(test.ids.tolist())
    overlaps = (
        shared_ids if is_built else set(),
        set(train.file_names) & set(test.file_names),
        _collect_origins(train) & _collect_origins(test),
        _find_same_files(data, train, test),
    )
    shared = max(overlaps, key=len)
    if shared:
        first = min(str(s) for s in shared)
        raise InputError(
            f"{data}",
            f"{format_count(len(shared), 'training image is', 'training images are')} also in "
            f"test.json, the first {first}",
            "build the set again, or remove them from one of the two",
        )


def _find_same_files(data: Path, train: Images, test: Images) -> set[str]:
    """Return the names of training images whose file equals that of a test image, by hash."""
    if not (data / "manifest.json").is_file():
        return set()
    records = read_manifest(data)["pictures"]
    hashes = {name: record.get("sha256") for name, record in records.items()}
    test_hashes = {hashes.get(name) for name in test.file_names} - {None}
    return {name for name in train.file_names if hashes.get(name) in test_hashes}


def _collect_origins(images: Images) -> set[tuple[str, str]]:
    pairs = zip(images.source.tolist(), images.source_ids, strict=True)
    return {(SOURCES[source], name) for source, name in pairs if source and name}
