import mmap
import random
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from smallpose.io import json_text
from smallpose.io.id_rows import find_rows

needs_extension = pytest.mark.skipif(json_text.EXTENSION is None, reason="_json was not built")


def parse_number(text):
    """Parse a number at the end of a text and far from it, which is faster; both are the same."""
    reciprocals = json_text.compute_reciprocals()
    values = [
        json_text.EXTENSION.parse_number(text.encode() + blanks + b"]", reciprocals)
        for blanks in (b"", b" " * 48)
    ]
    assert str(values[0]) == str(values[1]), text
    return values[1]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems provide pages when needed")
def test_a_part_of_a_column_is_provided_at_once_and_stays_empty():
    def count_pages():
        return int(Path("/proc/self/statm").read_text().split()[1])

    memory = json_text.allocate(1 << 26)
    column = memoryview(memory)
    before = count_pages()
    json_text.populate(column, 0.25, 0.5)
    num_provided = count_pages() - before
    if not num_provided:
        pytest.skip("before Linux 5.14")
    assert num_provided == pytest.approx((1 << 24) / mmap.PAGESIZE, rel=0.05)
    assert not any(column[:: mmap.PAGESIZE])
    json_text.populate(bytearray(8), 0, 1)  # a small column needs no page of its own


@needs_extension
def test_every_number_is_the_double_nearest_to_its_text():
    rng = random.Random(0)
    texts = ["0", "-0.0", "1", "-1", "0.5", "9007199254740993", "1e22", "1E-5", "1.5e+3", "0.1"]
    texts += ["123456789012345678", "0.000000000000000000000012345", "5e-324", "4.35", "2.675"]
    for _ in range(20_000):
        x = rng.choice(
            [
                rng.uniform(0, 2000),
                rng.random(),
                10 ** rng.uniform(-30, 15),
                struct.unpack("f", struct.pack("f", rng.uniform(0, 2000)))[0],
                struct.unpack("f", struct.pack("f", 10 ** rng.uniform(-20, 0)))[0],
            ]
        )
        texts.append(rng.choice([repr(x), f"{x:.2f}", f"{x:.6f}", f"{x:.17g}", f"{-x:.9e}"]))
    # Next to the midpoints of two doubles, with as many digits as are read.
    for _ in range(5_000):
        mantissa, power = rng.randrange(2**52, 2**53), rng.randrange(1, 30)
        numerator = (2 * mantissa + 1) * 10**power // 2 ** rng.randrange(20, 110)
        texts.append(f"{numerator % 10**19}e-{power}")
    num_unsupported = 0
    for text in texts:
        value = parse_number(text)
        num_unsupported += value is None
        assert value is None or struct.pack("d", value) == struct.pack("d", float(text)), text
    assert num_unsupported / len(texts) < 0.05


@needs_extension
@pytest.mark.parametrize(
    "text", ["", "-", "01", "1.", ".5", "+1", "1e", "NaN", "Infinity", "1e400", "0x1", "1 2", "--1"]
)
def test_text_that_is_not_a_number_of_json_is_unsupported(text):
    assert parse_number(text) is None


def test_the_formula_for_the_bits_of_powers_of_5_is_correct():
    for k in range(1, json_text.MAX_DECIMALS + 1):
        assert k * 1217359 // 524288 + 1 == (5**k).bit_length()


@needs_extension
def test_a_number_in_the_middle_of_two_doubles_is_never_rounded_the_wrong_way():
    for decimals in range(1, 5):
        for odd in range(2**53 + 1, 2**53 + 400, 2):  # 54 bits: half of a double's last bit
            digits = str(odd * 5**decimals)
            text = f"{digits[:-decimals]}.{digits[-decimals:]}"
            value = parse_number(text)
            assert value is None or value == float(text), text


@needs_extension
def test_denormal_numbers_are_left_to_the_slow_reader():
    reciprocals = json_text.compute_reciprocals(380)
    parse = json_text.EXTENSION.parse_number
    for digits in (1, 7, 123, 10**18 + 1):
        for power in range(270, 375):
            text = f"{digits}e-{power}"
            value = parse(text.encode() + b"]", reciprocals)
            assert value is None or struct.pack("d", value) == struct.pack("d", float(text)), text
    assert parse(b"1e-300]", reciprocals) == 1e-300
    assert parse(b"1e-310]", reciprocals) is None


@needs_extension
def test_powers_beyond_the_table_are_left_to_the_slow_reader():
    table = json_text.compute_reciprocals(40)
    shorter = table[: 25 * 16]  # 16 bytes each
    parse = json_text.EXTENSION.parse_number
    assert parse(b"123e-25]", shorter) == 123e-25
    # What lies behind the table is not read.
    assert parse(b"123e-26]", shorter) is None
    assert parse(b"123456789012345678e1]", table) is None


@needs_extension
def test_values_are_skipped_up_to_a_depth():
    skip = json_text.EXTENSION.skip_value
    assert skip(b"[" * 65 + b"]" * 65, 0) == 130
    assert skip(b"[" * 66 + b"]" * 66, 0) == -1
    assert skip(b"[" * 1_000_000, 0) == -1
    assert skip(b'{"a":' * 65 + b"1" + b"}" * 65, 0) == -1


@needs_extension
@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        (b'"plain text, longer than a word"', True),
        (b'"\\n \\u00e9 \\ud83d\\ude00 \\/"', True),
        ('"\u00e9 \u20ac \U0001f600 \x7f"'.encode(), True),
        (b'"12345678\x01"', False),
        (b'"12345678\\x"', False),
        (b'"\\u12g4"', False),
        (b'"\\u123', False),
        (b'"\\ud83d"', False),
        (b'"\\ud83d\\u0041"', False),
        (b'"\\ude00"', False),
        (b'"\\ude00\\ude00"', False),
        (b'"\x80"', False),
        (b'"\xc3"', False),
        (b'"\xc0\xaf"', False),
        (b'"\xe0\x80\xaf"', False),
        (b'"\xed\xa0\x80"', False),
        (b'"\xf0\x80\x80\xaf"', False),
        (b'"\xf4\x90\x80\x80"', False),
        (b'"\xff"', False),
        (b'"without an end', False),
        (b'"a backslash at the end\\', False),
    ],
)
def test_skipped_texts_are_valid_json(text, is_valid):
    """Every position within a word of eight bytes is tried, in values and in keys."""
    skip = json_text.EXTENSION.skip_value
    for shift in range(9):
        value = text[:1] + b"x" * shift + text[1:]
        assert (skip(b"[" + value + b"]", 0) > 0) == is_valid
        has_valid_key = skip(b"{" + value + b":1}", 0) > 0
        assert has_valid_key == is_valid
        key = json_text.EXTENSION.read_key(b"{" + value + b":1}", 1)
        assert (key is not None) == (is_valid and b"\\" not in text)


@needs_extension
def test_records_are_skipped_unless_they_have_a_field_twice():
    skip = json_text.EXTENSION.skip_records
    names = json_text.encode_words(["id", "name"])
    text = b'[{"id":1,"x":2,"x":3},{},{"name":"id","id":[{"id":1},{"id":1}]}] ,'
    assert skip(text, 0, names) == len(text) - 1
    assert skip(b'[{"id":1,"x":2,"id":1}]', 0, names) == -1
    assert skip(b'[{"name":1,"name":1}]', 0, names) == -1
    assert skip(b'[{"id":1}', 0, names) == skip(b"[1]", 0, names) == skip(b"{}", 0, names) == -1


RESULT = b'{"keypoints":[1,2,3],"score":1,"image_id":7}'


def scan_results(text, capacity=4, positions_only=False):
    """Scan into the first rows of larger arrays; return the count, and whether the rest is kept."""
    columns = [np.full(10, 99, np.int64), np.full(10, 99, np.int64), np.full(10, 99.0)]
    columns += [np.full((10, 3), 99.0), np.full((10, 4), 99.0), np.full(10, 99, np.uint8)]
    some = [column[:capacity] for column in columns]
    reciprocals = json_text.compute_reciprocals()
    count = json_text.EXTENSION.scan_results(
        text, 0, len(text), 0, 3, positions_only, reciprocals, *some
    )
    return count, all((column[capacity:] == 99).all() for column in columns)


@needs_extension
def test_more_records_than_rows_write_nothing_beyond_them():
    assert scan_results(b",".join([RESULT] * 4) + b"]") == (4, True)
    assert scan_results(b",".join([RESULT] * 5) + b"]") == (-1, True)
    assert scan_results(RESULT + b"]", capacity=0) == (-1, True)


@needs_extension
@pytest.mark.parametrize("end", [b"", b"}", b"]]", b",]", b"] x", b":", b" "])
def test_a_list_of_results_ends_with_its_bracket(end):
    assert scan_results(RESULT + b"]")[0] == scan_results(RESULT + b" ] \n")[0] == 1
    assert scan_results(RESULT + b" , ")[0] == 1  # a chunk in the middle
    assert scan_results(RESULT + end)[0] == -1


PERSON = b'{"id":1,"image_id":1,"bbox":[0,0,1,1],"num_keypoints":1,"keypoints":[1,2,2]}'


def scan_annotations(text, start=0, first=0, last=10, capacity=4):
    """Scan rows first … last - 1, of which `capacity` are there.

    Returns: what the extension returns, and whether what lies behind the rows is kept.
    """
    columns = [np.zeros((0, 1), np.uint8), *(np.full(10, 99, np.int64) for _ in range(4))]
    columns += [np.full(10, 99, np.uint8), np.full(10, 99.0), np.full((10, 4), 99.0)]
    columns += [np.full((10, 3), 99.0), np.full(10, 99.0)]
    columns += [np.full(10, 99, np.int8), np.full(10, 99, np.int8)]
    done = json_text.EXTENSION.scan_annotations(
        text,
        start,
        len(text),
        first,
        last,
        3,
        json_text.compute_reciprocals(),
        json_text.encode_words(["", "coco"]),
        json_text.encode_words(["", "mask"]),
        *(column[:capacity] for column in columns),
    )
    return done, all((column[capacity:] == 99).all() for column in columns)


def count_annotations(text):
    """Return the number of annotations of a complete list, else -1."""
    (count, _, is_open), is_kept = scan_annotations(text)
    assert is_kept
    return -1 if is_open else count


@needs_extension
def test_a_list_of_annotations_ends_with_its_bracket_and_fits_into_its_rows():
    assert count_annotations(b"[" + b",".join([PERSON] * 4) + b"]") == 4
    assert count_annotations(b"[" + b",".join([PERSON] * 5) + b"]") == -1
    assert count_annotations(b"[]") == 0
    for end in (b"", b"}", b",]", b",", b":"):
        assert count_annotations(b"[" + PERSON + end) == -1


@needs_extension
def test_a_list_of_annotations_is_scanned_in_parts():
    text = b"[" + b" , ".join([PERSON] * 3) + b"] \n}"
    (count, at, is_open), _ = scan_annotations(text, last=2)
    assert (count, is_open) == (2, 1) and text[at:].startswith(PERSON)
    (count, end, is_open), _ = scan_annotations(text, at, first=2, last=4)
    assert (count, is_open) == (1, 0) and text[end:] == b"}"
    # Neither a second bracket nor a record without a comma begins a later part.
    for later in (b"[" + PERSON + b"]", b"," + PERSON + b"]", b"]"):
        assert scan_annotations(later, first=1)[0][0] == -1
    # More rows than there are places for are left to a later part.
    assert scan_annotations(text, last=3, capacity=2)[0][0] == 2


@needs_extension
def test_derived_joints_are_counted_from_1_and_there():
    for derived, count in (("[1]", 1), ("[]", 1), ("[0]", -1), ("[2]", -1), ("[65]", -1)):
        person = PERSON[:-1] + f',"derived":{derived}}}'.encode()
        assert count_annotations(b"[" + person + b"]") == count


@needs_extension
def test_an_integer_has_no_negative_zero():
    signs = [str(parse_number(text)) for text in ("-0", "-0.0", "-0e0", "0")]
    assert signs == ["0.0", "-0.0", "-0.0", "0.0"]


@pytest.mark.parametrize(
    ("ids", "wanted", "rows"),
    [
        ([5, 3, 9], [9, 3, 3, 5], [2, 1, 1, 0]),
        ([5], [], []),
        ([], [], []),
        ([], [1], None),
        ([5, 3, 9], [10], None),  # behind the last
        ([5, 3, 9], [2], None),  # before the first
        ([5, 3, 9], [4], None),
        ([5, 3], [3, 5, 3, 5], [1, 0, 1, 0]),
        ([5, 3], [3, 5, 3, 4], None),
        ([5, 3], [3, 5, 3, 2**63 - 1], None),
        ([5, 3], [3, 5, 3, -(2**63)], None),
        ([-(2**63), 2**63 - 1], [2**63 - 1, -(2**63), 2**63 - 1], [1, 0, 1]),
    ],
)
def test_rows_of_images_are_found_or_the_slow_reader_explains(ids, wanted, rows):
    arguments = np.array(ids, np.int64), np.array(wanted, np.int64)
    if rows is None:
        with pytest.raises(json_text.UnsupportedJson):
            find_rows(*arguments)
    else:
        assert find_rows(*arguments).tolist() == rows


@pytest.mark.parametrize("num_blanks", [0, 1, json_text._WINDOW - 3, 3 * json_text._WINDOW])
@needs_extension
def test_blanks_around_a_text_are_left_out(num_blanks, tmp_path):
    blanks = b" \n\r\t" * (num_blanks // 4) + b" " * (num_blanks % 4)
    (tmp_path / "a.json").write_bytes(blanks + b"[1, 2]" + blanks)
    with json_text.open_text(tmp_path / "a.json", None) as text:
        assert (text.start, text.stop) == (num_blanks, num_blanks + 6)
        assert text.read(text.start, text.stop) == b"[1, 2]"
        text.check_brackets(b"[]")
    (tmp_path / "a.json").write_bytes(blanks + b" ")
    with json_text.open_text(tmp_path / "a.json", None) as text:
        assert text.start == text.stop
