"""Read custom sources: COCO files with a joint map, or a Python function.

Both become what a published source becomes: people with some of the 21 joints and the locations of
their images. The number of joints they were labelled with is K of Eq. 3, so each source is stored
as `own<K>`.
"""

import importlib.util
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import SOURCES, Instances, concat_instances, custom_source
from smallpose.core.skeleton import SMALLPOSE, Skeleton, find_joint_indices
from smallpose.io.coco_annotations import read_coco
from smallpose.sources.locate import ImagePaths, find_files
from smallpose.sources.source import ImageFile, Source
from smallpose.system.files import check_file_name
from smallpose.system.json_decode import read_json

Reader = Callable[[Path], Source]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
# Words in a file name. `constraint.json` is not a training file, and `trainval.json` is neither.
_SPLITS = {"train": "train", "val": "test", "valid": "test", "validation": "test", "test": "test"}


def parse_custom_sources(
    sources: Sequence[str], maps: Sequence[str] = (), category: Sequence[str] = ()
) -> dict[str, tuple[Path, Reader]]:
    """Return name to folder and reader, from the values of `--source` and `--map`.

    Args:
        sources: `NAME=DIR` for COCO files in a folder, or `FILE.py:FUNCTION` for a
            function of the user. That file is executed without any restriction.
        maps: `map.json` for every such folder, or `NAME=map.json` for one.
        category: names of the categories of people in the COCO files, as in `read_coco`.
    Raises: InputError for values that cannot be used.
    """
    map_of: dict[str, Path] = {}
    for text in maps:
        name, equals, file = text.rpartition("=")
        map_of[name if equals else ""] = Path(file)
    out: dict[str, tuple[Path, Reader]] = {}
    for text in sources:
        name, root, reader = _parse_source(text, map_of, category)
        if not _NAME.fullmatch(name) or name in SOURCES:
            reason = (
                "is reserved" if name in SOURCES else "has other characters than a-z, 0-9 and _"
            )
            raise InputError(f"--source {text}", f"{name!r} {reason}", "choose another name")
        if name in out:
            raise InputError(
                f"--source {text}",
                f"the name {name} is used twice",
                "give each source its own name",
            )
        out[name] = (root, reader)
    unknown = set(map_of) - {"", *out}
    if unknown:
        raise InputError(
            f"--map {min(unknown)}=…", "no such source", "use a name given with --source"
        )
    return out


def _parse_source(
    text: str, map_of: Mapping[str, Path], category: Sequence[str]
) -> tuple[str, Path, Reader]:
    code = re.fullmatch(r"(?P<file>.+\.py):(?P<function>\w+)", text)
    if code:
        path = Path(code["file"])
        function = _load_function(path, code["function"], text)
        name = str(getattr(function, "source_name", code["function"].removeprefix("read_")))
        return name, path.resolve().parent, lambda root: check_source(function(root), name, text)
    name, equals, folder = text.partition("=")
    if not equals:
        raise InputError(f"--source {text}", "not understood", "write lsp=DIR or lsp.py:read_lsp")
    joints = read_joint_map(map_of[name] if name in map_of else map_of.get(""))
    return name, Path(folder), lambda root: read_mapped_coco(name, root, joints, category)


def _load_function(path: Path, name: str, text: str) -> Callable[[Path], object]:
    if not path.is_file():
        raise InputError(f"--source {text}", f"no file {path}", "give an existing Python file")
    spec = importlib.util.spec_from_file_location(f"smallpose_own_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"--source {text}", "cannot be loaded", "give a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        what = f"fails with {type(error).__name__}: {error}"
        raise InputError(f"--source {text}", what, f"correct {path.name}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise InputError(
            f"--source {text}",
            f"{path.name} has no function {name}",
            "give the name of a function in it",
        )
    return function  # type: ignore[no-any-return]


def read_joint_map(path: Path | None) -> dict[str, str]:
    """Read a map of the source's joint names to ours from a JSON object; empty without a file.

    Raises: InputError when a name on the right is none of the 21 joints, or is repeated.
    """
    if path is None:
        return {}
    joints = read_json(path, dict[str, str])
    wrong = [ours for ours in joints.values() if ours not in SMALLPOSE.joints]
    if wrong:
        raise InputError(
            str(path),
            f"{wrong[0]!r} is none of the 21 joints",
            f"use one of {', '.join(SMALLPOSE.joints)}",
        )
    twice = [ours for ours in joints.values() if list(joints.values()).count(ours) > 1]
    if twice:
        raise InputError(str(path), f"two joints are mapped to {twice[0]}", "keep one of them")
    return joints


def read_mapped_coco(
    name: str, root: Path, joints: Mapping[str, str], category: Sequence[str] = ()
) -> Source:
    """Read COCO files in `root` or its `annotations/` and rename their joints.

    Images are expected below `root/images/`, else below `root`. A file whose name has the word
    train, val or test belongs to that split; the builder splits the others 8 : 2. Joints that are
    neither in the map nor among the 21 are left out, but count for K.

    Raises: InputError when there is no file, or when none of its joints is one of the 21;
        RefusedError for an image name that leaves its folder.
    """
    annotation_files = find_files(root, "annotations/*.json") or find_files(root, "*.json")
    if not annotation_files:
        raise InputError(
            f"--source {name}={root}", "the folder has no *.json", "give a folder with COCO files"
        )
    paths = ImagePaths(root)
    folder = "images" if (root / "images").is_dir() else "."
    tables: list[Instances] = []
    image_files: list[ImageFile] = []
    splits: list[str] = []
    notes: list[str] = []
    for path in annotation_files:
        people, dropped = _rename_joints(path, read_coco(path, category=category), joints)
        if dropped:
            notes.append(f"{path.name}: joints left out: {', '.join(dropped)}")
        notes += [f"{path.name}: {note}" for note in people.notes]
        stem = path.name.split(".")[0].lower()
        words = re.split(r"[^a-z]+", stem)
        split = next((_SPLITS[word] for word in words if word in _SPLITS), "")
        splits += [split] * len(people.images)
        own_split = next((word for word in words if word in _SPLITS), "")
        for file_name in people.images.file_names:
            where = f"{path}, image {file_name}"
            image_files.append(ImageFile(paths.path(folder, file_name, where)))
        file_names = tuple(f"{name}/{n}" for n in people.images.file_names)
        ids = tuple(
            i or str(n)
            for i, n in zip(people.images.source_ids, people.images.file_ids, strict=True)
        )
        images = replace(
            people.images,
            file_names=file_names,
            source_ids=ids,
            source_splits=(own_split,) * len(ids),
        )
        tables.append(replace(people, images=images, notes=()))
    people = concat_instances(tables, tables[0].skeleton)
    people = replace(people, notes=tuple(notes))
    return check_source(
        Source(name, root, people, tuple(image_files), tuple(splits)), name, f"{name}={root}"
    )


def _rename_joints(
    path: Path, people: Instances, joints: Mapping[str, str]
) -> tuple[Instances, list[str]]:
    """Return the people with our joint names, and the joints that were left out.

    K stays the number of joints that the people were labelled with.
    """
    source_joints = people.skeleton.spelled_joints
    ours = _choose_our_names(path, people.skeleton, joints)
    kept = [i for i, n in enumerate(ours) if n in SMALLPOSE.joints]
    if not kept:
        raise InputError(
            str(path),
            "none of its joints is one of the 21",
            "give --map with a JSON object of its names to ours",
        )
    skeleton = Skeleton(path.name, tuple(ours[i] for i in kept))
    code = custom_source(len(source_joints))
    return (
        replace(
            people,
            skeleton=skeleton,
            keypoints=people.keypoints[:, kept],
            num_keypoints=np.where(
                people.num_keypoints > 0,
                np.count_nonzero(people.keypoints[:, kept, 2] > 0, axis=1),
                0,
            ),
            source=np.full(len(people), code, dtype=np.int8),
            images=replace(people.images, source=np.full(len(people.images), code, dtype=np.int8)),
        ),
        [source_joints[i] for i in range(len(source_joints)) if i not in kept],
    )


def _choose_our_names(path: Path, skeleton: Skeleton, joint_map: Mapping[str, str]) -> list[str]:
    """Return our name of each joint: the map's, else that of the 21 which it is recognised as.

    Names of the map are compared in any spelling where none is the same. A joint that the map gives
    to one name is no other's.

    Raises: InputError when the map names a joint that the file does not have, or one twice.
    """
    indices = find_joint_indices(skeleton, Skeleton("map", tuple(joint_map)))
    names: dict[int, str] = {}
    for theirs, index in zip(joint_map, indices, strict=True):
        if index is None:
            raise InputError(
                str(path),
                f"it has no joint {theirs!r}, which the map names",
                f"use its names: {', '.join(skeleton.spelled_joints)}",
            )
        names[index] = joint_map[theirs]
    taken = set(joint_map.values())
    return [
        names.get(index, "" if joint in taken else joint)
        for index, joint in enumerate(skeleton.joints)
    ]


def _leave_out_other_joints(source: Source, where: str) -> Source:
    """Leave out the joints that are none of the 21, and name them in a note."""
    people = source.people
    joints = people.skeleton.joints
    kept = [i for i, joint in enumerate(joints) if joint in SMALLPOSE.joints]
    if len(kept) == len(joints):
        return source
    if not kept:
        raise InputError(
            f"--source {where}",
            "none of its joints is one of the 21",
            f"name its joints as these: {', '.join(SMALLPOSE.joints)}",
        )
    keypoints = people.keypoints[:, kept]
    num_kept = np.count_nonzero(keypoints[:, :, 2] > 0, axis=1)
    dropped = [people.skeleton.spelled_joints[i] for i in range(len(joints)) if i not in kept]
    people = replace(
        people,
        skeleton=Skeleton(people.skeleton.name, tuple(joints[i] for i in kept)),
        keypoints=keypoints,
        num_keypoints=np.where(people.num_keypoints > 0, num_kept, 0),
        notes=(*people.notes, f"joints left out: {', '.join(dropped)}"),
    )
    return replace(source, people=people)


def check_source(source: object, name: str, where: str) -> Source:
    """Return what a reader returned, if the builder can use it.

    Raises: InputError naming the fault, RefusedError for a path that leaves the source's root.
    """
    if not isinstance(source, Source):
        raise InputError(
            f"--source {where}",
            f"returned {type(source).__name__}",
            "return a smallpose.sources.Source",
        )
    num_joints = len(source.people.skeleton)  # K of Eq. 3
    source = _leave_out_other_joints(source, where)
    people, m = source.people, len(source.people.images)
    if {len(source.image_files), len(source.splits)} != {m}:
        what = f"{m} images, {len(source.image_files)} image files, {len(source.splits)} splits"
        raise InputError(f"--source {where}", what, "return one of each per image")
    names = people.images.file_names
    if len(set(names)) < m:
        first = next(name for name, times in Counter(names).items() if times > 1)
        raise InputError(
            f"--source {where}",
            f"{m - len(set(names)):,} of {m:,} images are listed more than once, such as {first}",
            "list each image in one annotation file, such as train and val without trainval",
        )
    if set(source.splits) - {"", "train", "test"}:
        raise InputError(
            f"--source {where}",
            "it has other splits than train and test",
            'use "train", "test" or ""',
        )
    v = people.keypoints[:, :, 2]
    if not np.isin(v, (0, 1, 2)).all() or not np.isfinite(people.keypoints).all():
        raise InputError(
            f"--source {where}",
            "it has keypoints that are not finite x, y and v of 0, 1 or 2",
            "correct the reader",
        )
    for file_name, image_file in zip(people.images.file_names, source.image_files, strict=True):
        check_file_name(file_name, f"--source {where}")
        if not file_name.startswith(f"{name}/"):
            raise InputError(
                f"--source {where}",
                f"{file_name} is not below {name}/",
                "begin file names with the source's name",
            )
        if not image_file.path.resolve().is_relative_to(source.root.resolve()):
            raise RefusedError(
                f"--source {where}",
                f"{image_file.path} is outside {source.root}",
                "set root to a folder above it",
            )
    if (people.source < custom_source(1)).any():
        code = custom_source(num_joints)
        images = replace(people.images, source=np.full(m, code, dtype=np.int8))
        people = replace(people, images=images, source=np.full(len(people), code, dtype=np.int8))
    image_files = tuple(ImageFile(p.path.absolute(), p.frame) for p in source.image_files)
    return replace(source, name=name, people=people, image_files=image_files)


__all__ = ["check_source", "parse_custom_sources", "read_joint_map", "read_mapped_coco"]
