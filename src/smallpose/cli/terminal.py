"""Print on any terminal: characters that its encoding lacks are spelled in ASCII."""

import codecs
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from smallpose.system.extension import SlowFallbackWarning

_HANDLER = "smallpose.spell_in_ascii"
_SPELLINGS = {
    "─": "-",
    "━": "-",
    "│": "|",
    "×": "x",
    "·": "-",
    "–": "-",
    "—": "-",
    "−": "-",
    "…": "...",
    "²": "^2",
    "±": "+-",
    "°": " deg",
    "≤": "<=",
    "≥": ">=",
    "→": "->",
    "Δ": "d",
    "σ": "sigma",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "é": "e",
    "\u00a0": " ",
}


def _spell_in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_SPELLINGS.get(c, "?") for c in characters), error.end


codecs.register_error(_HANDLER, _spell_in_ascii)


@contextmanager
def prepare_terminal() -> Iterator[None]:
    """Let stdout and stderr take any text, and print the note on missing compiled parts plainly."""
    for stream in (sys.stdout, sys.stderr):
        # Streams that a test or a notebook puts in their place may have no such method.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_HANDLER)
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_plainly(
            message: Warning | str, category: type[Warning], *place: Any, **more: Any
        ) -> None:
            if issubclass(category, SlowFallbackWarning):
                print(f"note: {message}", file=sys.stderr)
            else:
                show(message, category, *place, **more)

        warnings.showwarning = show_plainly
        yield
