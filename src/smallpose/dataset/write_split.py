"""Write the two parts of a file of labels as a set to train on, with every record as it is."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Images, Instances
from smallpose.dataset.image_folder import open_image_folder
from smallpose.dataset.label_split import LabelSplit, SplitRules, find_videos, split_images
from smallpose.dataset.meant_folder import suggest_image_folder
from smallpose.io.coco_annotations import read_coco
from smallpose.io.frame_groups import group_listed_frames
from smallpose.io.label_faults import describe_wrong_units
from smallpose.system.files import describe_os_error, read_bytes, resolve_output_folder
from smallpose.system.json_decode import decode_json
from smallpose.system.link_roots import remember_sources

_MAX_SHOWN = 3  # missing images


@dataclass(frozen=True)
class WrittenSplit:
    """What was written.

    Args:
        split: the images of each part.
        num_people: to train on, and for tests; those with labelled keypoints.
        people: of all images, which have the videos that were kept together as groups.
    """

    split: LabelSplit
    num_people: tuple[int, int]
    people: Instances

    @property
    def test_people(self) -> Instances:
        """Return the people of the images that are for tests."""
        return self.people.take(np.flatnonzero(np.isin(self.people.image_rows, self.split.test)))

    def to_lines(self) -> list[str]:
        """Say what is in the parts, and what was kept together."""
        split = self.split
        counts = [
            f"{format_count(len(rows), 'image')} with {format_count(people, 'person', 'people')}"
            for rows, people in zip((split.train, split.test), self.num_people, strict=True)
        ]
        lines = [f"{counts[0]} to train on, {counts[1]} for tests", split.reason]
        if len(split.left_out):
            count = format_count(len(split.left_out), "image is", "images are")
            lines.append(f"{count} left out where videos are cut, as neighbours look alike (--gap)")
        lines += [f"note: {fault}" for fault in describe_wrong_units(self.people)]
        return lines


def write_split(
    labels: Path, images: Path, out: Path, rules: SplitRules, *, copies: bool = False
) -> WrittenSplit:
    """Write `out/annotations/train.json` and `test.json`, and the images into `out/images`.

    Images, annotations and everything else in the file stay as they are, with their ids.

    Args:
        labels: a COCO file with any joints.
        images: folder that the file names start from.
        out: a folder that does not exist, or is empty.
        copies: copy the images instead of linking to them.
    Raises: InputError where labels or images cannot be used, or a part has no people.
    """
    people = group_listed_frames(read_coco(labels), [labels])
    files = _find_files(people.images, images, labels)
    split = split_images(people.images, rules)
    num_people = _count_people(people, split)
    content = decode_json(labels, read_bytes(labels), dict[str, Any])
    parts = {
        name: msgspec.json.encode(_take_records(content, people.images, rows)) + b"\n"
        for name, rows in (("train", split.train), ("test", split.test))
    }
    kept = [files[row] for row in (*split.train.tolist(), *split.test.tolist())]
    _write_set(out, parts, kept, copies)
    if not copies:
        remember_sources(sorted({os.path.realpath(path.parent) for _, path in kept}))
    return WrittenSplit(split, num_people, _name_videos(people, rules))


def _name_videos(people: Instances, rules: SplitRules) -> Instances:
    """Give images the videos that the split took them to be of."""
    if rules.unit == "image" or any(people.images.groups):
        return people
    videos = [""] * len(people.images)
    for name, rows in find_videos(people.images)[0].items():
        for row in rows:
            videos[row] = name
    return replace(people, images=replace(people.images, groups=tuple(videos)))


def _find_files(images: Images, folder: Path, labels: Path) -> list[tuple[str, Path]]:
    """Return name and path of each image, in the order of the labels.

    Raises: InputError where some are missing.
    """
    opened = open_image_folder(folder)
    files = [(name, opened.resolve_path(name)) for name in images.file_names]
    missing = [name for name, path in files if not path.is_file()]
    if missing:
        shown = ", ".join(missing[:_MAX_SHOWN])
        raise InputError(
            f"--images {folder}",
            f"lacks {len(missing):,} of {format_count(len(files), 'image')} of {labels}: {shown}",
            suggest_image_folder(
                folder, images.file_names, "name the folder that each file_name starts from"
            ),
        )
    return files


def _count_people(people: Instances, split: LabelSplit) -> tuple[int, int]:
    """Count the people with labelled keypoints in both parts.

    Raises: InputError where a part has none.
    """
    rows = people.image_rows[people.is_counted]
    num_train, num_test = (int(np.isin(rows, part).sum()) for part in (split.train, split.test))
    if not num_train or not num_test:
        name = "to train on" if not num_train else "for tests"
        raise InputError(
            "the split",
            f"leaves nobody with labelled keypoints {name}",
            "try another --seed, or another share for --test",
        )
    return num_train, num_test


def _take_records(
    content: dict[str, Any], images: Images, rows: "np.ndarray[Any, Any]"
) -> dict[str, Any]:
    """Return the content of a file with only the records of some images."""
    kept = {str(images.file_ids[row]) for row in rows.tolist()}
    return content | {
        "images": [one for one in content["images"] if str(one["id"]) in kept],
        "annotations": [one for one in content["annotations"] if str(one["image_id"]) in kept],
    }


def _write_set(
    out: Path, parts: dict[str, bytes], files: Sequence[tuple[str, Path]], copies: bool
) -> None:
    """Write all files below a folder beside `out`, and put it in place at the end."""
    target = resolve_output_folder(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"--out {out}", "exists and is not empty", "name another folder")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name[:80]}.") as name:
            root = Path(name) / "content"
            (root / "annotations").mkdir(parents=True)
            for part, data in parts.items():
                (root / "annotations" / f"{part}.json").write_bytes(data)
            for file_name, path in files:
                _place(path, root / "images" / file_name, copies)
            root.replace(target)
    except OSError as error:
        raise describe_os_error(error, str(out), "nothing was written") from None


def _place(image: Path, target: Path, copies: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():  # two records of one image
        return
    if copies:
        shutil.copyfile(image, target)
    else:
        target.symlink_to(os.path.realpath(image))
