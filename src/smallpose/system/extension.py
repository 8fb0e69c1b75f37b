"""Load the compiled extension modules; without them, NumPy fallbacks do the work."""

import sys
import warnings
from functools import cache
from importlib import import_module
from typing import Any

# Measured by `evaluate` on 3,089 images and by `synth --size tiny`; see bench/README.md.
_SLOWDOWN = (
    "the compiled parts of smallpose are missing, so evaluate takes about 5 times as long and "
    "synth 4 times, with the same results; install a C compiler, then smallpose again"
)


class SlowFallbackWarning(RuntimeWarning):
    """Compiled parts are missing, and NumPy does their work."""


def load_extension(name: str) -> Any:
    """Return the extension module of that dotted name, or None where it was not built.

    The first that is missing causes one SlowFallbackWarning in the process.
    """
    try:
        return import_module(name)
    except ImportError:
        _warn_of_fallback()
        return None


@cache
def _warn_of_fallback() -> None:
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is None or multiprocessing.parent_process() is None:
        warnings.warn(_SLOWDOWN, SlowFallbackWarning, stacklevel=3)
