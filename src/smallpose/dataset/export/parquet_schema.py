"""Check rows of Parquet before they are converted: columns, types, and values that must exist."""

from typing import Any

import msgspec
from msgspec import Struct

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.dataset.export.parquet import import_pyarrow

_REMEDY = "export the data set again with smallpose export --to parquet"
# Fields of a person that are lists, and whether the others are integers or any numbers.
_LIST_FIELDS = ("bbox", "keypoints")
_INTEGER_FIELDS = ("id", "num_keypoints", "iscrowd")
_NUMBER_FIELDS = ("area", "segmentation_area")
_NAME_FIELDS = ("source", "box_rule")


class Description(Struct):
    """Our JSON among the metadata of a file: the category."""

    keypoints: list[str]
    skeleton: list[tuple[int, int]]
    category_id: int


def parse_description(where: str, text: bytes) -> Description:
    """Parse the JSON among a file's metadata.

    Raises: InputError when it is damaged.
    """
    try:
        description = msgspec.json.decode(text, type=Description)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error).replace("`", "").replace("$.", "")
        raise InputError(
            where, f"its metadata `smallpose` is damaged ({reason})", _REMEDY
        ) from None
    count = len(description.keypoints)
    is_unique = len(set(description.keypoints)) == count
    is_inside = all(1 <= end <= count for edge in description.skeleton for end in edge)
    if not (count and is_unique and is_inside):
        raise InputError(
            where, "its metadata `smallpose` names no joints, or unknown ones in an edge", _REMEDY
        )
    return description


def check_images(where: str, table: Any) -> None:
    """Raise InputError where the columns of the images have another type or lack values."""
    pa = import_pyarrow()
    for name in ("source", "people"):
        if name not in table.column_names:
            raise InputError(where, f"has no column {name!r}", _REMEDY)
    for name in ("image_id", "width", "height"):
        if name in table.column_names:
            column = table[name]
            _require(where, name, pa.types.is_integer(column.type), "integers", column.null_count)
    for name in ("file_name", "source_id", "group", "source_split"):
        if name in table.column_names:
            column = table[name]
            _require(where, name, _is_text(pa, column.type), "text", column.null_count)
    _require(where, "source", _is_text(pa, table["source"].type), "text")


def check_people(where: str, people: Any, num_joints: int) -> None:
    """Raise InputError where the people of some images have other fields than an export.

    Args:
        people: an Arrow array of lists of records.
    """
    pa, pc = import_pyarrow(), import_pyarrow("pyarrow.compute")
    is_list = pa.types.is_list(people.type) or pa.types.is_large_list(people.type)
    if not (is_list and pa.types.is_struct(people.type.value_type)):
        raise InputError(where, "its column 'people' is no list of records", _REMEDY)
    records = people.flatten()
    _require(where, "people", True, "records", records.null_count)
    known = {field.name for field in people.type.value_type}
    fields = (*_LIST_FIELDS, *_INTEGER_FIELDS, *_NUMBER_FIELDS, *_NAME_FIELDS)
    missing = [name for name in fields if name not in known]
    if missing:
        raise InputError(where, f"its people have no field {missing[0]!r}", _REMEDY)
    for name in _INTEGER_FIELDS:
        values = records.field(name)
        is_integer = pa.types.is_integer(values.type) or pa.types.is_boolean(values.type)
        _require(where, name, is_integer, "integers", values.null_count)
    for name in _NUMBER_FIELDS:
        values = records.field(name)
        is_known = pa.types.is_null(values.type) and name == "segmentation_area"
        num_nulls = 0 if name == "segmentation_area" else values.null_count
        _require(where, name, is_known or _is_number(pa, values.type), "numbers", num_nulls)
    for name in _NAME_FIELDS:
        _require(where, name, _is_text(pa, records.field(name).type), "text")
    for name, width in zip(_LIST_FIELDS, (4, 3 * num_joints), strict=True):
        _check_lists(where, name, records.field(name), width, pa, pc)


def _check_lists(where: str, name: str, lists: Any, width: int, pa: Any, pc: Any) -> None:
    """Raise InputError unless each list has `width` finite numbers."""
    types = pa.types
    is_list = any(
        is_kind(lists.type) for is_kind in (types.is_list, types.is_large_list, _is_fixed_list)
    )
    _require(where, name, is_list and _is_number(pa, lists.type.value_type), "lists of numbers")
    _require(where, name, True, "lists", lists.null_count)
    lengths = pc.unique(pc.list_value_length(lists)).to_pylist()
    if lengths not in ([], [width]):
        wrong = next(length for length in lengths if length != width)
        raise InputError(
            where, f"a person has {format_count(wrong, 'value')} of {name!r}, not {width}", _REMEDY
        )
    values = lists.flatten()
    is_finite = values.null_count == 0 and pc.all(pc.is_finite(values)).as_py() is not False
    _require(where, name, is_finite, "finite numbers")


def _is_fixed_list(kind: Any) -> bool:
    return bool(import_pyarrow().types.is_fixed_size_list(kind))


def _is_number(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_text(pa: Any, kind: Any) -> bool:
    types = pa.types
    kind = kind.value_type if types.is_dictionary(kind) else kind
    is_view = getattr(types, "is_string_view", lambda _: False)
    return bool(types.is_string(kind) or types.is_large_string(kind) or is_view(kind))


def _require(where: str, name: str, is_right: bool, kind: str, num_nulls: int = 0) -> None:
    if not is_right:
        raise InputError(where, f"its values of {name!r} are no {kind}", _REMEDY)
    if num_nulls:
        raise InputError(where, f"{num_nulls:,} of its values of {name!r} are missing", _REMEDY)
