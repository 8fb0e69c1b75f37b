"""Find the images of a detector's boxes among image files, which have names and no ids."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from smallpose.core.errors import InputError
from smallpose.core.instances import Images
from smallpose.io.image_lookup import ImageLookup

ImageId = int | str


class FileNameLookup:
    """Finds image files by the `file_name` of records, else by their stem as `image_id`.

    The ids of a detector's file are its own. One that is beside a file name somewhere stands for
    that image wherever it is alone.

    Args:
        images: of the files.
        records: (image_id, file_name) of all records.
        describe: returns the place of a record in messages.

    Raises: InputError where an id has two file names, a file two ids, or several files fit.
    """

    def __init__(
        self,
        images: Images,
        records: Sequence[tuple[ImageId | None, str | None]],
        describe: Callable[[int], str],
    ) -> None:
        # The numbers by which we count the files mean nothing to a detector.
        self._lookup = ImageLookup(replace(images, text_ids=images.file_names))
        self._file_names = dict(zip(images.ids.tolist(), images.file_names, strict=True))
        self._file_of_id: dict[ImageId, tuple[int | None, str]] = {}
        self._id_of_file: dict[int, ImageId] = {}
        for index, (image_id, file_name) in enumerate(records):
            if image_id is not None and file_name:
                self._add_pair(image_id, file_name, describe(index))

    def _add_pair(self, image_id: ImageId, file_name: str, where: str) -> None:
        """Remember that a record has this id and this file name."""
        file = self._lookup.find_id_if_known(None, file_name, where)
        known_file, known_name = self._file_of_id.setdefault(image_id, (file, file_name))
        if known_file != file or (file is None and known_name != file_name):
            raise InputError(
                where,
                f"image_id {image_id!r} is of {file_name!r} here and of {known_name!r} before",
                "correct one of the two entries",
            )
        known_id = image_id if file is None else self._id_of_file.setdefault(file, image_id)
        if known_id != image_id:
            raise InputError(
                where,
                f"{file_name!r} has image_id {image_id!r} here and {known_id!r} before",
                "correct one of the two entries",
            )

    def find_id(self, image_id: ImageId | None, file_name: str | None, where: str) -> int | None:
        """Return our id of the image that a record means; None where it is none of the files."""
        if file_name:
            return self._lookup.find_id_if_known(None, file_name, where)
        if image_id not in self._file_of_id:
            return self._lookup.find_id_if_known(image_id, None, where)
        file, name = self._file_of_id[image_id]
        by_stem = self._lookup.find_id_if_known(image_id, None, where)
        if by_stem not in (None, file):
            raise InputError(
                where,
                f"image_id {image_id!r} is the name of {self._file_names[by_stem]!r} and of "
                f"{name!r} in another entry",
                "write file_name beside image_id in every entry",
            )
        return file
