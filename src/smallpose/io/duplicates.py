"""Drop records that are listed twice, as in real annotation files."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

from smallpose.core.errors import InputError

T = TypeVar("T")


def drop_duplicates(
    records: Iterable[tuple[int, T]],
    key: Callable[[T], Hashable],
    is_equal: Callable[[int, int], bool],
    where: str,
    describe: Callable[[T], str],
) -> Iterator[tuple[int, T]]:
    """Yield the records, without those that repeat an earlier one.

    Args:
        records: each with its index in the list.
        key: identifies a record, such as its id.
        is_equal: whether the records at two indices with one key are equal.
        where: the list in messages, such as `test.json, images`.
        describe: the key in messages, such as `id 7`.

    Raises: InputError for two records with one key that differ.
    """
    first: dict[Hashable, int] = {}
    for index, record in records:
        start = first.setdefault(key(record), index)
        if start == index:
            yield index, record
        elif not is_equal(start, index):
            raise InputError(
                f"{where}[{start}] and [{index}]",
                f"both have {describe(record)} and they differ",
                "remove one of the two",
            )
