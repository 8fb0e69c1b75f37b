"""Read what a checkpoint of ours says of itself, without the library that reads its tensors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError

_KEY = "smallpose"  # of our JSON among the metadata of a safetensors file
_MAX_HEADER = 100_000_000  # bytes; the format's own limit
_LENGTH_BYTES = 8


def read_weight_card(weights: Path) -> Mapping[str, Any]:
    """Return the method, skeleton and recipe of a file or of a run's folder; {} for other files.

    What is inside is checked where the weights are loaded.

    Raises: InputError for a safetensors file whose header is damaged.
    """
    path = weights / "model.safetensors" if weights.is_dir() else weights
    if path.suffix != ".safetensors" or not path.is_file():
        return {}
    metadata = _read_header(path).get("__metadata__")
    text = metadata.get(_KEY) if isinstance(metadata, Mapping) else None
    try:
        card = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}
    return card if isinstance(card, Mapping) else {}


def _read_header(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        is_plausible = 2 <= length <= min(_MAX_HEADER, path.stat().st_size - _LENGTH_BYTES)
        text = file.read(length) if is_plausible else b""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, Mapping):
        raise InputError(
            str(path), "not a valid safetensors file (its header is damaged)", "copy it again"
        )
    return header
