import pytest

from smallpose.core.errors import InputError
from smallpose.io.duplicates import drop_duplicates


def drop(records):
    """Drop duplicates among (id, value) pairs."""
    return drop_duplicates(
        enumerate(records),
        key=lambda record: record[0],
        is_equal=lambda i, j: records[i] == records[j],
        where="a.json, images",
        describe=lambda record: f"id {record[0]}",
    )


def test_identical_records_are_kept_once_with_their_first_index():
    assert list(drop([(1, "a"), (2, "b"), (1, "a"), (3, "a")])) == [
        (0, (1, "a")),
        (1, (2, "b")),
        (3, (3, "a")),
    ]


def test_records_with_one_key_that_differ_are_named():
    with pytest.raises(InputError) as caught:
        list(drop([(2, "b"), (1, "a"), (1, "c")]))
    what = "a.json, images[1] and [2]: both have id 1 and they differ; remove one of the two"
    assert str(caught.value) == what
