"""What the tests of all readers say and share."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smallpose.core.errors import InputError, SmallposeError
from smallpose.sources.source import Source

Refuse = Callable[..., str]


@pytest.fixture
def refuses() -> Refuse:
    """`refuses(reader, root, "words", kind=InputError)`: one line that holds all the words."""

    def check(
        reader: Callable[[Path], Source],
        root: Path,
        *words: str,
        kind: type[SmallposeError] = InputError,
    ) -> str:
        with pytest.raises(kind) as caught:
            reader(root)
        line = str(caught.value)
        assert "\n" not in line
        for word in words:
            assert word in line, f"{word!r} is not in {line!r}"
        return line

    return check


@pytest.fixture
def write_json() -> Callable[[Path, Any], Path]:
    """Writes a value as JSON, gzipped where the name says so, with its folders."""

    def write(path: Path, value: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = json.dumps(value).encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return path

    return write
