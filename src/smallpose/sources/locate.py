"""Where the files of a source lie below the folder a user names.

Folders and annotation files are found by the names their publishers gave them; names of pictures
come out of other people's files, so they pass `PictureNames` before anybody opens them.
"""

import os
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from smallpose.core.errors import InputError
from smallpose.system.files import Inside, check_name

_PACKED = (".zip", ".tar", ".tar.gz", ".tgz", ".rar", ".7z")


def find_base(root: Path, patterns: Sequence[str], source: str) -> Path:
    """The folder in which one of `patterns` is found: `root`, or the only such folder in it.

    Args:
        root: what the user named: the published root or the folder above it.
        patterns: globs below the published root; each may also be gzipped.
        source: how the message calls it.
    Raises: InputError when nothing is there, or when two folders in `root` could be meant.
    """
    if not root.is_dir():
        what = "is a file" if root.is_file() else "no such folder"
        raise InputError(str(root), what, f"name the folder {source} was unpacked to")
    if _holds(root, patterns):
        return root
    inner = _folders(root)
    found = [folder for folder in inner if _holds(folder, patterns)]
    if not found:
        raise InputError(
            str(root),
            f"no annotations of {source} here or one folder down",
            _where_else(root, inner, patterns) or f"looked for {' and '.join(patterns)}",
        )
    if len(found) > 1:
        raise InputError(
            str(root),
            f"{source} lies in {found[0].name!r} and in {found[1].name!r}",
            "name one of the two",
        )
    return found[0]


def _where_else(root: Path, inner: Sequence[Path], patterns: Sequence[str]) -> str:
    """What a user who is a folder or an archive off should do; "" where nothing is near."""
    start = Path(os.path.abspath(root))  # noqa: PTH100 (a link stays what the user called it)
    for above in reversed(start.parents[:3]):  # the highest that will do: pictures lie below it too
        if _holds(above, patterns):
            return f"they are in {above}: name that"
    for folder in inner:
        for below in _folders(folder):
            if _holds(below, patterns):
                return f"they are in {below}: name that"
    packed = archives(root)
    if packed:
        return f"unpack {packed[0]} there first"
    return ""


def archives(folder: Path) -> list[str]:
    """Names of archives in a folder, which people forget to unpack."""
    return sorted(p.name for p in _listed(folder) if p.name.lower().endswith(_PACKED))


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in _listed(folder) if path.is_dir())


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # not ours to read
        return []


def _holds(folder: Path, patterns: Iterable[str]) -> bool:
    found = (path for p in patterns for end in ("", ".gz") for path in folder.glob(p + end))
    return any(path.is_file() for path in found)


def one_file(folder: Path, pattern: str) -> Path | None:
    """The only file below `folder` that fits the glob, plain rather than gzipped; None for none.

    Raises: InputError when several differently named files fit.
    """
    found = files(folder, pattern)
    if len(found) > 1:
        raise InputError(
            str(folder),
            f"{found[0].name!r} and {found[1].name!r} could both be meant",
            "keep one of them there",
        )
    return found[0] if found else None


def files(folder: Path, pattern: str) -> list[Path]:
    """Files that fit the glob, gzipped ones too, in natural order; plain wins over gzipped."""
    plain = {str(p): p for p in folder.glob(pattern) if p.is_file()}
    packed = {str(p)[:-3]: p for p in folder.glob(pattern + ".gz") if p.is_file()}
    found = packed | plain
    return [found[name] for name in sorted(found, key=natural)]


def stem(path: Path) -> str:
    """The file's name up to its first dot: `1.json.gz` is clip `1`."""
    return path.name.split(".")[0]


@lru_cache(maxsize=4096)
def natural(text: str) -> tuple[tuple[str, int], ...]:
    """A sort key that puts human2 before human10."""
    parts = re.findall(r"([^0-9]*)([0-9]*)", text)
    return tuple((word, int(digits or -1)) for word, digits in parts)


class PictureNames:
    """Picture names of somebody else's, below the layout's own folders of `base`.

    A link in place of a layout's folder is the user's way of keeping pictures on another disk and
    is followed; a link further down that leads out is not.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._folders: dict[str, Inside] = {}

    def path(self, folder: str, name: str, where: str) -> str:
        """`base / folder / name`.

        Raises: RefusedError, naming `where`, when the name leads out of the folder.
        """
        check_name(name, where)
        if folder not in self._folders:
            self._folders[folder] = Inside(self._base, also=(self._base / folder,))
        return self._folders[folder].path(f"{folder}/{name}")
