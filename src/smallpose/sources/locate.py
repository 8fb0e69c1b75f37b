"""Find the files of a source below the folder that the user gave.

Folders and annotation files are found by their published names. Image names come from annotation
files that cannot be trusted, so they pass `ImagePaths` before any of them is opened.
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from smallpose.core.errors import InputError
from smallpose.system.files import InsideResolver, check_file_name, is_plain_name
from smallpose.system.link_roots import list_link_roots

_ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".rar", ".7z")


def find_base(root: Path, patterns: Sequence[str], source: str) -> Path:
    """Return the folder that contains one of `patterns`: `root`, or the only such folder in it.

    Args:
        root: the folder that the user gave: the published root or the folder above it.
        patterns: globs below the published root; each may also be gzipped.
        source: name of the source for messages.
    Raises: InputError when no folder matches, or when two folders in `root` do.
    """
    if not root.is_dir():
        what = "is a file" if root.is_file() else "no such folder"
        raise InputError(str(root), what, f"give the folder that {source} was unpacked to")
    if _contains_match(root, patterns):
        return root
    inner = _list_folders(root)
    matches = [folder for folder in inner if _contains_match(folder, patterns)]
    if not matches:
        raise InputError(
            str(root),
            f"no annotations of {source} in it or one folder below",
            _suggest_folder(root, inner, patterns) or f"looked for {' and '.join(patterns)}",
        )
    if len(matches) > 1:
        raise InputError(
            str(root),
            f"{source} exists in {matches[0].name!r} and in {matches[1].name!r}",
            "give one of the two folders",
        )
    return matches[0]


def _suggest_folder(root: Path, inner: Sequence[Path], patterns: Sequence[str]) -> str:
    """Return advice for a user who gave a folder above or below, or an archive; "" for none."""
    start = Path(os.path.abspath(root))  # noqa: PTH100 (keeps links as the user wrote them)
    for above in reversed(start.parents[:3]):  # the highest match, which contains the images too
        if _contains_match(above, patterns):
            return f"they are in {above}: give that folder"
    for folder in inner:
        for below in _list_folders(folder):
            if _contains_match(below, patterns):
                return f"they are in {below}: give that folder"
    names = list_archives(root)
    if names:
        return f"unpack {names[0]} there first"
    return ""


def list_archives(folder: Path) -> list[str]:
    """List the names of archives in a folder that are not unpacked yet."""
    return sorted(p.name for p in _list_entries(folder) if is_archive_name(p.name))


def is_archive_name(name: str) -> bool:
    """Return whether a file of this name is an archive."""
    return name.lower().endswith(_ARCHIVE_SUFFIXES)


def _list_folders(folder: Path) -> list[Path]:
    return sorted(path for path in _list_entries(folder) if path.is_dir())


def _list_entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # no permission
        return []


def _contains_match(folder: Path, patterns: Iterable[str]) -> bool:
    paths = (path for p in patterns for end in ("", ".gz") for path in folder.glob(p + end))
    return any(path.is_file() for path in paths)


def find_one_file(folder: Path, pattern: str) -> Path | None:
    """Return the only file below `folder` that matches the glob; None when there is none.

    Where a file exists plain and gzipped, the plain one is returned.

    Raises: InputError when several differently named files match.
    """
    paths = find_files(folder, pattern)
    if len(paths) > 1:
        raise InputError(
            str(folder),
            f"{paths[0].name!r} and {paths[1].name!r} both match {pattern}",
            "keep one of them",
        )
    return paths[0] if paths else None


def find_files(folder: Path, pattern: str) -> list[Path]:
    """List files that match the glob in natural order; a plain file wins over its gzipped copy."""
    plain = {str(p): p for p in folder.glob(pattern) if p.is_file()}
    gzipped = {str(p)[:-3]: p for p in folder.glob(pattern + ".gz") if p.is_file()}
    paths = gzipped | plain
    return [paths[name] for name in sorted(paths, key=natural_sort_key)]


def name_before_first_dot(path: Path) -> str:
    """Return the file's name up to its first dot: `1.json.gz` is clip `1`."""
    return path.name.split(".")[0]


@lru_cache(maxsize=4096)
def natural_sort_key(text: str) -> tuple[tuple[str, int], ...]:
    """Return a sort key that puts human2 before human10."""
    parts = re.findall(r"([^0-9]*)([0-9]*)", text)
    return tuple((word, int(digits or -1)) for word, digits in parts)


class ImagePaths:
    """Paths of images below the layout's own folders of `base`, checked against path traversal.

    A link in place of a layout's folder is followed, because users keep images on another disk;
    a link further down that leaves the folder is not, unless `--link-root` allows it.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._folders: dict[str, InsideResolver] = {}

    def path(self, folder: str, name: str, where: str) -> str:
        """Return `base / folder / name`.

        Raises: RefusedError, naming `where`, when the name leaves the folder.
        """
        check_file_name(name, where)
        return self._get_resolver(folder).resolve(f"{folder}/{name}")

    def list_paths(
        self, folder: str, names: Sequence[str], describe: Callable[[int], str]
    ) -> list[str]:
        """Return `path` of each name, faster.

        Args:
            describe: returns where the name of an index is, for messages.
        """
        prefix, links = self._get_resolver(folder).list_folder(folder)
        is_plain = is_plain_name
        return [
            prefix + name
            if is_plain(name) and name not in links
            else self.path(folder, name, describe(index))
            for index, name in enumerate(names)
        ]

    def _get_resolver(self, folder: str) -> InsideResolver:
        if folder not in self._folders:
            allowed = list_link_roots(with_sources=False)
            roots = (self._base / folder, *allowed)
            self._folders[folder] = InsideResolver(self._base, extra_roots=roots)
        return self._folders[folder]
