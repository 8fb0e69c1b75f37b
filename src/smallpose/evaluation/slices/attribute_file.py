"""Read a table of attributes: one row per image or per person, in any order."""

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.evaluation.matching.arrays import Ints
from smallpose.io.image_lookup import ImageId, ImageLookup

IMAGE_KEYS = ("image_id", "file_name")
PERSON_KEYS = ("annotation_id", "person_id", "ann_id")
_DELIMITERS = (",", ";", "\t")
_NUMBERS = re.compile(r"[-0-9 ]*")
_Cells = Mapping[str, Sequence[str]]  # of columns, by name


@dataclass(frozen=True)
class Attributes:
    """Columns of a table of attributes, in the order of the ground truth.

    Args:
        file: its name in messages.
        by: "image" or "person".
        columns: by name, the value of each of the (m,) images or (n,) people; "" for none.
        num_rows: of the table.
        num_without_row: images, or people who count, that the table does not have.
    """

    file: str
    by: str
    columns: dict[str, list[str]]
    num_rows: int
    num_without_row: int


def read_attributes(path: Path, truth: Instances) -> Attributes:
    """Read a table with a column of keys and any number of columns of attributes.

    A column `annotation_id` (or `person_id`) makes it a table of people, `image_id` or `file_name`
    one of images. Cells may be separated by commas, semicolons or tabs.

    Raises: InputError that names the line where the table is wrong.
    """
    where = str(path)
    table = _Table(where, _read_text(path))
    header, columns_of_cells = table.split()
    is_of_people = any(name in PERSON_KEYS for name in header)
    names = [name for name in header if name and name not in (*IMAGE_KEYS, *PERSON_KEYS)]
    keys = [name for name in header if name in (PERSON_KEYS if is_of_people else IMAGE_KEYS)]
    if not keys:
        raise InputError(
            f"{where}, line 1",
            f"has no column of keys among {', '.join(header)[:200]}",
            f"name one {', '.join(IMAGE_KEYS)} or {PERSON_KEYS[0]}",
        )
    if not names:
        raise InputError(
            f"{where}, line 1", "has no column beside the keys", "add a column with an attribute"
        )
    size = len(truth) if is_of_people else len(truth.images)
    cells = dict(zip(header, columns_of_cells, strict=True))
    row_of_key = None
    if is_of_people and len(keys) == 1 and not truth.text_ids:
        row_of_key = _find_numbers(cells[keys[0]], truth.ids)
    if row_of_key is None:
        find = _find_rows_of_people if is_of_people else _find_rows_of_images
        row_of_key = find(truth, {key: cells[key] for key in keys}, table)
    has_row = np.zeros(size, dtype=bool)
    has_row[row_of_key] = True
    columns = {}
    for name in names:
        column = np.full(size, "", dtype=object)
        column[row_of_key] = list(map(str.strip, cells[name]))
        columns[name] = column.tolist()
    is_expected = truth.is_counted if is_of_people else np.ones(size, dtype=bool)
    return Attributes(
        file=where,
        by="person" if is_of_people else "image",
        columns=columns,
        num_rows=len(row_of_key),
        num_without_row=int(np.count_nonzero(is_expected & ~has_row)),
    )


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"--slices {path}", error.strerror or "cannot be read", "give a CSV file"
        ) from None
    try:
        # Excel writes a byte order mark.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(str(path), "is not text in UTF-8", "save it as CSV in UTF-8") from None


@dataclass(frozen=True)
class _Table:
    """The text of a table, and where it is."""

    where: str
    text: str

    @property
    def delimiter(self) -> str:
        """Return the separator of cells that the first line has most of."""
        return max(_DELIMITERS, key=self.text.partition("\n")[0].count)

    def split(self) -> tuple[list[str], Sequence[Sequence[str]]]:
        """Return the header and the cells of each column.

        Raises: InputError for an empty table, a repeated column or a row of another length.
        """
        plain = self._split_plain()
        if plain is not None:
            header, columns = plain
            return self._check_header(header), columns
        try:
            lines = [cells for cells in self._open() if _has_cells(cells)]
        except csv.Error:
            lines = [cells for _, cells in self._number_lines()]  # fails with its line
        if len(lines) < 2:
            raise InputError(
                self.where, "has no rows", "write a header and one row per image or person"
            )
        header = self._check_header(lines[0])
        for index, cells in enumerate(lines[1:]):
            if len(cells) != len(header):
                raise InputError(
                    self.locate(index),
                    f"has {format_count(len(cells), 'cell')}, and the header has {len(header)}",
                    "write one cell per column, in quotes where it has a separator",
                )
        return header, list(zip(*lines[1:], strict=True))

    def _split_plain(self) -> tuple[list[str], list[list[str]]] | None:
        """Split text without quotes and with lines of one length; None for any other text.

        A list for each line would take more time than the scores of the slices.
        """
        text = self.text.replace("\r\n", "\n")
        if any(mark in text for mark in '"\r\0'):
            return None
        delimiter = self.delimiter
        lines = [line for line in text.split("\n") if line.strip(delimiter)]
        lengths = set(map(str.count, lines, itertools.repeat(delimiter)))
        if len(lines) < 2 or len(lengths) > 1:
            return None
        width = lengths.pop() + 1
        cells = delimiter.join(lines).split(delimiter)
        return cells[:width], [cells[width + column :: width] for column in range(width)]

    def _check_header(self, names: Sequence[str]) -> list[str]:
        """Return the names of the columns; InputError where one is there twice."""
        header = [name.strip() for name in names]
        header = [
            name.lower() if name.lower() in (*IMAGE_KEYS, *PERSON_KEYS) else name for name in header
        ]
        repeated = [name for name, count in Counter(header).items() if count > 1]
        if repeated:
            raise InputError(
                f"{self.where}, line 1",
                f"the column {repeated[0]!r} is there twice",
                "rename one of them",
            )
        return header

    def locate(self, index: int) -> str:
        """Return the file and the line of a row, from 0, for a message."""
        return f"{self.where}, line {self.find_line(index)}"

    def find_line(self, index: int) -> int:
        """Return the line of a row, from 0."""
        return next(itertools.islice(self._number_lines(), index + 1, None))[0]

    def _number_lines(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number and the cells of each line that has any."""
        reader = self._open()
        try:
            for cells in reader:
                if _has_cells(cells):
                    yield reader.line_num, cells
        except csv.Error as error:
            raise InputError(
                f"{self.where}, line {reader.line_num}",
                f"is not CSV ({error})",
                "save it as CSV in UTF-8",
            ) from None

    def _open(self) -> Any:
        return csv.reader(io.StringIO(self.text, newline=""), delimiter=self.delimiter)


def _has_cells(cells: Sequence[str]) -> bool:
    """Return whether a line is a row; spreadsheets write lines of separators alone at the end."""
    return bool(cells) and (bool(cells[0]) or any(cells))


def _find_numbers(keys: Sequence[str], ids: NDArray[np.int64]) -> Ints | None:
    """Return the rows of ids that are written as numbers; None where any needs a closer look."""
    if not _NUMBERS.fullmatch(" ".join(keys)):
        return None
    try:
        numbers = np.array(list(map(int, keys)), dtype=np.int64)
    except (ValueError, OverflowError):
        return None
    order = np.argsort(ids, kind="stable")
    known = ids[order]
    at = np.searchsorted(known, numbers)
    is_known = at < len(known)
    is_known[is_known] = known[at[is_known]] == numbers[is_known]
    is_unique = len(np.unique(numbers)) == len(numbers) and bool((np.diff(known) > 0).all())
    return order[at] if is_unique and is_known.all() else None


def _find_rows_of_images(truth: Instances, cells: _Cells, table: _Table) -> Ints:
    """Return the rows of the images that the keys name; InputError for a wrong one."""
    row_of_id = {str(image): row for row, image in enumerate(truth.images.file_ids)}
    lookups: list[ImageLookup] = []  # made where an id alone does not decide

    def find_row(keys: dict[str, str], index: int) -> int:
        file_name = keys.get("file_name", "").strip()
        text = keys.get("image_id", "").strip()
        if not (text or file_name):
            raise InputError(
                table.locate(index), "has no key", "write the id or the file name of the image"
            )
        row = None if file_name else row_of_id.get(text)
        if row is not None:
            return row
        image_id: ImageId | None = int(text) if _is_number(text) else text or None
        if not lookups:
            lookups.append(ImageLookup(truth.images))
        try:
            known_id = lookups[0].find_id(image_id, file_name or None, table.where)
        except InputError:
            # Again, with the line in the message; to find a line takes time.
            known_id = lookups[0].find_id(image_id, file_name or None, table.locate(index))
        return truth.images.row_of[known_id]

    return _find_rows(cells, find_row, table, "image")


def _find_rows_of_people(truth: Instances, cells: _Cells, table: _Table) -> Ints:
    """Return the rows of the people that the keys name; InputError for a wrong one."""
    ids = [str(person) for person in truth.file_ids]
    row_of = {person: row for row, person in enumerate(ids)}
    repeated = set()
    if len(row_of) < len(ids):
        repeated = {person for person, count in Counter(ids).items() if count > 1}

    def find_row(keys: dict[str, str], index: int) -> int:
        ((key, text),) = list(keys.items())[:1]
        text = text.strip()
        row = row_of.get(text)
        if row is None and _is_number(text):
            row = row_of.get(str(int(text)))
        if row is None or text in repeated:
            what = (
                "is in the ground truth twice" if text in repeated else "is not in the ground truth"
            )
            raise InputError(
                table.locate(index),
                f"{key} {text!r} {what}",
                "write the id of an annotation, or leave it out",
            )
        return row

    return _find_rows(cells, find_row, table, "person")


def _find_rows(
    cells: _Cells, find_row: Callable[[dict[str, str], int], int], table: _Table, unit: str
) -> Ints:
    """Find the row of each key; InputError where two are the same."""
    first_index: dict[int, int] = {}
    for index, key in enumerate(zip(*cells.values(), strict=True)):
        row = find_row(dict(zip(cells, key, strict=True)), index)
        if row in first_index:
            raise InputError(
                table.locate(index),
                f"the same {unit} is in line {table.find_line(first_index[row])}",
                "keep one of the two rows",
            )
        first_index[row] = index
    return np.array(list(first_index), dtype=np.intp)


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and text.isascii()


def choose_columns(attributes: Attributes, wanted: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the columns of each slicing: one name, or several that are crossed.

    Args:
        wanted: such as `weather` or `weather*light`; every column on its own where it is empty.
    Raises: InputError for a column that the table does not have.
    """
    if not wanted:
        return [(name,) for name in attributes.columns]
    chosen = []
    for text in wanted:
        names = tuple(name.strip() for name in text.split("*"))
        for name in names:
            if name not in attributes.columns:
                raise InputError(
                    f"--slice-by {text}",
                    f"{attributes.file} has no column {name!r}",
                    f"choose from {', '.join(attributes.columns)}",
                )
        if len(set(names)) < len(names):
            raise InputError(
                f"--slice-by {text}", "a column is crossed with itself", "name each once"
            )
        chosen.append(names)
    return list(dict.fromkeys(chosen))
