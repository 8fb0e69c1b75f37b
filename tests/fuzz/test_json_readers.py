"""The compiled and the plain reader of COCO files give the same table, or both refuse the file.

Files are mutants of small ones: in their structure, their bytes, and in how JSON spells numbers,
keys and texts. What is read must also be what `json.loads` reads, without a field given twice.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from commands import fuzz_counts
from mutations import mutate_bytes, mutate_json
from tables import check_same_table

from smallpose.core.errors import SmallposeError
from smallpose.core.skeleton import COCO17
from smallpose.io import coco_results_fast, json_text
from smallpose.io.coco_annotations_fast import read_coco_fast
from smallpose.io.coco_annotations_slow import read_coco_slow
from smallpose.io.coco_results_fast import read_results_fast
from smallpose.io.coco_results_slow import read_results_slow

PATH = "mutant.json"
NUMBER = re.compile(rb"-?\d+(\.\d+)?")
STRING = re.compile(rb'"[^"\\]*"')
STRING_VALUE = re.compile(rb'"[^"\\]*"(?! *:)')
VALID_NUMBERS = [
    *b"-0 -0.0 -0e0 0e9 1e2 1E+2 12e-1 1.0 2.50 5e-324 1e-400 2 7 8".split(),
    b"9007199254740993",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"0.30000000000000004",
    b"17976931348623158079372897140530341507993413271003782693617377898044496829276475094664901",
    b"0." + b"0" * 30 + b"1234567890123456789",
]
BROKEN_NUMBERS = [
    *b"01 1. .5 - +1 1e 1e400 NaN Infinity 0x1 true null".split(),
    b'"1"',
    b"1 1",
    b"[1]",
]
VALID_PIECES = [  # within a string
    b"\\n",
    b"\\/",
    b"\\u00e9",
    b"\\u0061",
    b"\\ud83d\\ude00",
    b"\x7f",
    b"\xc3\xa9",
    b"\xe2\x82\xac",
    b"\xf0\x9f\x98\x80",
    b"{},{",
]
BROKEN_PIECES = [
    b"\\ud83d",
    b"\\ude00",
    b"\\ud83d\\u0041",
    b"\\x",
    b"\\u12g4",
    b"\\u12",
    b"\\",
    b"\x01",
    b"\t",
    b"\0",
    b"\x80",
    b"\xc3",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xff",
    b'"',
]
BLANKS = [b" ", b"\n", b"\t\r\n ", b" " * 40]
BROKEN_BLANKS = [b"\x0c", b"\xc2\xa0", b"\xef\xbb\xbf", b"//\n", b"\0"]
ODD_MEMBERS = [  # of any object
    b'"note": "a {word}, \\"quoted\\""',
    b'"note": [[1, 2.5e3], {"a": null}]',
    b'"note": [1, 2, 03]',
    b'"note": tru',
    b'"note": "\xff"',
    b'"\xff": 1',
    b'"a\x01": 1',
    b'"a\\u0062": 1',
    b'"score": 0.25',
    b'"area": 77',
    b'"iscrowd": 1',
    b'"num_keypoints": 3',
    b'"category_id": 1.0',
    b'"im\\u0061ge_id": 1',
    b'"\\u0069d": 7',
    b'"bbox": null',
    b'"source": "aic"',
    b'"source": "\\u0061ic"',
    b'"derived": [1, 3]',
    b'"width": 12',
    b'"file_name": "1.jpg"',
    b'"note": 1e999',
    b'"note": ' + b"[" * 70 + b"]" * 70,
]


def make_files() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Make annotations of three people and four results for them."""
    rng = np.random.default_rng(0)
    people: list[dict[str, Any]] = []
    for number in range(1, 4):
        points = np.concatenate([rng.random((17, 2)) * 90, np.full((17, 1), 2)], axis=1).round(1)
        person = {"id": number, "image_id": 7 if number < 3 else 8, "category_id": 1, "iscrowd": 0}
        person |= {"bbox": [1, 2.5, 90.0, 80], "area": 7200.0 / number, "num_keypoints": 17}
        person |= {"segmentation": [[1, 2.5, 3], [-4]], "keypoints": points.ravel().tolist()}
        people.append(person)
    extra = {"source": "aic", "box_rule": "drawn", "caption": "Caf\u00e9 {1}, \\ \u20ac"}
    people[1] |= extra
    coco = {
        "info": {"date": "2026", "\u00fc": None},
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 99, "height": 90} for i in (7, 8)],
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.joints)}],
    }
    results = [
        {"image_id": person["image_id"], "category_id": 1, "keypoints": person["keypoints"]}
        | {"score": 0.5 / person["id"], "bbox": person["bbox"]}
        for person in people
    ]
    del results[1]["bbox"]
    return coco, results


FILES = make_files()


def iterate_mutants(value: Any, seed: int, count: int) -> Iterator[bytes]:
    """Yield mutants of a JSON value: most in spelling, the others in structure or bytes."""
    changes = (_respell_number, _respell_string, _add_member, _repeat_member, _insert_blanks)
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        text = json.dumps(value, ensure_ascii=bool(rng.random() < 0.5)).encode()
        kind = rng.random()
        if kind < 0.2:
            yield mutate_json(value, rng)
        elif kind < 0.3:
            yield mutate_bytes(text, rng)
        else:
            for _ in range(int(rng.integers(1, 3))):
                text = changes[int(rng.integers(len(changes)))](text, rng)
            yield text


def _respell_number(text: bytes, rng: np.random.Generator) -> bytes:
    numbers = VALID_NUMBERS if rng.random() < 0.7 else BROKEN_NUMBERS
    return _replace_match(NUMBER, text, _choose(numbers, rng), rng)


def _respell_string(text: bytes, rng: np.random.Generator) -> bytes:
    pattern = STRING if rng.random() < 0.2 else STRING_VALUE
    matches = list(pattern.finditer(text))
    if not matches:
        return text
    match = _choose(matches, rng)
    start = int(rng.integers(match.start() + 1, match.end()))
    pieces = VALID_PIECES if rng.random() < 0.7 else BROKEN_PIECES
    return text[:start] + _choose(pieces, rng) + text[start:]


def _add_member(text: bytes, rng: np.random.Generator) -> bytes:
    """Add a member to an object, before or behind its own ones."""
    member = _choose(ODD_MEMBERS, rng)
    if rng.random() < 0.5:
        return _replace_match(re.compile(rb"\{"), text, b"{" + member + b", ", rng)
    return _replace_match(re.compile(rb"\}"), text, b", " + member + b"}", rng)


def _repeat_member(text: bytes, rng: np.random.Generator) -> bytes:
    """Give a number again under its own key, with the same value or another one."""
    matches = list(re.finditer(rb'"\w+": (-?\d+(\.\d+)?)', text))
    if not matches:
        return text
    match = _choose(matches, rng)
    member = match[0] if rng.random() < 0.5 else match[0].replace(match[1], b"3")
    return text[: match.start()] + member + b", " + text[match.start() :]


def _insert_blanks(text: bytes, rng: np.random.Generator) -> bytes:
    """Insert blanks between two tokens, at times ones that JSON has not."""
    blanks = BLANKS if rng.random() < 0.8 else BROKEN_BLANKS
    start = _choose(list(re.finditer(rb"[{}\[\],:]|$", text)), rng).end()
    return text[:start] + _choose(blanks, rng) + text[start:]


def _replace_match(
    pattern: re.Pattern[bytes], text: bytes, by: bytes, rng: np.random.Generator
) -> bytes:
    matches = list(pattern.finditer(text))
    if not matches:
        return text
    match = _choose(matches, rng)
    return text[: match.start()] + by + text[match.end() :]


def _choose(options: Any, rng: np.random.Generator) -> Any:
    return options[int(rng.integers(len(options)))]


def compare_readers(
    mutants: Iterator[bytes],
    read_fast: Callable[[bytes], Any],
    read_slow: Callable[[bytes], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Counter[str]:
    """Read each mutant in all ways; return how many were read fast, slowly and not at all."""
    extension = json_text.EXTENSION
    counts: Counter[str] = Counter()
    for number, mutant in enumerate(mutants):
        fast = read_fast(mutant)
        tables, errors = [], []
        for compiled in {extension, None}:
            monkeypatch.setattr(json_text, "EXTENSION", compiled)
            try:
                tables.append(read_slow(mutant))
            except SmallposeError as error:
                errors.append(str(error))
        monkeypatch.setattr(json_text, "EXTENSION", extension)
        what = f"mutant {number}: {mutant[:3000]!r}: {errors}"
        assert not (tables and errors), what
        assert fast is None or tables, what
        counts["fast" if fast is not None else "slow" if tables else "refused"] += 1
        if tables:
            check_text(mutant, what)
            for other in [*tables[1:], *([] if fast is None else [fast])]:
                try:
                    check_same_table(other, tables[0])
                except AssertionError as error:
                    raise AssertionError(f"{error} in {what}") from None
        else:
            assert len(set(errors)) == 1, what
    return counts


def check_text(mutant: bytes, what: str) -> None:
    """Require that text which was read is JSON, and that no record has one of the fields twice."""

    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if "keypoints" in record or "file_name" in record or "annotations" in record:
            names = [name for name, _ in pairs if name not in ("note", "segmentation", "caption")]
            repeated = {name for name in names if names.count(name) > 1} & KNOWN
            assert not repeated, f"{repeated} in {what}"
        return record

    text = mutant.decode().removeprefix("\ufeff")
    json.loads(text, object_pairs_hook=check, parse_constant=lambda word: pytest.fail(what))


# Fields that are read of every record they can be in.
KNOWN = {"annotations", "images", "categories", "keypoints", "id", "image_id", "category_id"}


@fuzz_counts(2_500, 1_000_000)
def test_damaged_annotations_are_read_alike_or_not_at_all(count, monkeypatch):
    counts = compare_readers(
        iterate_mutants(FILES[0], 1, count),
        lambda data: read_coco_fast(PATH, data),
        lambda data: read_coco_slow(PATH, data=data),
        monkeypatch,
    )
    check_shares(counts)


@fuzz_counts(2_500, 1_000_000)
@pytest.mark.parametrize("form", ["list", "named"])
def test_damaged_results_are_read_alike_or_not_at_all(form, count, monkeypatch):
    truth = read_coco_slow(PATH, data=json.dumps(FILES[0]).encode())
    content: Any = FILES[1]
    if form == "named":
        content = {"keypoint_names": list(COCO17.joints), "predictions": FILES[1]}
    monkeypatch.setattr(coco_results_fast, "CHUNK_BYTES", 1500)
    counts = compare_readers(
        iterate_mutants(content, 2, count // 2),
        lambda data: read_results_fast(PATH, truth, data),
        lambda data: read_results_slow(PATH, truth, data),
        monkeypatch,
    )
    check_shares(counts)


def check_shares(counts: Counter[str]) -> None:
    """Require that the mutants reach each way of reading."""
    if json_text.EXTENSION is not None:
        assert counts["fast"] > 0.1 * counts.total(), counts
    assert counts["slow"] > 0.02 * counts.total(), counts
    assert counts["refused"] > 0.2 * counts.total(), counts
