"""A data set that `smallpose build` made, opened for reading."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.dataset.image_folder import ImageFolder, open_image_folder, read_manifest
from smallpose.dataset.splits import SPLITS
from smallpose.io.coco_annotations import read_coco


@dataclass(frozen=True)
class BuiltSet:
    """A data set that `build` made.

    Args:
        folder: its folder.
        parts: "train" and "test" to their people, without derived joints.
        image_folder: the images below `images/`.
        recorded_paths: file name to the image in its source, for a data set without images.
        derived: joints that `build --derive` added to the annotation files.
    """

    folder: Path
    parts: Mapping[str, Instances]
    image_folder: ImageFolder
    recorded_paths: Mapping[str, Path]
    derived: tuple[str, ...] = ()

    def describe_dropped_joints(self) -> list[str]:
        """Describe what is lost in formats that cannot mark a joint as derived."""
        if not self.derived:
            return []
        return [f"derived joints ({', '.join(self.derived)}) are exported as unlabelled"]

    def find_image(self, name: str) -> Path | None:
        """Return the path of an image in the data set or in its source; None if it is missing.

        Raises: RefusedError when the name, a link or the recorded path leads elsewhere than into
            the data set or to a folder that the user allowed.
        """
        path = self.image_folder.resolve_path(name)
        if os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises for a name that is too long)
            return path
        recorded = self.recorded_paths.get(name)
        if recorded is None:
            return None
        self.image_folder.check_recorded_path(self.folder, recorded)
        return recorded if recorded.is_file() else None


def list_label_files(folder: Path) -> dict[str, Path]:
    """Return the annotation files of a folder laid out as a built data set, by split."""
    files = {split: folder / "annotations" / f"{split}.json" for split in SPLITS}
    return {split: path for split, path in files.items() if path.is_file()}


def refuse_folder_without_labels(folder: Path) -> None:
    """Raise InputError, with a file that may be meant, for a folder without annotation files."""
    if list_label_files(folder):
        return
    first = f"annotations/{SPLITS[0]}.json"
    remedy = f"name a set of 'smallpose build', or put labels at {folder / first}"
    places = (folder, folder / "annotations")
    others = sorted(path for place in places for path in place.glob("*.json"))
    if others:
        remedy += f"; check and audit take a file, such as {others[0]}"
    raise InputError(str(folder), f"the folder has no manifest.json and no {first}", remedy)


def open_set(folder: Path) -> BuiltSet:
    """Read the annotations and the manifest of a built data set.

    A folder without a manifest is read as well when it is laid out in the same way, with at least
    one of `annotations/train.json` and `annotations/test.json`.

    Raises: InputError when the folder is no data set.
    """
    if not (folder / "manifest.json").is_file():
        return _open_labels(folder)
    manifest = read_manifest(folder)
    files = {split: folder / "annotations" / f"{split}.json" for split in SPLITS}
    try:
        # A frame of a video has no image file in its source, and a turned image another one.
        recorded = {
            name: Path(record["path"])
            for name, record in manifest["pictures"].items()
            if "path" in record and "frame" not in record and "orientation" not in record
        }
        derived = tuple(joint for joint, count in manifest.get("derived", {}).items() if count)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder}/manifest.json",
            f"the manifest is incomplete ({error})",
            "build the data set again",
        ) from None
    return BuiltSet(
        folder,
        parts={split: read_coco(path) for split, path in files.items()},
        image_folder=open_image_folder(folder / "images"),
        recorded_paths=recorded,
        derived=derived,
    )


def _open_labels(folder: Path) -> BuiltSet:
    """Open a folder that has the layout of a built data set, but no manifest."""
    refuse_folder_without_labels(folder)
    return BuiltSet(
        folder,
        parts={split: read_coco(path) for split, path in list_label_files(folder).items()},
        image_folder=open_image_folder(folder / "images"),
        recorded_paths={},
    )
