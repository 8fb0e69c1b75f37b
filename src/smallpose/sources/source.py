"""What every reader returns: a source's people, and where its pictures lie.

A reader reads annotations and opens no picture: sizes that the annotations lack stay 0, boxes stay
unclipped, and whether a picture exists is the builder's question.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from smallpose.core.instances import Instances


class Picture(NamedTuple):
    """Where an image lies.

    Args:
        file: the picture file, or the video it is a frame of; inside the source's root. A string
            is enough, for there are hundreds of thousands.
        frame: 0-based number of the frame in the video; None for a picture file.
    """

    file: str | Path
    frame: int | None = None

    @property
    def path(self) -> Path:
        """The same as a `Path`."""
        return Path(self.file)


@dataclass(frozen=True)
class Source:
    """One published data set.

    Args:
        name: one of `instances.SOURCES`.
        root: the folder its files were found in.
        people: every person and ignore region, in the source's own joints and order. Image
            `file_names` start with the source's name and go on with a path that is the same however
            the published folders are nested or renamed.
        pictures: (m,) where each image of `people.images` lies.
        splits: (m,) the source's own split of each image, "train" or "test"; "" where it has none
            and the builder decides.
        missing: annotation files of the published layout that were not there.
    """

    name: str
    root: Path
    people: Instances
    pictures: tuple[Picture, ...]
    splits: tuple[str, ...]
    missing: tuple[str, ...] = ()
