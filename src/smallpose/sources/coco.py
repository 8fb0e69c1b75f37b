"""COCO keypoints, both splits of 2017 (paper, Sec. 3.1)."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from smallpose.core.boxes import BOX_RULES
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Instances, concat
from smallpose.core.skeleton import COCO17
from smallpose.io import coco_annotations
from smallpose.sources.locate import PictureNames, find_base, one_file
from smallpose.sources.source import Picture, Source

# COCO's test split has no public keypoints, so its val is our test.
SPLITS = {"train2017": "train", "val2017": "test"}


def read_coco(root: Path) -> Source:
    """COCO's people with its mask boxes; crowds and people without keypoints stay, as ignored rows.

    COCO's `area`, that of the mask, becomes `segmentation_area`.

    Raises: InputError naming the record that is broken; RefusedError for a name that leads out.
    """
    wanted = {split: f"annotations/person_keypoints_{split}.json" for split in SPLITS}
    base = find_base(root, tuple(wanted.values()), "COCO")
    parts: list[Instances] = []
    pictures: list[Picture] = []
    splits: list[str] = []
    missing: list[str] = []
    for folder, name in wanted.items():
        path = one_file(base, name)
        if path is None:
            missing.append(name)
            continue
        people = _read(path, folder)
        parts.append(people)
        pictures += _pictures(path, base, folder, people)
        splits += [SPLITS[folder]] * len(people.images)
    return Source(
        "coco", base, concat(parts, COCO17), tuple(pictures), tuple(splits), tuple(missing)
    )


def _read(path: Path, folder: str) -> Instances:
    people = coco_annotations.read_coco(path)
    if people.skeleton.joints != COCO17.joints:
        raise InputError(
            str(path),
            f"its person has other joints ({', '.join(people.skeleton.joints[:3])}, …) than COCO's",
            "give COCO's own person_keypoints file",
        )
    code = SOURCES.index("coco")
    images = replace(
        people.images,
        file_names=tuple(f"coco/{folder}/{_bare(n, folder)}" for n in people.images.file_names),
        source=np.full(len(people.images), code, dtype=np.int8),
        source_ids=tuple(map(str, people.images.ids.tolist())),
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


def _bare(name: str, folder: str) -> str:
    """COCO's names have no folder; some tools write the split's folder before them."""
    return name.removeprefix(f"{folder}/")


def _pictures(path: Path, base: Path, folder: str, people: Instances) -> list[Picture]:
    names = PictureNames(base)
    start = len(f"coco/{folder}/")
    return [
        Picture(names.path(folder, name[start:], f"{path}, image {one}"))
        for name, one in zip(people.images.file_names, people.images.source_ids, strict=True)
    ]
