"""A built set, opened for reading: its two tables and where each picture lies."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import Instances
from smallpose.dataset.image_folder import ImageFolder, open_image_folder, read_manifest
from smallpose.dataset.splits import SPLITS
from smallpose.io.coco_annotations import read_coco


@dataclass(frozen=True)
class BuiltSet:
    """What `build` left in a folder.

    Args:
        folder: the set.
        parts: "train" and "test" to their people.
        pictures: those below `images/`.
        sources: the sources' folders.
        recorded: file name to the picture's place among the sources, for sets without pictures.
        derived: joints that `build --derive` made up for some people; `parts` are without them, the
            set's files are not.
    """

    folder: Path
    parts: Mapping[str, Instances]
    image_folder: ImageFolder
    sources: tuple[Path, ...]
    recorded_paths: Mapping[str, Path]
    derived: tuple[str, ...] = ()

    def describe_dropped_joints(self) -> list[str]:
        """A sentence for formats that cannot tell a derived joint from a labelled one."""
        if not self.derived:
            return []
        return [f"joints that were derived ({', '.join(self.derived)}) are left out as unlabelled"]

    def find_image(self, name: str) -> Path | None:
        """Where a picture lies: in the set, else in its source; None when it is in neither.

        Raises: RefusedError when the name or a link leads out of the set and its sources.
        """
        path = self.image_folder.resolve_path(name)
        if os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises for a name that is too long)
            return path
        elsewhere = self.recorded_paths.get(name)
        if elsewhere is None or not elsewhere.is_file():
            return None
        real = Path(os.path.realpath(elsewhere))
        allowed = (*self.sources, *self.image_folder.roots)
        if not any(real.is_relative_to(os.path.realpath(root)) for root in allowed):
            raise RefusedError(
                f"{self.folder}/manifest.json: {elsewhere}",
                "path leaves the sources' folders",
                "build the set again",
            )
        return elsewhere


def open_set(folder: Path) -> BuiltSet:
    """Read a built set's annotations and manifest.

    Raises: InputError when it is none.
    """
    manifest = read_manifest(folder)
    files = {split: folder / "annotations" / f"{split}.json" for split in SPLITS}
    try:
        # A release says nothing of where things lay on the machine that built the set.
        sources = tuple(Path(s["root"]) for s in manifest["sources"].values() if "root" in s)
        # A frame of a video has no picture of its own among the sources.
        recorded = {
            name: Path(record["path"])
            for name, record in manifest["pictures"].items()
            if "frame" not in record and "path" in record
        }
        derived = tuple(joint for joint, n in manifest.get("derived", {}).items() if n)
    except (KeyError, TypeError, AttributeError) as error:
        where = f"{folder}/manifest.json"
        raise InputError(where, f"is not complete ({error})", "build the set again") from None
    parts = {split: read_coco(path) for split, path in files.items()}
    pictures = open_image_folder(folder / "images")
    return BuiltSet(folder, parts, pictures, sources, recorded, derived)
