"""Find the images that the files of labelling tools name, below the folder of a source.

Tools write names that are relative to different folders, with the separators of Windows, as paths
on the computer of the labeller, or as addresses of a server. A name is tried below the folders that
the tools use; only a name of another computer is looked up by its last part alone.
"""

import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from smallpose.core.errors import InputError
from smallpose.sources.locate import ImagePaths
from smallpose.sources.source import ImageFile
from smallpose.system.files import check_file_name
from smallpose.system.image_formats import IMAGE_SUFFIXES

# Folders that contain nothing but images, which names in a built set leave out.
_IMAGE_FOLDERS = ("images", "data")
_MAX_SAMPLE = 200  # names of a file that decide which folder they are relative to
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")  # which Label Studio puts before uploaded files
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)


class ImageSearch:
    """The images below the folder of a source.

    Args:
        root: the folder that the user gave.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._paths = ImagePaths(root)
        self._files: dict[str, set[str]] = {}
        self._by_name: dict[str, list[str]] | None = None

    def list_folders(self, folder: str = "") -> list[str]:
        """List the names of the folders in `folder`, hidden ones left out."""
        try:
            entries = [e.name for e in os.scandir(self.root / folder) if e.is_dir()]
        except OSError:
            return []
        return sorted(name for name in entries if not name.startswith("."))

    def exists(self, path: str) -> bool:
        """Return whether there is such a file; `path` is relative to the root."""
        folder, name = posixpath.split(path)
        if folder not in self._files:
            try:
                with os.scandir(self.root / folder) as entries:
                    self._files[folder] = {entry.name for entry in entries if entry.is_file()}
            except (OSError, ValueError):
                self._files[folder] = set()
        return name in self._files[folder]

    def choose_folder(self, names: Sequence[str], folders: Sequence[str]) -> str | None:
        """Return the folder that has most of the names, the first of equals; None for none."""
        sample = names[:: max(1, len(names) // _MAX_SAMPLE)]
        counts = [sum(self.exists(join(folder, name)) for name in sample) for folder in folders]
        best = max(counts, default=0)
        return folders[counts.index(best)] if best else None

    def find(self, name: str, folders: Sequence[str], own: str, where: str) -> str | None:
        """Return the path of an image relative to the root; None where it is missing.

        Args:
            name: as the file has it.
            folders: below the root, in the order in which they are tried.
            own: the folder of the file that has the name, to which `..` refers.
            where: the record in errors.
        Raises: RefusedError for a relative name that leaves the root, InputError for a name of
            another computer of which there are several files.
        """
        plain, is_elsewhere = simplify_name(name)
        if not is_elsewhere:
            if ".." in plain.split("/"):
                return self._find_above(plain, own, where)
            check_file_name(plain, where)
        for folder in folders:
            if self.exists(join(folder, plain)):
                return join(folder, plain)
        return self._find_by_last_part(plain, where) if is_elsewhere else None

    def _find_above(self, name: str, own: str, where: str) -> str | None:
        """Resolve a name such as `../images/1.jpg`, which may not leave the root."""
        path = posixpath.normpath(join(own, name))
        if path.startswith(".."):
            check_file_name(name, where)
        return path if self.exists(path) else None

    def _find_by_last_part(self, name: str, where: str) -> str | None:
        last = posixpath.basename(name)
        index = self._index_names()
        matches = index.get(last) or index.get(_UPLOAD_PREFIX.sub("", last), [])
        if len(matches) > 1:
            raise InputError(
                where,
                f"{last} is in several folders, such as {matches[0]} and {matches[1]}",
                "give images different names, or write paths relative to the folder",
            )
        return matches[0] if matches else None

    def _index_names(self) -> dict[str, list[str]]:
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for folder, folders, names in os.walk(self.root):
                folders[:] = sorted(one for one in folders if not one.startswith("."))
                relative = Path(folder).relative_to(self.root).as_posix()
                for name in sorted(names):
                    if name.lower().endswith(IMAGE_SUFFIXES):
                        self._by_name[name].append(join(relative, name))
        return self._by_name

    def list_images(self, folder: str) -> list[str]:
        """List the images in a folder and those below it, relative to the root."""
        paths = []
        for path, folders, names in os.walk(self.root / folder):
            folders[:] = sorted(one for one in folders if not one.startswith("."))
            relative = Path(path).relative_to(self.root).as_posix()
            images = [name for name in sorted(names) if name.lower().endswith(IMAGE_SUFFIXES)]
            paths += [join(relative, name) for name in images]
        return paths

    def locate(self, path: str, where: str) -> ImageFile:
        """Return the location of an image, checked against links that lead out.

        Args:
            path: relative to the root.
        """
        folder, _, name = path.partition("/") if "/" in path else (".", "", path)
        return ImageFile(self._paths.path(folder, name, where))


def join(folder: str, name: str) -> str:
    """Join two relative paths; "." and "" are the root."""
    return name if folder in ("", ".") else f"{folder}/{name}"


def shorten_path(path: str) -> str:
    """Remove the folder of images at the beginning of a path."""
    first, _, rest = path.partition("/")
    return rest if rest and first in _IMAGE_FOLDERS else path


def simplify_name(name: str) -> tuple[str, bool]:
    """Return a name with forward slashes, and whether it is a path of another computer.

    >>> simplify_name("images\\\\1.jpg"), simplify_name("/data/local-files/?d=shop/1.jpg")
    (('images/1.jpg', False), ('shop/1.jpg', True))
    """
    if _SCHEME.match(name) or name.startswith("/data/"):
        parts = urlsplit(name)
        local = parse_qs(parts.query).get("d", [""])[0]
        return (local or unquote(parts.path)).replace("\\", "/").lstrip("/"), True
    plain = name.replace("\\", "/")
    if re.match(r"^[A-Za-z]:/|^/", plain):
        return posixpath.basename(plain), True
    return posixpath.normpath(plain) if plain.strip() and ".." not in plain else plain, False
