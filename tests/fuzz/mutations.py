"""Change the structure of JSON values or the bytes of files, at random but reproducibly.

Fuzz tests start from a small valid file, whose reading they check first, and read its mutants.
"""

import copy
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

# What can take the place of any value: other types, and numbers beyond 64 bits or float sizes.
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    7,
    2**31,
    2**63,
    -(2**63) - 1,
    2**64,
    10**30,
    10**400,
    0.5,
    -0.0,
    1e308,
    -1e308,
    5e-324,
    math.nan,
    math.inf,
    -math.inf,
    "",
    "text",
    "1",
    "../../outside.jpg",
    "/etc/hostname",
    "a\0b",
    "\ud800",
    "ü" * 3000,
    "<b>&'\"",
    [],
    {},
    [[]],
    [1],
    [None],
    ["text"],
    {"text": 1},
    {"id": [1]},
    [[[[[[1]]]]]],
)
DEEP_TEXT = b"[" * 5000 + b"]" * 5000


def iterate_json_mutants(value: Any, seed: int, count: int) -> Iterator[bytes]:
    """Yield mutants of a JSON value as text: its structure is changed, in a tenth also its bytes.

    Args:
        value: what `json.loads` returned.
        seed: mutant i of a seed is always the same, whatever `count` is.
    """
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        text = mutate_json(value, rng)
        yield mutate_bytes(text, rng) if rng.random() < 0.1 else text


def iterate_byte_mutants(data: bytes, seed: int, count: int) -> Iterator[bytes]:
    """Yield mutants of a file of any format."""
    for index in range(count):
        yield mutate_bytes(data, np.random.default_rng([seed, index]))


def mutate_json(value: Any, rng: np.random.Generator) -> bytes:
    """Return JSON text of a copy of `value` after one to three changes of its structure."""
    root = [copy.deepcopy(value)]  # the list allows the document itself to be replaced
    for _ in range(int(rng.integers(1, 4))):
        holder, key = _choose_place(root, rng)
        _choose(_CHANGES, rng)(holder, key, rng)
    text = json.dumps(root[0] if root else None).encode()
    return _repeat_key(text, rng) if rng.random() < 0.05 else text


def mutate_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes after one change: flipped bits, a cut, a doubled part, odd bytes."""
    changed = bytearray(data or b"\0")
    start = int(rng.integers(len(changed)))
    length = int(rng.integers(1, 1 + min(64, len(changed))))
    kind = rng.integers(7)
    if kind == 0:
        for _ in range(int(rng.integers(1, 9))):
            changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del changed[start:]
    elif kind == 2:
        del changed[start : start + length]
    elif kind == 3:
        changed[start:start] = changed[start : start + length]
    elif kind == 4:
        end = min(start + length, len(changed))
        changed[start:end] = rng.integers(0, 256, end - start, dtype=np.uint8).tobytes()
    elif kind == 5:
        odd = (b"\xff", b"\0\0\0\0", b"\xff" * 8, b"\xc3\x28", b"\\", b'"', b"9" * 40, DEEP_TEXT)
        changed[start:start] = odd[int(rng.integers(len(odd)))]
    else:  # most formats have their sizes and their table of contents near the beginning
        changed[int(rng.integers(min(64, len(changed))))] = int(rng.integers(256))
    return bytes(changed)


def _choose(options: Any, rng: np.random.Generator) -> Any:
    return options[int(rng.integers(len(options)))]


def _choose_place(root: list[Any], rng: np.random.Generator) -> tuple[Any, Any]:
    """Walk down from the root and return a container and the key or index of one of its values.

    Every level is as likely to be chosen, so that long lists of numbers do not take all mutants.
    """
    holder: Any = root
    if not root:
        root.append(None)
    key: Any = 0
    while rng.random() < 0.8:
        child = holder[key]
        if not isinstance(child, list | dict) or not child:
            break
        holder = child
        key = (
            _choose(list(child), rng) if isinstance(child, dict) else int(rng.integers(len(child)))
        )
    return holder, key


def _replace(holder: Any, key: Any, rng: np.random.Generator) -> None:
    holder[key] = copy.deepcopy(_choose(ODD_VALUES, rng))


def _change_type(holder: Any, key: Any, rng: np.random.Generator) -> None:
    """Wrap the value, unwrap it, or write a number as text or a text as a number."""
    value = holder[key]
    wrapped: list[Any] = [[value], {"value": value}, [value, value], str(value)]
    if isinstance(value, list | dict) and value:
        wrapped.append(next(iter(value.values())) if isinstance(value, dict) else value[0])
    if isinstance(value, int | float):
        wrapped += (
            [-value, 10 * value] if abs(value) > 1e300 else [value + 0.5, -value, float(value)]
        )
    holder[key] = _choose(wrapped, rng)


def _drop(holder: Any, key: Any, rng: np.random.Generator) -> None:
    del holder[key]
    if isinstance(holder, list) and not holder and rng.random() < 0.5:
        holder.append(None)


def _double(holder: Any, key: Any, rng: np.random.Generator) -> None:
    """Put the value in again: next to itself, or under another key."""
    value = copy.deepcopy(holder[key])
    if isinstance(holder, list):
        holder.insert(int(rng.integers(len(holder) + 1)), value)
    else:
        holder[_choose([*holder, "text", ""], rng)] = value


def _exchange(holder: Any, key: Any, rng: np.random.Generator) -> None:
    other = (
        _choose(list(holder), rng) if isinstance(holder, dict) else int(rng.integers(len(holder)))
    )
    holder[key], holder[other] = holder[other], holder[key]


def _resize(holder: Any, key: Any, rng: np.random.Generator) -> None:
    """Cut a list or an object short, or repeat it."""
    value = holder[key]
    if isinstance(value, list):
        size = int(rng.integers(len(value) + 1))
        holder[key] = value[:size] if rng.random() < 0.7 else value * 2
    elif isinstance(value, dict):
        size = int(rng.integers(len(value) + 1))
        holder[key] = dict(list(value.items())[:size])
    else:
        _replace(holder, key, rng)


_CHANGES: tuple[Callable[[Any, Any, np.random.Generator], None], ...] = (
    _replace,
    _replace,
    _replace,
    _change_type,
    _drop,
    _double,
    _exchange,
    _resize,
)


def _repeat_key(text: bytes, rng: np.random.Generator) -> bytes:
    """Give one object a key twice."""
    starts = [i for i in range(len(text) - 1) if text[i : i + 2] == b'{"']
    if not starts:
        return text
    start = _choose(starts, rng) + 1
    end = text.find(b":", start)
    return text[:start] + text[start:end] + b": 1, " + text[start:]
