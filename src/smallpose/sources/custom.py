"""Sources of the user's own: COCO files with a map of their joints, or a function of any kind.

Both end as any published source does, as people in some of the 21 joints and the places of their
pictures. What they were labelled with decides K of Eq. 3, so each counts as `own<K>`.
"""

import importlib.util
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import SOURCES, Instances, concat, own_source
from smallpose.core.skeleton import SMALLPOSE, Skeleton
from smallpose.io.coco_annotations import read_coco
from smallpose.sources.locate import PictureNames, files
from smallpose.sources.source import Picture, Source
from smallpose.system.files import check_name
from smallpose.system.json_decode import read_json

Reader = Callable[[Path], Source]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
# Words of a file's name: `constraint.json` is no training part, and `trainval.json` is neither.
_SPLITS = {"train": "train", "val": "test", "valid": "test", "validation": "test", "test": "test"}


def own_readers(sources: Sequence[str], maps: Sequence[str] = ()) -> dict[str, tuple[Path, Reader]]:
    """Name to folder and reader, of the values of `--source` and `--map`.

    Args:
        sources: `NAME=DIR` for COCO files in a folder, or `FILE.py:FUNCTION` for a function of the
            user's own. That file is run as it stands, with all that it may do.
        maps: `map.json` for every such folder, or `NAME=map.json` for one.
    Raises: InputError for a call at fault.
    """
    map_of: dict[str, Path] = {}
    for text in maps:
        name, equals, file = text.rpartition("=")
        map_of[name if equals else ""] = Path(file)
    out: dict[str, tuple[Path, Reader]] = {}
    for text in sources:
        name, root, reader = _reader(text, map_of)
        if not _NAME.fullmatch(name) or name in SOURCES:
            taken = "is taken" if name in SOURCES else "is no name of small letters and digits"
            raise InputError(f"--source {text}", f"{name!r} {taken}", "choose another name")
        if name in out:
            raise InputError(f"--source {text}", f"{name} is there twice", "give each its own name")
        out[name] = (root, reader)
    unknown = set(map_of) - {"", *out}
    if unknown:
        raise InputError(f"--map {min(unknown)}=…", "no such source", "name one of --source")
    return out


def _reader(text: str, map_of: Mapping[str, Path]) -> tuple[str, Path, Reader]:
    code = re.fullmatch(r"(?P<file>.+\.py):(?P<function>\w+)", text)
    if code:
        path = Path(code["file"])
        function = _function(path, code["function"], text)
        name = str(getattr(function, "source_name", code["function"].removeprefix("read_")))
        return name, path.resolve().parent, lambda root: checked(function(root), name, text)
    name, equals, folder = text.partition("=")
    if not equals:
        raise InputError(f"--source {text}", "not understood", "as in lsp=DIR or lsp.py:read_lsp")
    joints = read_map(map_of[name] if name in map_of else map_of.get(""))
    return name, Path(folder), lambda root: read_mapped_coco(name, root, joints)


def _function(path: Path, name: str, text: str) -> Callable[[Path], object]:
    if not path.is_file():
        raise InputError(f"--source {text}", f"no file {path}", "name a Python file")
    spec = importlib.util.spec_from_file_location(f"smallpose_own_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"--source {text}", "cannot be loaded", "name a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        what = f"fails with {type(error).__name__}: {error}"
        raise InputError(f"--source {text}", what, f"mend {path.name}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise InputError(f"--source {text}", f"{path.name} has no function {name}", "name one")
    return function  # type: ignore[no-any-return]


def read_map(path: Path | None) -> dict[str, str]:
    """Their joint names to ours, from a JSON object; nothing without a file.

    Raises: InputError when a name on the right is none of the 21, or stands there twice.
    """
    if path is None:
        return {}
    joints = read_json(path, dict[str, str])
    wrong = [ours for ours in joints.values() if ours not in SMALLPOSE.joints]
    if wrong:
        raise InputError(str(path), f"{wrong[0]!r} is none of the 21", ", ".join(SMALLPOSE.joints))
    twice = [ours for ours in joints.values() if list(joints.values()).count(ours) > 1]
    if twice:
        raise InputError(str(path), f"two joints become {twice[0]}", "keep the one that is meant")
    return joints


def read_mapped_coco(name: str, root: Path, joints: Mapping[str, str]) -> Source:
    """COCO files in `root` or its `annotations/`, joints renamed; pictures below `root/images/`.

    A file whose name has the word train, val or test is that split; the people of another are
    split 8 : 2 by the builder. Joints that neither the map nor the 21 know are left out, but count
    for K.

    Raises: InputError when there is no file, or when none of its joints is one of the 21;
        RefusedError for a picture name that leads out.
    """
    found = files(root, "annotations/*.json") or files(root, "*.json")
    if not found:
        raise InputError(f"--source {name}={root}", "holds no *.json", "name another")
    paths = PictureNames(root)
    folder = "images" if (root / "images").is_dir() else "."
    tables: list[Instances] = []
    pictures: list[Picture] = []
    splits: list[str] = []
    notes: list[str] = []
    for path in found:
        people, lost = _renamed(path, read_coco(path), joints)
        if lost:
            notes.append(f"{path.name}: joints left out: {', '.join(lost)}")
        notes += [f"{path.name}: {note}" for note in people.notes]
        stem = path.name.split(".")[0].lower()
        words = re.split(r"[^a-z]+", stem)
        split = next((_SPLITS[word] for word in words if word in _SPLITS), "")
        splits += [split] * len(people.images)
        for file_name in people.images.file_names:
            where = f"{path}, image {file_name}"
            pictures.append(Picture(paths.path(folder, file_name, where)))
        named = tuple(f"{name}/{n}" for n in people.images.file_names)
        ids = tuple(
            i or str(n)
            for i, n in zip(people.images.source_ids, people.images.ids.tolist(), strict=True)
        )
        images = replace(people.images, file_names=named, source_ids=ids)
        tables.append(replace(people, images=images, notes=()))
    people = concat(tables, tables[0].skeleton)
    people = replace(people, notes=tuple(notes))
    return checked(
        Source(name, root, people, tuple(pictures), tuple(splits)), name, f"{name}={root}"
    )


def _renamed(
    path: Path, people: Instances, joints: Mapping[str, str]
) -> tuple[Instances, list[str]]:
    """The people with our joint names, those without one left out; and which these are.

    K stays the number of joints they were labelled with.
    """
    theirs = people.skeleton.joints
    unknown = [n for n in joints if n not in theirs]
    if unknown:
        raise InputError(
            str(path),
            f"has no joint {unknown[0]!r}, which the map names",
            f"it has {', '.join(theirs)}",
        )
    ours = [joints.get(n, n) for n in theirs]
    kept = [i for i, n in enumerate(ours) if n in SMALLPOSE.joints]
    if not kept:
        raise InputError(
            str(path), "none of its joints is one of the 21", "give --map with their names and ours"
        )
    skeleton = Skeleton(path.name, tuple(ours[i] for i in kept))
    code = own_source(len(theirs))
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
        [theirs[i] for i in range(len(theirs)) if i not in kept],
    )


def checked(source: object, name: str, where: str) -> Source:
    """What a reader returned, if the builder can use it.

    Raises: InputError naming what is wrong, RefusedError for a path that leaves the source's root.
    """
    if not isinstance(source, Source):
        raise InputError(
            f"--source {where}", f"returned {type(source).__name__}", "return a smallpose Source"
        )
    people, m = source.people, len(source.people.images)
    alien = [j for j in people.skeleton.joints if j not in SMALLPOSE.joints]
    if alien:
        raise InputError(f"--source {where}", f"joint {alien[0]!r} is none of the 21", "rename it")
    if {len(source.pictures), len(source.splits)} != {m}:
        what = f"{m} images, {len(source.pictures)} pictures, {len(source.splits)} splits"
        raise InputError(f"--source {where}", what, "give one of each per image")
    names = people.images.file_names
    if len(set(names)) < m:
        first = next(name for name, times in Counter(names).items() if times > 1)
        raise InputError(
            f"--source {where}",
            f"{m - len(set(names)):,} of {m:,} pictures stand there again, such as {first}",
            "keep one annotation file of each picture, such as train and val without trainval",
        )
    if set(source.splits) - {"", "train", "test"}:
        raise InputError(f"--source {where}", "has other splits than train and test", 'use "" too')
    v = people.keypoints[:, :, 2]
    if not np.isin(v, (0, 1, 2)).all() or not np.isfinite(people.keypoints).all():
        raise InputError(
            f"--source {where}",
            "has keypoints that are no x, y and v of 0, 1, 2",
            "mend the reader",
        )
    for file_name, picture in zip(people.images.file_names, source.pictures, strict=True):
        check_name(file_name, f"--source {where}")
        if not file_name.startswith(f"{name}/"):
            raise InputError(
                f"--source {where}", f"{file_name} is not below {name}/", "begin with the name"
            )
        if not picture.path.resolve().is_relative_to(source.root.resolve()):
            raise RefusedError(
                f"--source {where}", f"{picture.path} leaves {source.root}", "choose a wider root"
            )
    if (people.source < own_source(1)).any():
        code = own_source(len(people.skeleton))
        images = replace(people.images, source=np.full(m, code, dtype=np.int8))
        people = replace(people, images=images, source=np.full(len(people), code, dtype=np.int8))
    pictures = tuple(Picture(p.path.absolute(), p.frame) for p in source.pictures)
    return replace(source, name=name, people=people, pictures=pictures)


__all__ = ["checked", "own_readers", "read_map", "read_mapped_coco"]
