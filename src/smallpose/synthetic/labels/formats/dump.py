"""Write JSON the same way in all formats: the same bytes for the same content."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np


def write_json(path: Path, content: Any, packed: bool = False) -> None:
    """Write `content` compactly; with `packed` as gzip without a time in its header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = json.dumps(content, separators=(",", ":"), default=_to_builtin, allow_nan=False).encode()
    path.write_bytes(gzip.compress(data, 6, mtime=0) if packed else data)


def _to_builtin(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(type(value).__name__)


def round_half_up(value: float) -> int:
    """Round to the nearest whole number, halves upwards."""
    return int(np.floor(value + 0.5))
