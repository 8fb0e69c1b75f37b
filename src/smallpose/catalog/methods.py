"""Facts of the methods, read from a file, so that listing them builds no network.

`methods.json` is made from the networks: `make golden` writes it again, and
`tests/methods/test_catalog.py` compares it with them.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from smallpose.catalog.method_code import is_method_code

FILE = "methods.json"


@cache
def read_catalog() -> Mapping[str, dict[str, Any]]:
    """Return the facts of each method by its name, in the order of `METHODS`.

    They are `title`, `paradigm`, `parts`, `checkpoint…`, `parameters` (for the 21 joints),
    `parameters_coco17`, `input_wh`, `score_rule` and `recipes`.
    """
    return dict(json.loads(files("smallpose.catalog").joinpath(FILE).read_text("utf-8")))


def is_listed_method(name: str) -> bool:
    """Return whether it is one of our methods, or names a file of the user's own."""
    return name in read_catalog() or is_method_code(name)
