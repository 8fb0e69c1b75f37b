"""A built set, opened for reading: its two tables and where each picture lies."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.files import path_inside
from smallpose.core.json_text import read_json
from smallpose.dataset.split import SPLITS
from smallpose.table.coco_json import read_coco
from smallpose.table.instances import Instances


@dataclass(frozen=True)
class BuiltSet:
    """What `build` left in a folder.

    Args:
        folder: the set.
        parts: "train" and "test" to their people.
        roots: the sources' folders, where links in `images/` may lead.
        recorded: file name to the picture's place among the sources, for sets without pictures.
    """

    folder: Path
    parts: Mapping[str, Instances]
    roots: tuple[Path, ...]
    recorded: Mapping[str, Path]

    def picture(self, name: str) -> Path | None:
        """Where a picture lies: in the set, else in its source; None when it is in neither.

        Raises: RefusedError when the name or a link leads out of the set and its sources.
        """
        path = path_inside(self.folder / "images", name, also=self.roots)
        if path.is_file():
            return path
        elsewhere = self.recorded.get(name)
        if elsewhere is None or not elsewhere.is_file():
            return None
        real = os.path.realpath(elsewhere)
        if not any(Path(real).is_relative_to(os.path.realpath(r)) for r in self.roots):
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
    files = {split: folder / "annotations" / f"{split}.json" for split in SPLITS}
    missing = [f for f in files.values() if not f.is_file()]
    if missing:
        raise InputError(str(folder), f"holds no {missing[0].name}", "name a set that build made")
    roots: tuple[Path, ...] = ()
    recorded: dict[str, Path] = {}
    path = folder / "manifest.json"
    if path.is_file():
        manifest: dict[str, Any] = read_json(path, dict)
        try:
            roots = tuple(Path(s["root"]) for s in manifest["sources"].values())
            # A frame of a video has no picture of its own among the sources.
            recorded = {
                name: Path(record["path"])
                for name, record in manifest.get("pictures", {}).items()
                if "frame" not in record
            }
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                str(path), f"is not complete ({error})", "build the set again"
            ) from None
    return BuiltSet(folder, {s: read_coco(f) for s, f in files.items()}, roots, recorded)
