"""Read custom sources: a folder of a labelling tool with a joint map, or a Python function.

Both become what a published source becomes: people with some of the 21 joints and the locations of
their images. The number of joints they were labelled with is K of Eq. 3, so each source is stored
as `own<K>`.
"""

import importlib.util
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path

import numpy as np

from smallpose.core.counts import format_count, format_share
from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import SOURCES, custom_source
from smallpose.core.skeleton import SMALLPOSE, resolve_skeleton
from smallpose.sources.source import ImageFile, Source
from smallpose.sources.tools.joint_map import read_joint_map, rename_joints
from smallpose.sources.tools.layouts import read_labelled_folder
from smallpose.system.files import check_file_name
from smallpose.system.link_roots import list_link_roots

Reader = Callable[[Path], Source]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_CODE = re.compile(r"(?P<file>.+\.py):(?P<function>\w+)")


def parse_custom_sources(
    sources: Sequence[str], maps: Sequence[str] = (), category: Sequence[str] = ()
) -> dict[str, tuple[Path, Reader]]:
    """Return name to folder and reader, from the values of `--source` and `--map`.

    Args:
        sources: `NAME=DIR` for a folder of a labelling tool, or `FILE.py:FUNCTION` for a
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
    _check_uses(sources, set(map_of), category)
    return out


def _check_uses(sources: Sequence[str], mapped: Set[str], category: Sequence[str]) -> None:
    """Raise InputError for a map or categories that no folder of a labelling tool takes."""
    folders = {text.partition("=")[0] for text in sources if not _CODE.fullmatch(text)}
    remedy = "have the function return our joint names (docs/custom-source.md)"
    unused = [name for name in sorted(mapped) if (name not in folders if name else not folders)]
    if unused:
        where = f"--map {unused[0]}=…" if unused[0] else "--map"
        what = "is for folders of labelling tools (--source NAME=DIR), and a function names joints"
        raise InputError(where, f"{what} itself", remedy if sources else "leave it out")
    if category and not folders:
        what = "is for folders of labelling tools (--source NAME=DIR)"
        raise InputError("--category", what, "leave it out")


def _parse_source(
    text: str, map_of: Mapping[str, Path], category: Sequence[str]
) -> tuple[str, Path, Reader]:
    code = _CODE.fullmatch(text)
    if code:
        path = Path(code["file"])
        function = _load_function(path, code["function"], text)
        name = str(getattr(function, "source_name", code["function"].removeprefix("read_")))
        return name, path.resolve().parent, lambda root: check_source(function(root), name, text)
    name, equals, folder = text.partition("=")
    if not equals:
        raise _explain_unnamed_source(text)
    joints = read_joint_map(map_of[name] if name in map_of else map_of.get(""))
    return name, Path(folder), lambda root: read_mapped_coco(name, root, joints, category)


def _explain_unnamed_source(text: str) -> InputError:
    """Return the error for a source without a name, with what to type where it is a folder."""
    path = Path(text)
    if path.is_dir():
        word = re.sub(r"[^a-z0-9_]+", "_", path.resolve().name.lower()).strip("_")
        name = word if _NAME.fullmatch(word) and word not in SOURCES else "own"
        return InputError(f"--source {text}", "has no name", f"write --source {name}={text}")
    if path.suffix == ".py" and path.is_file():
        remedy = f"add the function that reads: --source {text}:read_lsp"
        return InputError(f"--source {text}", "names no function of the file", remedy)
    what = "no such folder" if "/" in text else "not understood"
    return InputError(f"--source {text}", what, "write lsp=DIR or lsp.py:read_lsp")


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


def read_mapped_coco(
    name: str, root: Path, joints: Mapping[str, str], category: Sequence[str] = ()
) -> Source:
    """Read a folder of a labelling tool, such as one of COCO files, and rename its joints.

    Raises: InputError when no form of files is recognised, or when none of its joints is one of the
        21; RefusedError for an image name that leaves its folder.
    """
    source = read_labelled_folder(name, root, joints, category)
    return check_source(source, name, f"{name}={root}", is_folder=True)


def _leave_out_other_joints(source: Source, where: str) -> Source:
    """Leave out the joints that are none of the 21, in any spelling, and name them in a note."""
    people = source.people
    skeleton = resolve_skeleton(people.skeleton.spelled_joints)
    if not set(skeleton.joints) & set(SMALLPOSE.joints):
        raise InputError(
            f"--source {where}",
            "none of its joints is one of the 21",
            f"name its joints as these: {', '.join(SMALLPOSE.joints)}",
        )
    is_subset = set(skeleton.joints) <= set(SMALLPOSE.joints)
    if is_subset and skeleton.joints == people.skeleton.joints:
        return source
    named = replace(people, skeleton=replace(skeleton, name=people.skeleton.name))
    renamed, notes = rename_joints(f"--source {where}", named, {})
    renamed = replace(renamed, notes=(*people.notes, *notes))
    if (people.source >= custom_source(1)).all():  # a K of the reader's own
        renamed = replace(renamed, source=people.source, images=people.images)
    return replace(source, people=renamed)


def check_source(source: object, name: str, where: str, *, is_folder: bool = False) -> Source:
    """Return what a reader returned, if the builder can use it.

    Args:
        is_folder: a folder was named, whose root nobody can set in a reader.
    Raises: InputError naming the fault, RefusedError for a path that leaves the source's root.
    """
    if not isinstance(source, Source):
        raise InputError(
            f"--source {where}",
            f"returned {type(source).__name__}",
            "return a smallpose.sources.Source",
        )
    source = _leave_out_other_joints(source, where)
    people, m = source.people, len(source.people.images)
    if {len(source.image_files), len(source.splits)} != {m}:
        what = (
            f"{format_count(m, 'image')}, {format_count(len(source.image_files), 'image file')}, "
            f"{format_count(len(source.splits), 'split')}"
        )
        raise InputError(f"--source {where}", what, "return one of each per image")
    names = people.images.file_names
    if len(set(names)) < m:
        first = next(name for name, times in Counter(names).items() if times > 1)
        raise InputError(
            f"--source {where}",
            f"{format_share(m - len(set(names)), m, 'image is', 'images are')} listed more than "
            f"once, such as {first}",
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
    roots = (source.root.resolve(), *list_link_roots(with_sources=False))
    for file_name, image_file in zip(people.images.file_names, source.image_files, strict=True):
        check_file_name(file_name, f"--source {where}")
        if not file_name.startswith(f"{name}/"):
            raise InputError(
                f"--source {where}",
                f"{file_name} is not below {name}/",
                "begin file names with the source's name",
            )
        real = image_file.path.resolve()
        if not any(real.is_relative_to(root) for root in roots):
            remedy = "" if is_folder else "set root to a folder above it, or "
            raise RefusedError(
                f"--source {where}",
                f"{image_file.path} is outside {source.root}",
                f"{remedy}add --link-root {real.parent}",
            )
    if (people.source < custom_source(1)).any():
        code = custom_source(len(people.skeleton))  # K of Eq. 3
        images = replace(people.images, source=np.full(m, code, dtype=np.int8))
        people = replace(people, images=images, source=np.full(len(people), code, dtype=np.int8))
    image_files = tuple(ImageFile(p.path.absolute(), p.frame) for p in source.image_files)
    return replace(source, name=name, people=people, image_files=image_files)


__all__ = ["check_source", "parse_custom_sources", "read_joint_map", "read_mapped_coco"]
