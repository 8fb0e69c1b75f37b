"""Load the compiled extension modules; without them, NumPy fallbacks do the work."""

from importlib import import_module
from typing import Any


def load_extension(name: str) -> Any:
    """Return the extension module of that dotted name, or None where it was not built."""
    try:
        return import_module(name)
    except ImportError:
        return None
