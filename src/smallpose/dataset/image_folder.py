"""A folder of images, and the folders outside of it that links in it may lead to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError
from smallpose.dataset.set_schema import check_manifest
from smallpose.system.files import resolve_inside
from smallpose.system.json_decode import read_json


@dataclass(frozen=True)
class ImageFolder:
    """Images below a folder, located by the file names in annotation files.

    Args:
        folder: the folder `images/` of a built data set, or any other folder of images.
        roots: folders outside of it that links may lead to. In a built data set these are the
            folders of the sources, which its manifest lists.
    """

    folder: Path
    roots: tuple[Path, ...] = ()

    def resolve_path(self, file_name: str) -> Path:
        """Return the path of an image.

        Raises: RefusedError when the name leads out of the folder, or a link leads elsewhere than
            to `roots`.
        """
        return resolve_inside(self.folder, file_name, extra_roots=self.roots)


def open_image_folder(folder: Path) -> ImageFolder:
    """Open the images below `folder`; links may lead where the manifest beside it allows."""
    manifest = folder.parent / "manifest.json"
    if not manifest.is_file():
        return ImageFolder(folder)
    sources = read_manifest(folder.parent)["sources"].values()
    return ImageFolder(folder, tuple(Path(r) for s in sources for r in s["link_roots"]))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read `manifest.json` of a built data set.

    Raises: InputError when the folder is no built data set, or its manifest is incomplete.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise InputError(
            str(folder),
            "the folder has no manifest.json",
            "name a folder that smallpose build made",
        )
    manifest = read_json(path, dict)
    check_manifest(path, manifest)
    return manifest
