"""The images of a large prediction job as arrays: names, sizes, and boxes of people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import Images, make_images
from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.coco_files import open_coco_file
from smallpose.dataloading.images import ImageArray, ImageReader
from smallpose.dataloading.large_images import LargeImage, open_image
from smallpose.dataloading.shown_images import open_shown_image
from smallpose.inference.boxes import Boxes, read_boxes, select_true_boxes
from smallpose.inference.predict_files import check_labelled_boxes, read_file_boxes
from smallpose.inference.rotated_images import find_turned_images
from smallpose.io.image_files import list_image_files
from smallpose.system.progress import print_status

IMAGES_PER_SHARD = 1000

Numbers = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class WorkList:
    """The images of a job: plain arrays, which workers of one machine map instead of copying.

    Args:
        image_ids: (m,).
        name_bytes, name_ends: file names end to end, UTF-8, and (m,) the index at which each ends.
        sizes_wh: (m, 2) px; 0 where unknown.
        reader: reads images by their names; None if the names are paths.
        boxes: of people, sorted by image; None for a method that detects people itself.
        category_id: of a person.
        text_ids: (m,) the ids of the images in the file, where any is text; else empty.
        per_shard: images per shard.
        skeleton: the joints of the COCO file; None for image files.
        turned: names of the images that are turned by their EXIF orientation; None for all that
            have one.
    """

    image_ids: Numbers
    name_bytes: Numbers
    name_ends: Numbers
    sizes_wh: Numbers
    reader: ImageReader | None
    boxes: Boxes | None
    category_id: int | str = 1
    text_ids: tuple[int | str, ...] = ()
    per_shard: int = IMAGES_PER_SHARD
    skeleton: Skeleton | None = None
    turned: frozenset[str] | None = frozenset()

    @property
    def num_shards(self) -> int:
        """Return the number of shards."""
        return -(-len(self.image_ids) // self.per_shard)

    @property
    def num_images_read(self) -> int:
        """Return the number of images that are opened; images without a box are not."""
        return len(self.image_ids) if self.boxes is None else len(np.unique(self.boxes.image_rows))

    def images_of(self, shard: int) -> Images:
        """Return the images of a shard."""
        rows = slice(shard * self.per_shard, (shard + 1) * self.per_shard)
        ends = self.name_ends[rows].tolist()
        first = int(self.name_ends[rows.start - 1]) if rows.start else 0
        name_bytes = self.name_bytes[first : ends[-1]].tobytes()
        starts = [first, *ends[:-1]]
        names = [
            name_bytes[start - first : end - first].decode()
            for start, end in zip(starts, ends, strict=True)
        ]
        images = make_images(self.image_ids[rows], names, *self.sizes_wh[rows].T)
        return replace(images, text_ids=self.text_ids[rows])

    def boxes_of(self, shard: int) -> Boxes | None:
        """Return the boxes in the images of a shard; rows count from its first image."""
        if self.boxes is None:
            return None
        edges = np.array([shard, shard + 1]) * self.per_shard
        begin, end = np.searchsorted(self.boxes.image_rows, edges)
        rows = slice(int(begin), int(end))
        return Boxes(
            self.boxes.image_rows[rows] - edges[0],
            self.boxes.boxes_xywh[rows],
            self.boxes.scores[rows],
            self.boxes.from_detector,
        )

    def read(self, name: str) -> ImageArray | LargeImage:
        """Read an image.

        Raises: InputError, also in place of RefusedError: one file among millions is reported and
            skipped.
        """
        try:
            path = Path(name) if self.reader is None else self.reader.resolve(name)
            is_shown = self.turned is None or name in self.turned
            return open_shown_image(path) if is_shown else open_image(path)
        except RefusedError as error:
            raise InputError(error.where, error.what, error.remedy) from None


def make_work_list(
    images: Images,
    reader: ImageReader | None,
    boxes: Boxes | None = None,
    category_id: int | str = 1,
    per_shard: int = IMAGES_PER_SHARD,
) -> WorkList:
    """Make the work list of a table's images."""
    names = [name.encode() for name in images.file_names]
    if boxes is not None:
        order = np.argsort(boxes.image_rows, kind="stable")
        boxes = Boxes(
            boxes.image_rows[order],
            boxes.boxes_xywh[order],
            boxes.scores[order],
            boxes.from_detector,
        )
    return WorkList(
        image_ids=images.ids,
        name_bytes=np.frombuffer(b"".join(names), np.uint8),
        name_ends=np.cumsum([len(name) for name in names], dtype=np.int64),
        sizes_wh=np.stack([images.width, images.height], axis=1),
        reader=reader,
        boxes=boxes,
        category_id=category_id,
        text_ids=images.text_ids,
        per_shard=max(per_shard, 1),
    )


def list_coco_file(
    data: Path,
    images: Path,
    boxes: Path | bool,
    per_shard: int = IMAGES_PER_SHARD,
    category: Sequence[str] = (),
    apply_exif: bool = False,
) -> WorkList:
    """Make the work list of the images of a COCO file.

    Args:
        boxes: a detector's file; True for those in `data`, False for none.
        category: names of the categories of people in `data`, as in `read_coco`.
        apply_exif: turn images by their EXIF orientation, as `predict_coco_file` does.
    """
    # Workers may have other working directories.
    people, reader = open_coco_file(data, images.absolute(), category=category)
    for note in people.notes:
        print_status(f"{data}: {note}")
    boxes_of_images: Boxes | None = None
    if isinstance(boxes, Path):
        boxes_of_images = read_boxes(boxes, people.images, people.category_ids)
    elif boxes:
        check_labelled_boxes(people, data)
        boxes_of_images = select_true_boxes(people)
    work = make_work_list(people.images, reader, boxes_of_images, people.category_id, per_shard)
    turned = find_turned_images(people, reader, data) if apply_exif else frozenset()
    return replace(work, skeleton=people.skeleton, turned=turned)


def list_images(
    paths: Iterable[Path],
    per_shard: int = IMAGES_PER_SHARD,
    boxes: Path | None = None,
    apply_exif: bool = False,
) -> WorkList:
    """Make the work list of image files and folders, without opening any; ids count from 1.

    Args:
        boxes: a detector's file.
        apply_exif: turn images by their EXIF orientation.
    """
    names = [str(path.absolute()) for path in list_image_files(paths)]
    if not names:
        raise InputError("predict", "there is no image to predict", "name images or folders")
    images = make_images(range(1, len(names) + 1), names)
    boxes_of_images = None if boxes is None else read_file_boxes(boxes, images)
    work = make_work_list(images, None, boxes_of_images, per_shard=per_shard)
    return replace(work, turned=None) if apply_exif else work
