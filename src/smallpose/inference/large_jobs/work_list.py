"""What a large prediction looks at, as arrays: pictures' names, their sizes, people's boxes."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import Images, make_images
from smallpose.dataloading.images import Picture, Pictures, read_picture
from smallpose.inference.boxes import Boxes, read_boxes, true_boxes
from smallpose.inference.predict_files import files_of, images_and_pictures, refuse_nobody

IMAGES = 1000  # of a shard

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Asked:
    """What is to be looked at: plain arrays, which workers of one machine map and do not copy.

    Args:
        image_ids: (m,).
        letters, ends: of the file names, UTF-8 end to end, and (m,) where each ends.
        sizes_wh: (m, 2) px; 0 where not said.
        pictures: where the names lead; None where they are paths.
        boxes: people's places, image by image; None for a method that finds people itself.
        category_id: of a person.
        per_shard: images.
    """

    image_ids: Numbers
    letters: Numbers
    ends: Numbers
    sizes_wh: Numbers
    pictures: Pictures | None
    boxes: Boxes | None
    category_id: int = 1
    per_shard: int = IMAGES

    @property
    def shards(self) -> int:
        """How many there are."""
        return -(-len(self.image_ids) // self.per_shard)

    @property
    def looked_at(self) -> int:
        """Images that are opened: with boxes, those that have one."""
        return len(self.image_ids) if self.boxes is None else len(np.unique(self.boxes.image_rows))

    def images(self, shard: int) -> Images:
        """Of a shard."""
        rows = slice(shard * self.per_shard, (shard + 1) * self.per_shard)
        ends = self.ends[rows].tolist()
        first = int(self.ends[rows.start - 1]) if rows.start else 0
        letters = self.letters[first : ends[-1]].tobytes()
        starts = [first, *ends[:-1]]
        names = [letters[a - first : b - first].decode() for a, b in zip(starts, ends, strict=True)]
        return make_images(self.image_ids[rows], names, *self.sizes_wh[rows].T)

    def boxes_of(self, shard: int) -> Boxes | None:
        """Of a shard's images, which are numbered from its first."""
        if self.boxes is None:
            return None
        edges = np.array([shard, shard + 1]) * self.per_shard
        begin, end = np.searchsorted(self.boxes.image_rows, edges)
        rows = slice(int(begin), int(end))
        return Boxes(
            self.boxes.image_rows[rows] - edges[0],
            self.boxes.boxes_xywh[rows],
            self.boxes.scores[rows],
            self.boxes.detected,
        )

    def read(self, name: str) -> Picture:
        """The picture of that name.

        Raises: InputError, also for what is refused: one file among millions is named and left.
        """
        try:
            return read_picture(Path(name)) if self.pictures is None else self.pictures.read(name)
        except RefusedError as error:
            raise InputError(error.where, error.what, error.mend) from None


def ask(
    images: Images,
    pictures: Pictures | None,
    boxes: Boxes | None = None,
    category_id: int = 1,
    per_shard: int = IMAGES,
) -> Asked:
    """`Asked` of a table's images."""
    names = [name.encode() for name in images.file_names]
    if boxes is not None:
        order = np.argsort(boxes.image_rows, kind="stable")
        rows, xywh, scores = boxes.image_rows, boxes.boxes_xywh, boxes.scores
        boxes = Boxes(rows[order], xywh[order], scores[order], boxes.detected)
    return Asked(
        images.ids,
        np.frombuffer(b"".join(names), np.uint8),
        np.cumsum([len(name) for name in names], dtype=np.int64),
        np.stack([images.width, images.height], axis=1),
        pictures,
        boxes,
        category_id,
        max(per_shard, 1),
    )


def ask_file(data: Path, images: Path, boxes: Path | bool, per_shard: int = IMAGES) -> Asked:
    """The images of a COCO file.

    Args:
        boxes: a detector's file; True for those in `data`, False for none.
    """
    # Workers may stand in other folders.
    people, pictures = images_and_pictures(data, images.absolute())
    where: Boxes | None = None
    if isinstance(boxes, Path):
        where = read_boxes(boxes, people.images, people.category_id)
    elif boxes:
        refuse_nobody(people, data)
        where = true_boxes(people)
    return ask(people.images, pictures, where, people.category_id, per_shard)


def ask_pictures(paths: Iterable[Path], per_shard: int = IMAGES) -> Asked:
    """Pictures and folders of pictures, none of them opened; image ids count from 1."""
    names = [str(path.absolute()) for path in files_of(paths)]
    if not names:
        raise InputError("predict", "no picture to look at", "name pictures or folders")
    return ask(make_images(range(1, len(names) + 1), names), None, per_shard=per_shard)
