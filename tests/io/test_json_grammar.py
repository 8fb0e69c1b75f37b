"""The scanner accepts what the grammar of JSON and Python's decoders accept, and no more."""

import itertools
import json
import random
import re
import struct

import numpy as np
import pytest

from smallpose.io import json_text

pytestmark = pytest.mark.skipif(json_text.EXTENSION is None, reason="_json was not built")

NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")


def skip_whole(text: bytes) -> bool:
    """Return whether the scanner skips all of a list with this value."""
    return json_text.EXTENSION.skip_value(b"[" + text + b"]", 0) == len(text) + 2


def is_text(content: bytes) -> bool:
    """Return whether Python reads the content of a string as JSON without lone surrogates."""
    try:
        json.loads(b'"' + content + b'"').encode()
    except (UnicodeError, ValueError):
        return False
    return True


def parse_number(text: str) -> float | None:
    """Parse a number at the end of a text and far from it, which is faster; both are the same."""
    reciprocals = json_text.compute_reciprocals()
    values = [
        json_text.EXTENSION.parse_number(text.encode() + blanks + b"]", reciprocals)
        for blanks in (b"", b" " * 48)
    ]
    assert str(values[0]) == str(values[1]), text
    return values[1]


def list_short_texts(alphabet: str, max_length: int) -> list[str]:
    lengths = range(1, max_length + 1)
    return ["".join(t) for n in lengths for t in itertools.product(alphabet, repeat=n)]


def test_short_texts_are_numbers_where_the_grammar_says_so():
    for text in [*list_short_texts("0/59:-+.e", 4), *list_short_texts("01-+.E", 5)]:
        is_number = NUMBER.fullmatch(text) is not None
        assert skip_whole(text.encode()) == is_number, text
        value = parse_number(text)
        # Powers of 10 that are no exact doubles are left to the plain reader.
        is_zero = not re.search("[1-9]", text.lower().partition("e")[0])
        is_read = is_number and (is_zero or int(text.lower().partition("e")[2] or 0) <= 22)
        assert (value is not None) == is_read, text
        if is_read:
            expected = float(json.loads(text))  # an integer has no negative zero
            assert struct.pack("d", value) == struct.pack("d", expected), text


def test_numbers_of_every_length_and_digit_are_read_to_the_last_bit():
    for length in range(1, 22):
        for digit in "0123456789":
            for text in (f"1{digit * length}", f"1.{digit * length}", f"0.{digit * length}1"):
                value = parse_number(text)
                num_digits = len(text.replace(".", "").lstrip("0"))
                assert (value is None) == (num_digits > 19), text
                assert value is None or value == float(text), text
    for power in range(-40, 41):
        for digits in ("1", "9007199254740992", "9007199254740993", "9" * 19):
            value = parse_number(f"{digits}e{power}")
            assert value is None or value == float(f"{digits}e{power}"), (digits, power)
            assert value is not None or power > 0, (digits, power)
    assert [parse_number(f"1e{power}") for power in (22, 23)] == [1e22, None]
    assert [parse_number(f"{2**53}e{power}") for power in (22, 23)] == [2.0**53 * 1e22, None]
    assert [parse_number(f"0.{'0' * n}1") for n in (398, 400)] == [None, None]
    zeros = [parse_number(f"0{'.' * bool(n)}{'0' * n}") for n in range(401)]
    assert zeros == [0.0] * 401
    assert parse_number(f"0.{'0' * 401}") is None


def test_numbers_with_19_digits_are_never_left_to_the_plain_reader():
    """But for those in the middle of two doubles, which these cannot be."""
    rng = random.Random(0)
    for _ in range(20_000):
        text = f"{rng.randrange(2**53, 10 ** rng.randrange(16, 20))}e-{rng.randrange(15, 40)}"
        assert parse_number(text) == float(text), text


def test_integers_have_at_most_18_digits_and_no_fraction():
    texts = list_short_texts("0/19:-+.eE", 3)
    texts += [f"{sign}{digit * n}" for sign in ("", "-") for digit in "19" for n in range(1, 22)]
    for text in texts:
        assert read_id(text) == (int(text) if INTEGER.fullmatch(text) else None), text


def read_id(text: str) -> int | None:
    """Return the id of a record as the scanner reads it; None where it does not."""
    record = (
        f'[{{"id":{text},"image_id":1,"bbox":[0,0,1,1],"num_keypoints":0,"keypoints":[1,2,2]}}]'
    )
    columns = [np.zeros((0, 1), np.uint8), *(np.zeros(1, np.int64) for _ in range(4))]
    columns += [np.zeros(1, np.uint8), np.zeros(1), np.zeros((1, 4)), np.zeros((1, 3)), np.zeros(1)]
    columns += [np.zeros(1, np.int8), np.zeros(1, np.int8)]
    words = json_text.encode_words([""])
    count, _, _ = json_text.EXTENSION.scan_annotations(
        record.encode(), 0, len(record), 0, 1, 3, RECIPROCALS, words, words, *columns
    )
    return int(columns[1][0]) if count == 1 else None


RECIPROCALS = json_text.compute_reciprocals()


def test_sequences_of_bytes_are_utf_8_where_python_reads_them():
    edges = (0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF)
    sequences = [bytes([a, b]) for a in range(0x80, 0x100) for b in range(0x20, 0x100)]
    sequences += [bytes(s) for s in itertools.product(range(0xE0, 0xF0), edges, edges)]
    ends = (0x41, 0x7F, 0x80, 0xBF, 0xC0)
    sequences += [bytes(s) for s in itertools.product(range(0xF0, 0xF8), edges, ends, ends)]
    for content in sequences:
        expected = is_text(content)
        assert skip_whole(b'"' + content + b'"') == expected, content
        key = json_text.EXTENSION.read_key(b'"' + content + b'":1', 0)
        assert (key is not None) == (expected and b"\\" not in content), content


def test_sequences_that_end_with_the_text_are_refused():
    for content in ("é", "€", "\U0001f600"):
        encoded = content.encode()
        for length in range(1, len(encoded)):
            assert json_text.EXTENSION.skip_value(b'"' + encoded[:length], 0) == -1
            assert json_text.EXTENSION.read_key(b'"' + encoded[:length], 0) is None


def test_every_byte_is_refused_or_skipped_at_every_place_of_a_string():
    for byte in range(0x80):
        for before, after in itertools.product((0, 1, 6, 7, 8, 15), (0, 1, 9)):
            content = b"x" * before + bytes([byte]) + b"y" * after
            if byte == ord("\\"):
                continue
            assert skip_whole(b'"' + content + b'"') == is_text(content), content


def test_escapes_are_those_of_json():
    contents = [b"\\" + bytes([byte]) for byte in range(0x80)]
    contents += [
        b"\\u" + b"0" * i + bytes([byte]) + b"0" * (3 - i) + b"."
        for i in range(4)
        for byte in range(0x80)
    ]
    contents += [b"\\u0041"[:length] for length in range(2, 6)]
    for content in contents:
        if content == b"\\u" or b'"' in content[2:]:
            continue
        assert skip_whole(b'"' + content + b'"') == is_text(content), content
    assert json_text.EXTENSION.skip_value(b'"\\u0041"', 0) == 8
    for end in range(1, 8):
        assert json_text.EXTENSION.skip_value(b'"\\u0041"'[:end], 0) == -1


def test_surrogates_come_in_pairs():
    units = ("0000", "d7ff", "D800", "d8fF", "dbff", "DBFF", "dc00", "DC00", "dfff", "e000", "ffff")
    for first, second in itertools.product(units, units):
        content = f"\\u{first}\\u{second}".encode()
        assert skip_whole(b'"' + content + b'"') == is_text(content), content
        for cut in range(6, 12):
            content = f"\\u{first}\\u{second}".encode()[:cut]
            expected = is_text(content) and cut == 6
            assert skip_whole(b'"' + content + b'"') == expected, content
            assert json_text.EXTENSION.skip_value(b'"' + content, 0) == -1, content


def test_short_sequences_of_tokens_are_values_where_python_reads_them():
    for n in range(1, 6):
        for some in itertools.product(["[", "]", "{", "}", ",", ":", '"a"', "1"], repeat=n):
            text = " ".join(some)
            try:
                json.loads(text)
                is_valid = True
            except ValueError:
                is_valid = False
            end = json_text.EXTENSION.skip_value(text.encode() + b" ", 0)
            assert (end == len(text) + 1) == is_valid, text


def test_words_are_true_false_and_null():
    for word in ("true", "false", "null"):
        assert skip_whole(word.encode())
        for changed in (word[:-1], word + "e", word.upper(), "x" + word[1:], word[:2] + "x"):
            assert not skip_whole(changed.encode()), changed
        for end in range(1, len(word)):
            assert json_text.EXTENSION.skip_value(word[:end].encode(), 0) == -1
