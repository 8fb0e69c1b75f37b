"""Define what every reader returns: a source's people and the locations of its images.

A reader reads annotations and opens no image: sizes that the annotations lack stay 0, boxes stay
unclipped, and the builder checks whether an image exists.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from smallpose.core.instances import Instances


class ImageFile(NamedTuple):
    """The location of an image: an image file, or a frame of a video.

    Args:
        file: the image file, or the video that has the frame; inside the source's root. A string
            and not a `Path`, because there are hundreds of thousands of them.
        frame: 0-based index of the frame in the video; None for an image file.
        orientation: EXIF orientation (2 to 8) by which the builder turns the image; 1 for none.
    """

    file: str | Path
    frame: int | None = None
    orientation: int = 1

    @property
    def path(self) -> Path:
        """Return `file` as a `Path`."""
        return Path(self.file)

    @property
    def is_rendered(self) -> bool:
        """Return whether the builder writes the image itself and neither links nor copies it."""
        return self.frame is not None or self.orientation != 1


class ListedImage(NamedTuple):
    """One position of MPII's `RELEASE.annolist`.

    Args:
        group: the group of the image at this position.
        is_training: whether `img_train` says so; images with other values have no labels.
    """

    group: str
    is_training: bool


@dataclass(frozen=True)
class Source:
    """One published data set.

    Args:
        name: one of `instances.SOURCES`.
        root: the folder that contains its files.
        people: every person and ignore region, in the source's own joints and order. Image
            `file_names` begin with the source's name, followed by a path that does not depend on
            how the published folders are nested or renamed.
        image_files: (m,) location of each image of `people.images`.
        splits: (m,) the source's own split of each image, "train" or "test"; "" where the source
            has none and the builder decides.
        missing: annotation files of the published layout that do not exist here.
        listed_images: every image that MPII lists, test images included, in the order of the
            list; empty for other sources.
    """

    name: str
    root: Path
    people: Instances
    image_files: tuple[ImageFile, ...]
    splits: tuple[str, ...]
    missing: tuple[str, ...] = ()
    listed_images: tuple[ListedImage, ...] = ()
