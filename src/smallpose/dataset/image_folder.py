"""A built set on disk: where its parts lie, and which folders its links may lead to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError
from smallpose.system.files import resolve_inside
from smallpose.system.json_decode import read_json


@dataclass(frozen=True)
class ImageFolder:
    """Pictures below a folder, opened by the names that annotation files give.

    Args:
        folder: such as a set's `images/`, or any folder of pictures.
        roots: folders outside of it that links may lead to; for a set that build made, the
            places of the user's own copies, as its manifest says.
    """

    folder: Path
    roots: tuple[Path, ...] = ()

    def resolve_path(self, file_name: str) -> Path:
        """Where the picture lies.

        Raises: RefusedError when the name, or a link nobody vouches for, leads out.
        """
        return resolve_inside(self.folder, file_name, extra_roots=self.roots)


def open_image_folder(folder: Path) -> ImageFolder:
    """The pictures below `folder`; links are followed where the manifest beside it allows."""
    manifest = folder.parent / "manifest.json"
    if not manifest.is_file():
        return ImageFolder(folder)
    sources = read_manifest(folder.parent)["sources"].values()
    return ImageFolder(folder, tuple(Path(r) for s in sources for r in s["link_roots"]))


def read_manifest(folder: Path) -> dict[str, Any]:
    """`manifest.json` of a built set.

    Raises: InputError when the folder is no built set, or its manifest is not whole.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise InputError(str(folder), "holds no manifest.json", "name a set that build made")
    manifest = read_json(path, dict)
    sources = manifest.get("sources")
    whole = isinstance(sources, dict) and {"files", "pictures"} <= set(manifest)
    if not whole or not all("link_roots" in s for s in manifest["sources"].values()):
        raise InputError(str(path), "is no manifest that build wrote", "build the set again")
    return manifest
