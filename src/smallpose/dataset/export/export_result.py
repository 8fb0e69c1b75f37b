"""The result of an export, and the steps that several exporters share."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.dataset.built_set import BuiltSet
from smallpose.dataset.place_images import place_image
from smallpose.io.coco_annotations import write_coco
from smallpose.io.track_records import attach_tracks


@dataclass
class ExportResult:
    """What an export wrote and lost.

    Args:
        title: name of the format.
        images, people: number of images and annotations written.
        usage: how to read the export, as Markdown.
        losses: what the format cannot represent, one sentence each.
        missing: number of missing images.
    """

    title: str
    images: int = 0
    people: int = 0
    usage: str = ""
    losses: list[str] = field(default_factory=list)
    missing: int = 0

    def to_lines(self) -> list[str]:
        """Return a summary, one sentence per line."""
        head = (
            f"{self.title}: {format_count(self.images, 'image')}, "
            f"{format_count(self.people, 'annotation')}"
        )
        missing = (
            [f"{format_count(self.missing, 'image is', 'images are')} missing"]
            if self.missing
            else []
        )
        return [head, *missing, *(self.losses or ["nothing is lost"])]

    def to_readme(self) -> str:
        """Return a README for the exported folder."""
        losses = "\n".join(f"- {line}" for line in self.to_lines()[1:])
        return (
            f"# {self.title}\n\n{format_count(self.images, 'image')}, "
            f"{format_count(self.people, 'annotation')}.\n\n"
            f"{self.usage.strip()}\n\n## What is lost in this format\n\n{losses}\n\n"
            "## Licences\n\nImages and labels remain under the licences of their sources, which "
            "the data card of the original data set lists.\n"
        )


def copy_labels(built: BuiltSet, split: str, path: Path) -> None:
    """Copy the annotation file of a split to `path`, without derived joints.

    The file is copied byte for byte, unless the data set has derived joints: other tools would
    treat them as labels.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    source = built.folder / "annotations" / f"{split}.json"
    if built.derived:
        write_coco(attach_tracks(source, built.parts[split]), path)
    else:
        shutil.copyfile(source, path)


def export_images(
    built: BuiltSet, targets: dict[str, Path], image_mode: str, result: ExportResult
) -> None:
    """Link or copy images of the data set, and count those that are missing.

    Args:
        targets: file name in the data set to the path in the export.
    """
    if image_mode not in ("link", "copy", "none"):
        raise InputError(f"--images {image_mode}", "no such mode", "choose link, copy or none")
    if image_mode == "none":
        return
    for name, target in targets.items():
        path = built.find_image(name)
        if path is None:
            result.missing += 1
        else:
            place_image(image_mode, path, target)


def read_image_bytes(built: BuiltSet, name: str) -> bytes | None:
    """Read an image file without decoding it; return None if it is missing."""
    path = built.find_image(name)
    return None if path is None else path.read_bytes()
