"""Read a table of attributes: one row per image or per person, in any order."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances
from smallpose.io.image_lookup import ImageId, ImageLookup

IMAGE_KEYS = ("image_id", "file_name")
PERSON_KEYS = ("annotation_id", "person_id", "ann_id")
_DELIMITERS = (",", ";", "\t")


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
    header, rows = _split_table(_read_text(path), where)
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
    row_of_text, find_row = _index_people(truth) if is_of_people else _index_images(truth)
    size = len(truth) if is_of_people else len(truth.images)
    cells = dict(zip(header, zip(*(row for _, row in rows), strict=True), strict=True))
    line_of: dict[int, int] = {}
    for (line, _), *key in zip(rows, *(cells[key] for key in keys), strict=True):
        row = row_of_text.get(key[0]) if len(keys) == 1 else None
        if row is None:
            row = find_row(dict(zip(keys, key, strict=True)), f"{where}, line {line}")
        if row in line_of:
            raise InputError(
                f"{where}, line {line}",
                f"the same {'person' if is_of_people else 'image'} is in line {line_of[row]}",
                "keep one of the two rows",
            )
        line_of[row] = line
    columns = {name: [""] * size for name in names}
    for name, column in columns.items():
        for row, cell in zip(line_of, cells[name], strict=True):
            column[row] = cell.strip()
    is_counted = truth.is_counted.tolist() if is_of_people else [True] * size
    return Attributes(
        file=where,
        by="person" if is_of_people else "image",
        columns=columns,
        num_rows=len(line_of),
        num_without_row=sum(is_counted[i] and i not in line_of for i in range(size)),
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


def _split_table(text: str, where: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header and the rows with their lines.

    Raises: InputError for an empty table, a repeated column or a row of another length.
    """
    first_line = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        # A line of separators alone, as spreadsheets write them at the end, is no row.
        lines = [(reader.line_num, cells) for cells in reader if cells and (cells[0] or any(cells))]
    except csv.Error as error:
        raise InputError(
            f"{where}, line {reader.line_num}", f"is not CSV ({error})", "save it as CSV in UTF-8"
        ) from None
    if len(lines) < 2:
        raise InputError(where, "has no rows", "write a header and one row per image or person")
    header = [name.strip() for name in lines[0][1]]
    header = [
        name.lower() if name.lower() in (*IMAGE_KEYS, *PERSON_KEYS) else name for name in header
    ]
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise InputError(
            f"{where}, line 1", f"the column {repeated[0]!r} is there twice", "rename one of them"
        )
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise InputError(
                f"{where}, line {line}",
                f"has {len(cells)} cells, and the header has {len(header)}",
                "write one cell per column, in quotes where it has a separator",
            )
    return header, lines[1:]


_FindRow = Callable[[dict[str, str], str], int]


def _index_images(truth: Instances) -> tuple[dict[str, int], _FindRow]:
    """Return the rows of images by what a key usually is, and a function for all other keys."""
    row_of_id = {str(image): row for row, image in enumerate(truth.images.file_ids)}
    lookups: list[ImageLookup] = []  # made where an id alone does not decide

    def find_row(keys: dict[str, str], where: str) -> int:
        file_name = keys.get("file_name", "").strip()
        text = keys.get("image_id", "").strip()
        if not (text or file_name):
            raise InputError(where, "has no key", "write the id or the file name of the image")
        row = None if file_name else row_of_id.get(text)
        if row is not None:
            return row
        if not lookups:
            lookups.append(ImageLookup(truth.images))
        image_id: ImageId | None = int(text) if _is_number(text) else text or None
        return truth.images.row_of[lookups[0].find_id(image_id, file_name or None, where)]

    return {}, find_row


def _index_people(truth: Instances) -> tuple[dict[str, int], _FindRow]:
    """Return the rows of people by what a key usually is, and a function for all other keys."""
    ids = [str(person) for person in truth.file_ids]
    row_of = {person: row for row, person in enumerate(ids)}
    repeated = set()
    if len(row_of) < len(ids):
        repeated = {person for person, count in Counter(ids).items() if count > 1}

    def find_row(keys: dict[str, str], where: str) -> int:
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
                where, f"{key} {text!r} {what}", "write the id of an annotation, or leave it out"
            )
        return row

    return {p: row for p, row in row_of.items() if p not in repeated}, find_row


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
