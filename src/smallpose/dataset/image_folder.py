"""A folder of images, and the folders outside of it that links in it may lead to.

What a manifest says about links is not followed: only the user can allow a folder.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError, RefusedError
from smallpose.dataset.set_schema import check_manifest
from smallpose.system.files import resolve_inside
from smallpose.system.json_decode import read_json
from smallpose.system.link_roots import list_link_roots


@dataclass(frozen=True)
class ImageFolder:
    """Images below a folder, located by the file names in annotation files.

    Args:
        folder: the folder `images/` of a built data set, or any other folder of images.
        roots: folders outside of it that links may lead to.
    """

    folder: Path
    roots: tuple[Path, ...] = ()

    def resolve_path(self, file_name: str) -> Path:
        """Return the path of an image.

        Raises: RefusedError when the name leads out of the folder, or a link leads elsewhere than
            to `roots`.
        """
        return resolve_inside(self.folder, file_name, extra_roots=self.roots)

    def check_recorded_path(self, built: Path, path: Path) -> None:
        """Raise RefusedError for a path in a manifest that leads elsewhere than to `roots`.

        Args:
            built: the folder of the manifest.
        """
        real = Path(os.path.realpath(path))
        if not any(real.is_relative_to(os.path.realpath(root)) for root in self.roots):
            raise RefusedError(
                f"{built}/manifest.json: {path}",
                "the path leaves the folders that you allowed",
                f"if you trust this set, add --link-root {real.parent}",
            )


def open_image_folder(folder: Path) -> ImageFolder:
    """Open the images below `folder`; links may lead where the user allowed it."""
    return ImageFolder(folder, list_link_roots())


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
