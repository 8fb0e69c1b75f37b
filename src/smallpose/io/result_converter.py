"""Collect the poses that other tools wrote as records of a COCO result file."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Images
from smallpose.io.image_lookup import ImageLookup, describe_unknown_image
from smallpose.io.pose_forms import PoseReader, has_poses, is_pose
from smallpose.io.pose_records import Record
from smallpose.io.result_entries import ResultEntries
from smallpose.io.unknown_images import UNKNOWN_IMAGES_REMEDY, UnknownImages

IMAGE_KEYS = ("image_id", "file_name")
CONVERT_REMEDY = (
    "write the image beside each: "
    'json.dump([{"file_name": name, "poses": poses} for name, poses in zip(names, outputs)], file)'
)


class Converter:
    """Collects the records of images and what has to be told about them."""

    def __init__(self) -> None:
        self._reader = PoseReader()
        self._raws: list[Raw] = []
        self._places: list[str] = []
        self._counts: Counter[str] = Counter()  # of entries with all poses, by image

    def add_image(self, image: Record, value: Any, where: str) -> None:
        """Add the poses of an image.

        Args:
            image: the fields that name it.
            value: its poses, decoded JSON.
        """
        self._counts[repr(image)] += 1
        for number, record in enumerate(self._reader.read_image(value, where)):
            self._add(image | record, f"{where}, person[{number}]")

    def add_entry(self, entry: Any, where: str) -> None:
        """Add an entry of a list that names its image: a pose, or the poses of the image."""
        image = _get_image(entry, where)
        if "poses" in entry:
            self.add_image(image, entry["poses"], where)
        elif is_pose(entry) and not has_poses(entry):
            self._add(image | self._reader.read_pose(entry, where), where)
        else:
            self.add_image(image, entry, where)

    def add_raw(self, raw: Raw, where: str) -> None:
        """Add a record that is one of a COCO list already."""
        self._raws.append(raw)
        self._places.append(where)

    def finish(self) -> ResultEntries:
        """Return all entries."""
        return ResultEntries(
            self._raws,
            keypoint_names=self._reader.keypoint_names,
            places=self._places,
            notes=[*self._reader.list_notes(), *self._describe_repeated()],
        )

    def _describe_repeated(self) -> list[str]:
        count = sum(count > 1 for count in self._counts.values())
        if not count:
            return []
        subject = format_count(count, "image has", "images have")
        return [
            f"{subject} more than one list of poses, as of a padded sampler; all are "
            "kept, so that a pose may count twice"
        ]

    def _add(self, record: Record, where: str) -> None:
        self.add_raw(Raw(msgspec.json.encode(record)), where)


class FileImages:
    """Finds the images of files with one image's results each, by the names of the files.

    Args:
        images: of the ground truth; None to keep the names.
        unknown_images: "drop" to keep the names of images that the ground truth does not have, by
            which their results are left out later.
    """

    def __init__(self, images: Images | None, unknown_images: UnknownImages = "refuse") -> None:
        self._images = images
        self._unknown_images = unknown_images
        self._lookup = None if images is None else ImageLookup(images)

    def find(self, names: Sequence[str], where: str) -> Record:
        """Return the fields that name the image in a record.

        Args:
            names: that the image may have, with or without a suffix, the best first. One that no
                image has may be its id.
        """
        image = self.find_if_known(names, where)
        if image is not None:
            return image
        if self._unknown_images == "drop":
            return {"file_name": names[-1]}
        assert self._images is not None
        what = describe_unknown_image(names[-1], self._images)
        raise InputError(where, what, UNKNOWN_IMAGES_REMEDY)

    def find_if_known(self, names: Sequence[str], where: str) -> Record | None:
        """Return the fields as `find`; None where no image has one of the names."""
        if self._images is None or self._lookup is None:
            return {"file_name": names[-1]}
        arguments = [(None, name) for name in names] + [(name, None) for name in names]
        for image_id, file_name in arguments:
            known = self._lookup.find_id_if_known(image_id, file_name, where)
            if known is not None:
                return {"image_id": self._images.file_id_of[known]}
        return None


def _get_image(entry: Any, where: str) -> Record:
    image = (
        {key: entry[key] for key in IMAGE_KEYS if entry.get(key) is not None}
        if isinstance(entry, dict)
        else {}
    )
    if not image:
        raise InputError(where, "does not name its image by image_id or file_name", CONVERT_REMEDY)
    return image


def try_decode(data: bytes) -> Any:
    """Return decoded JSON; None where it is none."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
