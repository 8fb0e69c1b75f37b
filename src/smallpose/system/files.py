"""Files written whole or not at all, paths that stay inside their root, hashes.

Names of files come from other people's data, so every one of them goes through `path_inside`
before it is opened.
"""

import errno
import gzip
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import IO

from smallpose.core.errors import InputError, RefusedError, RunError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk's, the user's or the process's limit
LONGEST_NAME = 1024  # characters of a relative path; file systems stop at 4096 with the root


def read_bytes(path: Path) -> bytes:
    """The whole file; a `.gz` file is unpacked.

    Raises: InputError when it is missing, a folder, unreadable, or broken as gzip.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(str(path), "no such file", "check the path") from None
    except IsADirectoryError:
        raise InputError(str(path), "is a folder", "name a file") from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", "check it") from None
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError) as error:
        raise InputError(str(path), f"broken gzip file ({error})", "fetch it again") from None


def write_whole(path: Path | str, data: bytes | str) -> None:
    """Write `data` so that `path` holds either all of it or what it held before.

    Raises: RunError when the disk is full or the folder cannot be written.
    """
    content = data.encode() if isinstance(data, str) else data

    def fill(file: IO[bytes]) -> None:
        file.write(content)

    write_whole_with(path, fill)


def write_whole_with(path: Path | str, fill: Callable[[IO[bytes]], object]) -> None:
    """As `write_whole`, for content that `fill` writes into the open file."""
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part", delete=False
        ) as file:
            temporary = Path(file.name)
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        there = os.path.exists(path)  # noqa: PTH110 (Path.exists raises in a folder not ours)
        kept = "; the previous file is kept" if there else ""
        raise RunError(str(path), f"{_reason(error)} while writing{kept}", _cure(error)) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def folder_to_make(out: Path) -> Path:
    """Where a folder that is put in place by one rename comes to lie, links followed.

    Raises: InputError when nothing can be put there so: the folder one stands in, or a mount.
    """
    real = Path(os.path.realpath(out))
    if real.is_mount() or (real.is_dir() and real.samefile(Path.cwd())):
        raise InputError(
            str(out), "is a mount or the folder you stand in", "name a new folder inside it"
        )
    return real


def path_inside(root: Path, name: str, also: Iterable[Path] = ()) -> Path:
    """`root / name`, if that stays inside `root` (or, by a link, inside one of `also`).

    Args:
        root: a folder of the user's; it may itself be a link.
        name: a relative path from somebody else's file.
        also: folders that links inside `root` may lead to, as in a set we built ourselves.

    Raises: RefusedError when the path is absolute, climbs out, or follows a link out.
    """
    check_name(name, root)
    path = os.path.join(root, name)  # noqa: PTH118 (a hundred thousand names: pathlib is too slow)
    # They lie in a handful of folders: resolve a folder once.
    link = os.path.islink(path)  # noqa: PTH114
    real = os.path.realpath(path) if link else _real(os.path.dirname(path))  # noqa: PTH120
    roots = [_real(str(r)) for r in (root, *also)]
    if not any(real == r or real.startswith(r.rstrip(os.sep) + os.sep) for r in roots):
        raise RefusedError(
            f"{root}: file name {_shown(name)}",
            "path leaves the data root (a link leads out)",
            "copy the file into the root",
        )
    return Path(path)


class Inside:
    """`path_inside` for many names of one folder: each folder on the way is looked at once.

    Args:
        root, also: as of `path_inside`.
    """

    def __init__(self, root: Path, also: Iterable[Path] = ()) -> None:
        self.root, self.also = root, tuple(also)
        self._folders: dict[str, tuple[str, set[str]]] = {}

    def path(self, name: str) -> str:
        """`root / name`; raises as `path_inside`."""
        if _why_not(name) is None:
            folder, _, last = name.rpartition("/")
            if folder not in self._folders:
                self._folders[folder] = self._look(folder)
            start, links = self._folders[folder]
            if last not in links:
                return start + last
        return str(path_inside(self.root, name, self.also))

    def _look(self, folder: str) -> tuple[str, set[str]]:
        """What its paths begin with, and the names in it that are links."""
        inside = path_inside(self.root, folder, self.also) if folder else self.root
        try:
            with os.scandir(inside) as entries:
                return f"{inside}/", {entry.name for entry in entries if entry.is_symlink()}
        except OSError:  # not there, so nothing in it is a link
            return f"{inside}/", set()


def check_name(name: str, root: Path | str = "a data set") -> None:
    """Raises RefusedError when `name` is no relative path that stays below its root."""
    what = _why_not(name)
    if what is not None:
        raise RefusedError(
            f"{root}: file name {_shown(name)}",
            f"path leaves the data root ({what})",
            "mend the annotation file",
        )


def _real(folder: str) -> str:
    # A relative folder is another one after the process has gone to another place.
    return _real_absolute(folder if os.path.isabs(folder) else os.path.abspath(folder))  # noqa: PTH100, PTH117


@cache
def _real_absolute(folder: str) -> str:
    return os.path.realpath(folder)


def _why_not(name: str) -> str | None:
    if not name.strip():
        return "it is empty"
    if "\0" in name:
        return "NUL character"
    if "\\" in name:
        return "backslash"
    if len(name) > LONGEST_NAME:
        return f"{len(name)} characters"
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "absolute"
    if ".." in name.split("/"):
        return "it climbs with '..'"
    return None


def _shown(name: str) -> str:
    text = repr(name)
    return text if len(text) <= 80 else text[:60] + "…" + text[-15:]


def sha256(path: Path) -> str:
    """The file's SHA-256 as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut; file systems that cannot do it are let be."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def _reason(error: OSError) -> str:
    if error.errno in _FULL:
        return "no space left"
    return (error.strerror or str(error)).lower()


def _cure(error: OSError) -> str:
    if error.errno in _FULL:
        return "free some space and run it again"
    return "choose a folder that can be written"
