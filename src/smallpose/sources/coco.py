"""Read COCO keypoints, both splits of 2017 (paper, Sec. 3.1)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from smallpose.core.boxes import BOX_RULES
from smallpose.core.concat_instances import concat_instances
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Instances
from smallpose.core.skeleton import COCO17
from smallpose.io import coco_annotations
from smallpose.sources.locate import ImagePaths, find_base, find_one_file
from smallpose.sources.source import ImageFile, Source

# COCO's test split has no public keypoints, so its validation split becomes our test split.
SPLITS = {"train2017": "train", "val2017": "test"}


def read_coco(root: Path) -> Source:
    """Read COCO's people with their mask boxes.

    Crowds and people without keypoints stay as ignored rows. COCO's `area`, that of the mask,
    becomes `segmentation_area`. The keypoints are packed, which takes a third of the memory.

    Raises: InputError naming the broken record; RefusedError for a name that leaves its folder.
    """
    wanted = {split: f"annotations/person_keypoints_{split}.json" for split in SPLITS}
    base = find_base(root, tuple(wanted.values()), "COCO")
    parts: list[Instances] = []
    image_files: list[ImageFile] = []
    splits: list[str] = []
    missing: list[str] = []
    for folder, name in wanted.items():
        path = find_one_file(base, name)
        if path is None:
            missing.append(name)
            continue
        people = _read_split(path, folder)
        parts.append(people)
        image_files += _locate_images(path, base, folder, people)
        splits += [SPLITS[folder]] * len(people.images)
    return Source(
        "coco",
        base,
        concat_instances(parts, COCO17, mapped=True),
        tuple(image_files),
        tuple(splits),
        tuple(missing),
    )


def _read_split(path: Path, folder: str) -> Instances:
    people = coco_annotations.read_coco(path, packed=True)
    if people.skeleton.joints != COCO17.joints:
        raise InputError(
            str(path),
            f"its joints ({', '.join(people.skeleton.joints[:3])}, …) are not COCO's 17",
            "give COCO's own person_keypoints file",
        )
    code = SOURCES.index("coco")
    images = replace(
        people.images,
        file_names=_name_images(people.images.file_names, folder),
        source=np.full(len(people.images), code, dtype=np.int8),
        source_ids=tuple(map(str, people.images.file_ids)),
    )
    return replace(
        people,
        images=images,
        source=np.full(len(people), code, dtype=np.int8),
        box_rule=np.full(len(people), BOX_RULES.index("mask"), dtype=np.int8),
        segmentation_area=people.file_area,
        file_area=np.full(len(people), np.nan),
        notes=tuple(f"{path.name}: {note}" for note in people.notes),
    )


def _name_images(names: Sequence[str], folder: str) -> tuple[str, ...]:
    """Put the split's folder before COCO's file names, as some tools do in the file."""
    prefix = f"{folder}/"
    return tuple([f"coco/{prefix}{name.removeprefix(prefix)}" for name in names])


def _locate_images(path: Path, base: Path, folder: str, people: Instances) -> list[ImageFile]:
    start = len(f"coco/{folder}/")
    names = [name[start:] for name in people.images.file_names]
    ids = people.images.source_ids
    paths = ImagePaths(base).list_paths(folder, names, lambda row: f"{path}, image {ids[row]}")
    return list(map(ImageFile, paths))
