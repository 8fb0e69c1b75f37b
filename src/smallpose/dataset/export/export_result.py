"""What an export wrote, and the steps that several formats share."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from smallpose.core.errors import InputError
from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.place_images import place_image
from smallpose.io.coco_annotations import write_coco


@dataclass
class ExportResult:
    """An export's report.

    Args:
        title: the format, in words.
        images, people: how many were written.
        usage: how to read it, as Markdown.
        losses: what the format cannot hold, as plain sentences.
        missing: pictures that are not there.
    """

    title: str
    images: int = 0
    people: int = 0
    usage: str = ""
    losses: list[str] = field(default_factory=list)
    missing: int = 0

    def to_lines(self) -> list[str]:
        """The report for people, a sentence a line."""
        head = f"{self.title}: {self.images:,} images, {self.people:,} annotations"
        gone = [f"{self.missing:,} pictures are missing"] if self.missing else []
        return [head, *gone, *(self.losses or ["nothing is lost"])]

    def to_readme(self) -> str:
        """A README for the exported folder."""
        lost = "\n".join(f"- {line}" for line in self.to_lines()[1:])
        return (
            f"# {self.title}\n\n{self.images:,} images, {self.people:,} annotations.\n\n"
            f"{self.usage.strip()}\n\n## What this format could not hold\n\n{lost}\n\n"
            "## Terms\n\nPictures and labels are the sources' own and stay under their terms; the "
            "data card of the set this was made from names them.\n"
        )


def copy_labels(built: BuiltSet, split: str, path: Path) -> None:
    """The split's annotations at `path`: the set's own file, byte for byte, unless that has joints
    that were made up, which other tools would take for labels; then the file without those.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if built.derived:
        write_coco(built.parts[split], path)
    else:
        shutil.copyfile(built.folder / "annotations" / f"{split}.json", path)


def export_images(built: BuiltSet, names: dict[str, Path], how: str, written: ExportResult) -> None:
    """Link or copy the set's pictures; those that are not there are counted.

    Args:
        names: file name in the set to the path it gets.
    """
    if how not in ("link", "copy", "none"):
        raise InputError(f"--images {how}", "no such way", "choose link, copy or none")
    if how == "none":
        return
    for name, target in names.items():
        picture = built.find_image(name)
        if picture is None:
            written.missing += 1
        else:
            place_image(how, picture, target)


def read_image_bytes(built: BuiltSet, name: str) -> bytes | None:
    """The picture file as it is; None when it is not there."""
    picture = built.find_image(name)
    return None if picture is None else picture.read_bytes()
