"""Write files atomically, resolve paths inside their root, hash files.

File names come from the data of others, so each is checked by `resolve_inside` before the file is
opened. Modules that only some functions use are imported there: every command loads this one.
"""

import errno
import itertools
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError, RefusedError, RunError

# The limit of the disk, of the user, of the process.
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WRONG_PATH = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
_OPEN_FILES = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))  # such as /dev/stdout
_GZIP = b"\x1f\x8b"
MIN_UNPACKED_LIMIT = 256 * 2**20  # bytes that any gzip file may unpack to
MAX_UNPACKED_RATIO = 200  # of unpacked to packed bytes of larger ones; annotations have 3 to 50
MAX_NAME_LENGTH = 1024  # characters of a relative path; file systems stop at 4096 with the root
# What nearly every name is: one match is faster than a search for each problem.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
_PLAIN_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")


def read_bytes(path: Path) -> bytes:
    """Read the whole file; gzip is decompressed, whatever the name.

    Raises: InputError when it is missing, a folder, unreadable, changed while it is read, or broken
        gzip, or when it unpacks to far more than annotations do.
    """
    with open_input(path) as file:
        before = os.fstat(file.fileno())
        data = _read_rest(path, file)
        refuse_change(path, before, file)
    return _decompress(path, data) if data[:2] == _GZIP else data


def refuse_content(path: object) -> None:
    """Refuse what a file may contain in place of its name.

    Raises: InputError for lists, dicts and the like, as callers in Python may pass them.
    """
    if isinstance(path, str | os.PathLike):
        return
    raise InputError(
        f"a {type(path).__name__}",
        "it is no name of a file",
        'write it to a file, or pass "memory.json" and data=json.dumps(…).encode()',
    )


def read_if_gzip(path: Path) -> bytes | None:
    """Return the unpacked content of a gzip file; None for other files, folders and pipes."""
    try:
        with path.open("rb") as file:
            is_packed = file.seekable() and file.read(2) == _GZIP
    except OSError:
        return None
    return read_bytes(path) if is_packed else None


def read_head(path: Path, num_bytes: int = 1 << 16) -> bytes:
    """Read the beginning of a file, which tells its form; gzip is decompressed, a mark left out.

    Raises: InputError as `read_bytes`.
    """
    data = read_if_gzip(path)
    if data is None:
        with open_input(path) as file:
            data = file.read(num_bytes)
    return data[:num_bytes].removeprefix(b"\xef\xbb\xbf")


def open_input(path: Path) -> BinaryIO:
    """Open a file for reading; raises InputError where that is impossible."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise InputError(str(path), "no such file", "check the path") from None
    except IsADirectoryError:
        raise InputError(str(path), "is a folder", "give a file") from None
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        raise describe_read_error(path, error) from None


def _read_rest(path: Path, file: BinaryIO) -> bytes:
    try:
        return file.read()
    except OSError as error:
        raise describe_read_error(path, error) from None


def describe_read_error(path: Path | str, error: OSError | ValueError) -> InputError:
    """Return the error for a file that the system could not read."""
    reason = getattr(error, "strerror", None) or error
    return InputError(str(path), f"cannot be read ({reason})", "check the file")


def refuse_change(path: Path | str, before: os.stat_result, file: BinaryIO) -> None:
    """Raise InputError where an open file is no longer what it was, as during a copy."""
    after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise describe_change(path)


def describe_change(path: Path | str) -> InputError:
    """Return the error for a file that changed while it was read."""
    return InputError(
        str(path),
        "changed while it was read",
        "run the command again when it is written completely",
    )


def _decompress(path: Path | str, data: bytes) -> bytes:
    """Unpack gzip, up to a size that annotations can have."""
    import gzip
    import zlib

    limit = max(MIN_UNPACKED_LIMIT, MAX_UNPACKED_RATIO * len(data))
    try:
        with gzip.GzipFile(fileobj=BytesIO(data)) as file:
            content = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(str(path), f"broken gzip file ({error})", "download it again") from None
    if len(content) > limit:
        raise InputError(
            str(path),
            f"{format_count(len(data), 'byte')} of gzip become more than {limit:,}",
            "if the file is sound, unpack it with gunzip and give the unpacked file",
        )
    return content


def write_atomically(path: Path | str, data: bytes | str) -> None:
    """Write `data` so that `path` contains either all of it or its previous content.

    Raises: RunError when the disk is full or the folder cannot be written.
    """
    content = data.encode() if isinstance(data, str) else data
    write_atomically_with(path, lambda file: file.write(content))


def write_atomically_with(path: Path | str, write: Callable[[IO[bytes]], object]) -> None:
    """Write atomically what `write` writes into the open file; raises as `write_atomically`.

    A device or a pipe, such as /dev/null or /dev/stdout, is written into and stays what it is.
    """
    import tempfile

    path = Path(path)
    temporary = None
    try:
        if is_stream(path):
            with path.open("ab") as stream:
                write(stream)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part", delete=False
        ) as file:
            temporary = Path(file.name)
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_read_umask())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        # Path.is_file raises in a folder that may not be read.
        has_previous = os.path.isfile(path)  # noqa: PTH113
        kept = "; the previous file is kept" if has_previous else ""
        what = f"{_describe_error(error)} while writing{kept}"
        raise RunError(str(path), what, _suggest_remedy(error)) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def is_stream(path: Path) -> bool:
    """Return whether a path is a device, a pipe or an open file by its number, not to be replaced.

    Whoever may replace /dev/null, as root in a container, would break other programs.
    """
    if path.parent in _OPEN_FILES and path.is_symlink():
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def write_folder(out: Path, contents: Mapping[str, bytes]) -> None:
    """Write files so that the folder has all of them or does not exist.

    Args:
        out: a folder that does not exist or is empty.
        contents: relative path to the bytes of each file.
    Raises: RunError when the disk is full or the folder cannot be written.
    """
    import tempfile

    out = resolve_output_folder(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name[:80]}.") as folder:
            root = Path(folder) / "content"
            for name, content in contents.items():
                write_atomically(root / name, content)
            root.replace(out)
            _sync_folder(out.parent)
    except OSError as error:
        raise describe_os_error(error, str(out)) from None


def describe_os_error(error: OSError, where: str, remark: str = "") -> InputError | RunError:
    """Return the error of one line for what the operating system reported.

    Args:
        where: named if the error names no file.
        remark: what the user should know, such as that nothing is left.
    """
    where, what = str(error.filename or where), _describe_error(error)
    what = f"{what}; {remark}" if remark else what
    if error.errno in _WRONG_PATH:
        return InputError(where, what, "check the path")
    return RunError(where, what, _suggest_remedy(error))


def resolve_output_folder(out: Path) -> Path:
    """Return where a folder can be put in place by one rename, with links resolved.

    Raises: InputError when it cannot: it is the working directory or a mount.
    """
    real = Path(os.path.realpath(out))
    if real.is_mount() or (real.is_dir() and real.samefile(Path.cwd())):
        raise InputError(
            str(out), "is a mount or the working directory", "choose a new folder inside it"
        )
    return real


def resolve_inside(root: Path, name: str, extra_roots: Iterable[Path] = ()) -> Path:
    """Return `root / name`, which must be inside `root` (or, by a link, in one of `extra_roots`).

    Args:
        root: a folder that the user gave; it may itself be a link.
        name: a relative path from a file of others.
        extra_roots: folders that links inside `root` may lead to, as in a set that we built.

    Raises: RefusedError when the path is absolute, climbs out, or follows a link out.
    """
    check_file_name(name, root)
    path = os.path.join(root, name)  # noqa: PTH118 (pathlib is too slow for 100,000 names)
    # The files are in a handful of folders: each folder is resolved once.
    link = os.path.islink(path)  # noqa: PTH114
    real = os.path.realpath(path) if link else _resolve_folder(os.path.dirname(path))  # noqa: PTH120
    # A user who built many sets has many extra roots, and few files need one.
    roots = (_resolve_folder(str(r)) for r in itertools.chain((root,), extra_roots))
    if not any(real == r or real.startswith(r.rstrip(os.sep) + os.sep) for r in roots):
        raise RefusedError(
            f"{root}: file name {_shorten_name(name)}",
            "path leaves the data root (a link leads out)",
            "copy the file into the data root, or, if you trust the link, add "
            f"--link-root {os.path.dirname(real)}",  # noqa: PTH120
        )
    return Path(path)


class InsideResolver:
    """`resolve_inside` for many names of one root: each folder is listed once.

    Args:
        root, extra_roots: as for `resolve_inside`.
    """

    def __init__(self, root: Path, extra_roots: Iterable[Path] = ()) -> None:
        self.root = root
        self.extra_roots = tuple(extra_roots)
        self._folders: dict[str, tuple[str, set[str]]] = {}

    def resolve(self, name: str) -> str:
        """Return `root / name`; raises as `resolve_inside`."""
        if _find_name_problem(name) is None:
            folder, _, file = name.rpartition("/")
            prefix, links = self.list_folder(folder)
            if file not in links:
                return prefix + file
        return str(resolve_inside(self.root, name, self.extra_roots))

    def list_folder(self, folder: str) -> tuple[str, set[str]]:
        """Return the prefix of the folder's paths, and the names in it that are links."""
        if folder not in self._folders:
            self._folders[folder] = self._list_links(folder)
        return self._folders[folder]

    def _list_links(self, folder: str) -> tuple[str, set[str]]:
        path = resolve_inside(self.root, folder, self.extra_roots) if folder else self.root
        try:
            with os.scandir(path) as entries:
                return f"{path}/", {entry.name for entry in entries if entry.is_symlink()}
        except OSError:  # no such folder, so no links in it
            return f"{path}/", set()


def is_plain_name(name: str) -> bool:
    """Return whether `name` is surely one of a file, without a folder, that needs no check."""
    return _PLAIN_FILE_NAME.fullmatch(name) is not None


def check_file_name(name: str, root: Path | str = "a data set") -> None:
    """Raise RefusedError unless `name` is a relative path that stays below its root."""
    problem = _find_name_problem(name)
    if problem is not None:
        raise RefusedError(
            f"{root}: file name {_shorten_name(name)}",
            f"path leaves the data root ({problem})",
            "correct the file name in the annotation file",
        )


def _resolve_folder(folder: str) -> str:
    # A relative folder changes with the working directory, so only absolute ones are cached.
    return _resolve_absolute(folder if os.path.isabs(folder) else os.path.abspath(folder))  # noqa: PTH100, PTH117


@cache
def _resolve_absolute(folder: str) -> str:
    return os.path.realpath(folder)


def _find_name_problem(name: str) -> str | None:
    if _PLAIN_NAME.fullmatch(name) and len(name) <= MAX_NAME_LENGTH:
        return None
    if not name.strip():
        return "it is empty"
    if "\0" in name:
        return "NUL character"
    if "\\" in name:
        return "backslash"
    if len(name) > MAX_NAME_LENGTH:
        return format_count(len(name), "character")
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "absolute"
    if ".." in name.split("/"):
        return "it climbs with '..'"
    return None


def _shorten_name(name: str) -> str:
    text = repr(name)
    return text if len(text) <= 80 else text[:60] + "…" + text[-15:]


def hash_bytes(data: bytes) -> str:
    """Compute the SHA-256 of bytes, in hexadecimal."""
    import hashlib

    return hashlib.sha256(data).hexdigest()


def hash_file(path: Path) -> str:
    """Return the file's SHA-256 as 64 hexadecimal digits."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, on file systems that can do it."""
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


def _describe_error(error: OSError) -> str:
    if error.errno in _NO_SPACE:
        return "no space left"
    return (error.strerror or str(error)).lower()


def _suggest_remedy(error: OSError) -> str:
    if error.errno in _NO_SPACE:
        return "free some space and run the command again"
    return "choose a folder that you can write to"
