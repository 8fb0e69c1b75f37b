"""Read COCO keypoint files as labelling tools lay them out.

`annotations/*.json` beside the images (COCO, CVAT, datumaro), a file in each folder of images
(Roboflow), `labels.json` beside `data/` (FiftyOne), `result.json` beside `images/` (Label Studio)
or a file beside the images (COCO Annotator).
"""

import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from smallpose.core.boxes import BOX_RULES, box_around_keypoints, scale_boxes
from smallpose.core.concat_instances import concat_instances
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.io.coco_annotations import read_coco
from smallpose.io.merged_poses import check_merged_poses
from smallpose.io.raw_annotations import read_raw_annotations
from smallpose.sources.locate import find_files, list_archives
from smallpose.sources.source import ImageFile, Source
from smallpose.sources.tools.image_search import ImageSearch, join, shorten_path, simplify_name
from smallpose.sources.tools.joint_map import rename_joints
from smallpose.sources.tools.split_names import SPLITS, find_own_split, find_split_word
from smallpose.system.files import open_input
from smallpose.system.json_decode import read_json

BOX_SCALE = 1.3  # of a person's box around their joints, as PoseTrack makes its boxes
# Other kinds of COCO files, which tools write beside that of the keypoints.
_OTHER_KINDS = ("instances", "captions", "image_info", "labels", "panoptic", "stuff")
_KEYPOINT_KIND = "person_keypoints"
_WHOLE_BODY_FIELDS = (b'"foot_kpts"', b'"face_kpts"', b'"lefthand_kpts"', b'"righthand_kpts"')


@dataclass(frozen=True)
class CocoFile:
    """A COCO file of a source with our joints, and where its images are.

    Args:
        path: relative to the root.
        people: whose images have the names of the file.
        image_paths: (m,) path of each image relative to the root; "" for missing ones.
        folders: below the root, which were searched for its images.
        notes: what was merged or left out.
    """

    path: str
    people: Instances
    image_paths: tuple[str, ...]
    folders: tuple[str, ...]
    notes: tuple[str, ...]


def find_coco_files(root: Path) -> list[str]:
    """List the JSON files of a source, relative to its root, in the order of the layouts."""
    for pattern in ("annotations/*.json", "*.json"):
        paths = find_files(root, pattern)
        if paths:
            return [_relate(path, root) for path in paths]
    patterns = ("*/_annotations.coco.json", "*/labels.json", "*/*.json", "*/annotations/*.json")
    for pattern in patterns:
        relative = [_relate(path, root) for path in find_files(root, pattern)]
        is_named = "_annotations" in pattern or "labels" in pattern
        named = [p for p in relative if is_named or find_split_word(p.split("/")[0])]
        if named:
            return named
    return []


def read_coco_folder(
    name: str,
    root: Path,
    joint_map: Mapping[str, str],
    category: Sequence[str] = (),
    paths: Sequence[str] | None = None,
) -> Source:
    """Read COCO files below `root` and rename their joints.

    A file whose name or folder has the word train, val or test belongs to that split; the builder
    splits the others 8 : 2. Joints that are neither in the map nor among the 21 are left out, but
    count for K. People without a box get one around their joints.

    Args:
        paths: of the files, relative to the root (default: those of the known layouts).
    Raises: InputError when there is no file, or when none of its joints is one of the 21;
        RefusedError for an image name that leaves the folder.
    """
    search = ImageSearch(root)
    listed = find_coco_files(root) if paths is None else list(paths)
    if not listed:
        raise refuse_empty_folder(name, root)
    kept, notes = _leave_out_other_kinds(listed)
    files = [_read_file(search, path, joint_map, category) for path in kept]
    names = _name_images(files)
    tables: list[Instances] = []
    image_files: list[ImageFile] = []
    splits: list[str] = []
    for file, file_names in zip(files, names, strict=True):
        own_split = find_own_split(root, file.path)
        images = file.people.images
        ids = zip(images.source_ids, images.file_ids, strict=True)
        images = replace(
            images,
            file_names=tuple(f"{name}/{one}" for one in file_names),
            source_ids=tuple(source_id or str(file_id) for source_id, file_id in ids),
            source_splits=(own_split,) * len(images),
        )
        tables.append(replace(file.people, images=images, notes=()))
        image_files += _locate_images(search, file)
        splits += [SPLITS.get(own_split, "")] * len(images)
        notes += file.notes
    people = replace(concat_instances(tables, tables[0].skeleton), notes=tuple(notes))
    return Source(name, root, people, tuple(image_files), tuple(splits))


def _relate(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _leave_out_other_kinds(paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """Leave out files of boxes, captions and masks where there are files of keypoints."""
    if not any(_KEYPOINT_KIND in posixpath.basename(path) for path in paths):
        return list(paths), []
    others = [path for path in paths if posixpath.basename(path).startswith(_OTHER_KINDS)]
    notes = [f"left out: {', '.join(others)}, beside the files of keypoints"] if others else []
    return [path for path in paths if path not in others], notes


def _read_file(
    search: ImageSearch, path: str, joint_map: Mapping[str, str], category: Sequence[str]
) -> CocoFile:
    full = search.root / path
    people = _read_people(full, category)
    _refuse_merged_people(full, people)
    people, box_notes = give_boxes(people)
    notes = [*people.notes, *box_notes, *_list_unread_joints(full)]
    people, joint_notes = rename_joints(str(full), people, joint_map)
    folders = _list_folders(search, path)
    names = people.images.file_names
    plain = [simplify_name(name)[0] for name in names]
    best = search.choose_folder(plain, folders)
    if best is not None:
        folders = (best, *(folder for folder in folders if folder != best))
    image_paths = tuple(
        search.find(one, folders, posixpath.dirname(path), f"{full}, image {one}") or ""
        for one in names
    )
    notes = [*joint_notes, *notes]
    folder, file_name = posixpath.split(path)
    label = file_name if folder in ("", "annotations") else path
    labelled = tuple(f"{label}: {note}" for note in notes)
    return CocoFile(path, people, image_paths, folders, labelled)


def _read_people(path: Path, category: Sequence[str]) -> Instances:
    """Read a COCO file whose people may lack boxes, as in FiftyOne's exports of keypoints."""
    try:
        return read_coco(path, category=category)
    except InputError as error:
        if "missing required field bbox" not in error.what:
            raise
    file = read_json(path, dict[str, Any])
    for annotation in file["annotations"]:
        annotation.setdefault("bbox", [0, 0, 0, 0])
    return read_coco(path, category=category, data=msgspec.json.encode(file))


def _contains(path: Path, words: Sequence[bytes]) -> list[bytes]:
    """Return those of the words that a file contains, without reading it into memory."""
    with open_input(path) as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        return [word for word in words if data.find(word) >= 0]


def _list_unread_joints(path: Path) -> list[str]:
    """Say which joints of COCO-WholeBody are not read, which are in fields of their own."""
    fields = [word.decode().strip('"') for word in _contains(path, _WHOLE_BODY_FIELDS)]
    return [f"joints left out: those of {', '.join(fields)}"] if fields else []


def _refuse_merged_people(path: Path, people: Instances) -> None:
    """Refuse Label Studio's COCO export where it merged the people of an image into one pose."""
    if not _contains(path, [b"Label Studio"]):
        return
    raw = read_raw_annotations(path, people.images)
    if check_merged_poses(people, raw.image_rows, raw.boxes_xywh):
        raise InputError(
            str(path),
            "Label Studio's COCO export merged the people of an image into one pose",
            "export JSON instead and put it in this folder in its place",
        )


def give_boxes(people: Instances) -> tuple[Instances, list[str]]:
    """Give people with joints but without a box the box around their joints, and say so."""
    sides = people.boxes_xywh[:, 2:]
    lacks_box = people.is_counted & ~(np.isfinite(sides) & (sides > 0)).all(axis=1)
    boxes = scale_boxes(box_around_keypoints(people.keypoints), BOX_SCALE)
    lacks_box &= np.asarray((boxes[:, 2:] > 0).all(axis=1))
    if not lacks_box.any():
        return people, []
    note = (
        f"{format_count(int(lacks_box.sum()), 'person has', 'people have')} no box; theirs is the "
        f"box around their joints × {BOX_SCALE}"
    )
    box_rule = np.where(lacks_box, BOX_RULES.index("extent130"), people.box_rule)
    filled = replace(
        people,
        boxes_xywh=np.where(lacks_box[:, None], boxes, people.boxes_xywh),
        box_rule=box_rule.astype(np.int8),
        file_area=np.where(lacks_box, np.nan, people.file_area),
    )
    return filled, [note]


def _list_folders(search: ImageSearch, path: str) -> tuple[str, ...]:
    """List the folders that the image names of a file may be relative to, the likeliest first.

    Without images, names are taken to be relative to `images/`, else to the root.
    """
    folder, name = posixpath.split(path)
    stem = name.split(".")[0].lower()
    inside = [
        f"images/{one}" for one in search.list_folders("images") if stem.endswith(one.lower())
    ]
    outside = [one for one in search.list_folders() if stem.endswith(one.lower())]
    has_images = "images" in search.list_folders()
    own = [folder, join(folder, "images"), join(folder, "data")] if folder else []
    common = ["images", "data", "."] if has_images else [".", "data"]
    return tuple(dict.fromkeys([*inside, *outside, *own, *common]))


def _locate_images(search: ImageSearch, file: CocoFile) -> list[ImageFile]:
    """Return the location of each image; of missing ones, where they are expected."""
    usual = next((one for one in file.folders if one in ("images", ".")), ".")
    located = []
    for path, name in zip(file.image_paths, file.people.images.file_names, strict=True):
        expected = path or join(usual, _expect_path(file, name))
        located.append(search.locate(expected, f"{search.root / file.path}, image {name}"))
    return located


def _expect_path(file: CocoFile, name: str) -> str:
    """Return the path of a missing image as its file has it."""
    plain = simplify_name(name)[0]
    if ".." not in plain.split("/"):
        return plain
    return posixpath.normpath(join(posixpath.dirname(file.path), plain))


def _name_images(files: Sequence[CocoFile]) -> list[list[str]]:
    """Name the images by their paths; missing ones of equal names also by their file's split."""
    names = [
        [
            shorten_path(path or _expect_path(file, name))
            for path, name in zip(file.image_paths, file.people.images.file_names, strict=True)
        ]
        for file in files
    ]
    counts = Counter(name for group in names for name in group)
    for file, group in zip(files, names, strict=True):
        word = find_split_word(posixpath.basename(file.path))
        for index, path in enumerate(file.image_paths):
            if not path and word and counts[group[index]] > 1:
                group[index] = f"{word}/{group[index]}"
    return names


def refuse_empty_folder(name: str, root: Path) -> InputError:
    """Return the error for a folder in which no layout is recognised."""
    archives = list_archives(root)
    if archives:
        return InputError(
            f"--source {name}={root}", f"{archives[0]} is not unpacked", "unpack it there"
        )
    return InputError(
        f"--source {name}={root}",
        "the folder has no *.json, annotations.xml or data.yaml",
        "give the folder that a labelling tool exported; docs/tools.md lists the layouts",
    )
