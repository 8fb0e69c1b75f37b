"""Import matplotlib in less time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def skip_artist_documentation() -> Iterator[None]:
    """Import matplotlib inside without the lists of properties in its classes' docstrings.

    To compile them takes a third of the CPU time of the import (0.08 s, matplotlib 3.11). For
    commands, whose users cannot see the docstrings.
    """
    import matplotlib.artist

    module: Any = matplotlib.artist
    list_properties = module.kwdoc
    module.kwdoc = lambda _: ""
    try:
        yield
    finally:
        module.kwdoc = list_properties
