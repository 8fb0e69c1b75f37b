"""Find the image that a record means, by its id or by the name of its file.

Results name images in several ways. COCO's have the id. Ultralytics writes the name of the file
without its suffix, as a number where it is one, and the name itself beside it. An id decides where
it fits one; a bare name is used only where no id fits. A file name that is given decides.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.instances import Images
from smallpose.system.image_formats import IMAGE_SUFFIXES

ImageId = int | str
_LAST_DIGITS = re.compile(r"\d+$")


def number_ids(ids: Sequence[ImageId]) -> tuple[NDArray[np.int64], tuple[ImageId, ...]]:
    """Return ids as numbers, and the ids themselves where any of them is text, else ().

    Texts are numbered from 1 in their own order, so that images come in the order of pycocotools.
    """
    if set(map(type, ids)) <= {int, bool}:
        return np.array(ids, dtype=np.int64), ()
    numbers = {one: i for i, one in enumerate(sorted(set(ids), key=str), 1)}
    return np.array([numbers[one] for one in ids], dtype=np.int64), tuple(ids)


class NameConflictError(InputError):
    """An id and the name of a file beside it are of different images."""


class ImageRows:
    """The rows of images by the ids of their file; 7 and "7" are the same id.

    Args:
        images: of the ground truth.
    """

    def __init__(self, images: Images) -> None:
        self._row_of = {image_id: row for row, image_id in enumerate(images.file_ids)}

    def find(self, image_id: ImageId) -> int | None:
        """Return the row; None where the id fits no image."""
        row = self._row_of.get(image_id)
        if row is not None:
            return row
        if isinstance(image_id, int):
            return self._row_of.get(str(image_id))
        number = _parse_number(image_id)
        is_canonical = number is not None and str(number) == image_id
        return self._row_of.get(number) if is_canonical and number is not None else None


class ImageLookup:
    """Finds the images of results.

    Args:
        images: of the ground truth.
        goes_by_names: a file name that is given decides, also where the id is of another image.
    """

    def __init__(self, images: Images, goes_by_names: bool = False) -> None:
        self._images = images
        self._goes_by_names = goes_by_names
        self._rows = ImageRows(images)
        self._by_name: dict[str, list[int]] = defaultdict(list)
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        self._by_number: dict[int, list[int]] = defaultdict(list)
        for row, file_name in enumerate(images.file_names):
            path = _split_path(file_name)
            self._by_name[path.name].append(row)
            self._by_stem[path.stem].append(row)
            number = _parse_number(path.stem)
            if number is not None:
                self._by_number[number].append(row)
        self._ids: dict[tuple[ImageId | None, str | None], int | None] = {}
        # An entry whose number is the id of one image and the name of another, and what it is.
        self._doubtful_id: tuple[str, str] | None = None
        self._number_of_name: ImageId | None = None  # a number that is no id, but a name
        self.numbers_as_ids: set[int] = set()  # ids that nothing but a number decided

    def find_id(self, image_id: ImageId | None, file_name: str | None, where: str) -> int:
        """Return the id in `images` as `find_id_if_known`.

        Raises: InputError where no image fits, too.
        """
        matched_id = self.find_id_if_known(image_id, file_name, where)
        if matched_id is None:
            name = file_name or image_id
            raise InputError(
                where,
                describe_unknown_image(name, self._images),
                "correct the entry or leave it out",
            )
        return matched_id

    def find_id_if_known(
        self, image_id: ImageId | None, file_name: str | None, where: str
    ) -> int | None:
        """Return the id in `images` of the image that a record means; None where none fits.

        Args:
            image_id: of the record: an id, or the name of the file without its suffix.
            file_name: the name of the file, where the record has it; folders may be left out.
            where: the record in messages.

        Raises: InputError where several images fit, or id and name are of different images.
        """
        key = (image_id, file_name)
        if key not in self._ids:
            row = self._find_row(image_id, file_name or None, where)
            self._ids[key] = None if row is None else int(self._images.ids[row])
        return self._ids[key]

    def has_own_numbers(self) -> bool:
        """Return whether records number images their own way: one id and one name for each."""
        numbers = {number for number, _ in self._ids}
        names = {name for _, name in self._ids}
        ids = set(self._ids.values())
        is_whole = None not in numbers | names | ids
        return is_whole and len(numbers) == len(names) == len(ids) == len(self._ids) > 1

    def refuse_mixture(self) -> None:
        """Raise InputError where some numbers can only be ids and others only names of files.

        Then the numbers are names, and those that fit an id do so by chance.
        """
        if self._doubtful_id is not None and self._number_of_name is not None:
            where, what = self._doubtful_id
            raise InputError(
                where,
                f"{what}, and image_id {self._number_of_name} is a name only",
                "write file_name beside image_id in every entry",
            )

    def _find_row(self, image_id: ImageId | None, file_name: str | None, where: str) -> int | None:
        if image_id is None and file_name is None:
            raise InputError(where, "Object missing required field image_id", "add it")
        row = None if image_id is None else self._rows.find(image_id)
        if file_name is not None:
            return self._find_row_of_file(image_id, row, file_name, where)
        assert image_id is not None
        number = _parse_number(image_id)
        rows_of_number = [] if number is None else self._by_number.get(number, [])
        if row is not None:
            if number is not None:
                self.numbers_as_ids.add(int(self._images.ids[row]))
            if rows_of_number and row not in rows_of_number:
                names = [self._images.file_names[i] for i in (row, rows_of_number[0])]
                what = f"image_id {image_id} is the id of {names[0]} and the name of {names[1]}"
                self._doubtful_id = self._doubtful_id or (where, what)
            return row
        rows = self._find_rows_by_name(str(image_id)) or rows_of_number
        if not rows and number is not None and isinstance(image_id, str):
            row = self._rows.find(number)  # 007 for 7
            rows = [] if row is None else [row]
        elif rows and number is not None:
            self._number_of_name = image_id
        return self._require_one(rows, str(image_id), where)

    def _find_row_of_file(
        self, image_id: ImageId | None, row: int | None, file_name: str, where: str
    ) -> int | None:
        rows = self._find_rows_by_name(file_name)
        stem = _split_path(file_name).stem
        # Then image_id was made of the name and says nothing more.
        number = _parse_number(stem)
        is_stem = image_id == stem or (number is not None and _parse_number(image_id) == number)
        if row is None or (is_stem and len(rows) == 1):
            return self._require_one(rows, file_name, where)
        if row in rows:
            return row if not is_stem else self._require_one(rows, file_name, where)
        own_name = self._images.file_names[row]
        if not own_name and not rows:
            return row
        if self._goes_by_names:
            return self._require_one(rows, file_name, where)
        own_number = _parse_number(_split_path(own_name).stem)
        if own_number is not None and number is not None and own_number == number + 1:
            raise InputError(
                where,
                f"image_id {image_id!r} is the image {own_name!r}, but file_name is {file_name!r}",
                "where the images of the ground truth are frames that ffmpeg numbered from 1, give "
                "them the numbers of predict, which are from 0 and of all frames (ffmpeg "
                "-start_number 0; with fps= it numbers anew)",
            )
        what = f"image_id {image_id!r} is the image {own_name!r}, but file_name is {file_name!r}"
        if _split_path(own_name).name == _split_path(file_name).name:
            raise NameConflictError(
                where,
                f"{what}, in other folders",
                "write the same folders into file_name of both, or predict a folder that is "
                "called as in the labels",
            )
        raise NameConflictError(
            where,
            what,
            "correct one of the two, or go by the names alone, without results of images that the "
            "ground truth does not have: --unknown-images drop; ids that predict numbered itself "
            "become those of the truth with smallpose predict METHOD --data TRUTH.json --images "
            "DIR --out RESULTS.json",
        )

    def _find_rows_by_name(self, name: str) -> list[int]:
        """Return the rows of the images with that file name, with or without folders and suffix."""
        path = _split_path(name)
        has_suffix = path.suffix.lower() in IMAGE_SUFFIXES
        for table, key in (
            (self._by_name, path.name),
            (self._by_stem, path.name),
            (self._by_stem, path.stem if has_suffix else ""),
        ):
            candidates = table.get(key, []) if key else []
            rows = [row for row in candidates if self._has_folders(row, path)]
            exact = [row for row in rows if self._images.file_names[row] == name]
            if rows:
                return exact or rows
        return []

    def _has_folders(self, row: int, path: PurePosixPath) -> bool:
        """Return whether an image's folders agree with those of a path as far as both go."""
        own = _split_path(self._images.file_names[row]).parts[-2::-1]
        return all(a == b for a, b in zip(own, path.parts[-2::-1], strict=False))

    def _require_one(self, rows: list[int], name: str, where: str) -> int | None:
        if len(rows) > 1:
            raise InputError(
                where,
                f"several images are called {name!r}",
                "use image ids, or write file_name with its folders",
            )
        return rows[0] if rows else None


def describe_unknown_image(name: ImageId | None, images: Images) -> str:
    """Say that the truth lacks an image, and how one of its own is called."""
    return f"image {name!r} is not in the truth{describe_example(images, name)}"


def describe_example(images: Images, name: ImageId | None = None) -> str:
    """Name one image of the truth, after a comma; "" where it has none.

    Args:
        name: of an image that it lacks; an image of the same number is taken, if there is one.
    """
    if not len(images):
        return ", which has no images"
    number = _get_last_number(name)
    numbers = map(_get_last_number, images.file_names)
    row = next((i for i, own in enumerate(numbers) if own == number), 0) if number else 0
    own_id = f"id {images.file_ids[row]}"
    called = f"{images.file_names[row]!r} ({own_id})" if images.file_names[row] else own_id
    return f", where {'an image' if len(images) > 1 else 'the image'} is called {called}"


def _get_last_number(name: ImageId | None) -> str:
    """Return the digits that a name ends with, before its suffix; "" without any."""
    digits = _LAST_DIGITS.search(_split_path(str(name)).stem)
    return digits[0] if isinstance(name, str) and digits else ""


def describe_doubtful_ids(images: Images, ids: Sequence[int]) -> tuple[str, ...]:
    """Say so where the ids of results may be names of files: each is the name of another image.

    Args:
        images: of the ground truth.
        ids: that were read as ids, rising, each once.
    """
    if not ids or images.text_ids:
        return ()
    # Ordinary files end at one of the next two checks, so reading them takes no longer: ids are
    # the numbers of their images, or images are counted from 0 and ids from 1.
    (row,) = np.flatnonzero(images.ids == ids[0]).tolist()
    own_number = _get_stem_number(images.file_names[row])
    if own_number is None or own_number == ids[0]:
        return ()
    last = str(ids[-1])
    if ids[-1] not in {_get_stem_number(name) for name in images.file_names if last in name}:
        return ()
    numbers = [_get_stem_number(name) for name in images.file_names]
    names = dict(zip(numbers, images.file_names, strict=True))
    own_numbers = dict(zip(images.ids.tolist(), numbers, strict=True))
    if any(one not in names or own_numbers[one] == one for one in ids):
        return ()
    return (
        f"image_id is read as an id, and each is the name of another image as well: {ids[0]} is "
        f"{images.file_names[row]} by id and {names[ids[0]]} by name; write file_name beside it to "
        "go by names",
    )


def list_stem_numbers(images: Images) -> set[int]:
    """Return the numbers that images are called by, such as 785 of 000785.jpg."""
    numbers = map(_get_stem_number, images.file_names)
    return {number for number in numbers if number is not None}


def _split_path(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


def _get_stem_number(file_name: str) -> int | None:
    return _parse_number(_split_path(file_name).stem)


def _parse_number(text: ImageId | None) -> int | None:
    """Return the number that a text such as 000785 is; None for other texts."""
    if not isinstance(text, str):
        return text
    digits = text.removeprefix("-")
    return int(text) if digits.isdecimal() and len(digits) < 19 else None
