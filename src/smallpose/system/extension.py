"""The package's compiled parts; where they were not built, their NumPy twins do the work."""

from importlib import import_module
from typing import Any


def compiled(name: str) -> Any:
    """The extension module of that dotted name, or None where it was not built."""
    try:
        return import_module(name)
    except ImportError:
        return None
