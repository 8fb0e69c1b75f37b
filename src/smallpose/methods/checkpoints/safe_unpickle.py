"""Read `.pth` files without running their code.

A `.pth` is a pickle and a pickle is a program. PyTorch's restricted reader builds tensors and
plain containers only; MMEngine's training history beside them is read as empty stubs, and
everything else is refused unless the user states that they trust the file.
"""

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smallpose.core.errors import InputError, RefusedError


class _Stub:
    """Stands in for a framework's object that we do not need."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Ignore all arguments."""

    def __setstate__(self, state: Any) -> None:
        """Ignore the state."""


# What MMEngine's published files contain beside tensors.
_HARMLESS: list[Any] = [
    (_Stub, "mmengine.logging.history_buffer.HistoryBuffer"),
    (np._core.multiarray._reconstruct, "numpy.core.multiarray._reconstruct"),  # type: ignore[attr-defined]
    (np._core.multiarray._reconstruct, "numpy._core.multiarray._reconstruct"),  # type: ignore[attr-defined]
    (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),  # type: ignore[attr-defined]
    (np._core.multiarray.scalar, "numpy._core.multiarray.scalar"),  # type: ignore[attr-defined]
    np.ndarray,
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "u8", "?")),
]


def read_pickle(path: Path, *, trust: bool = False) -> dict[str, Any]:
    """Read a `.pth` file.

    Args:
        trust: let it run code where it needs to.

    Raises: InputError for a file that is not a checkpoint; RefusedError for one that would have to
        run code.
    """
    with path.open("rb") as file:
        if file.read(1) not in (b"P", b"\x80"):  # a zip or a pickle begins so
            raise InputError(str(path), "not a checkpoint", "name a .pth or .safetensors file")
    try:
        with torch.serialization.safe_globals(_HARMLESS), warnings.catch_warnings():
            # It warns of newer pickle protocols, which it can read.
            warnings.simplefilter("ignore")
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        needed = find_code(error)
        if needed is None:
            raise InputError(str(path), "not a checkpoint", "name a .pth file") from None
        if not trust:
            raise RefusedError(
                str(path),
                "needs code execution",
                f"convert or pass --i-trust-this-file (it asks for {needed})",
            ) from None
        checkpoint = _load_trusted(path)
    except Exception as error:  # the reader of pickles raises anything on damaged bytes
        reason = (str(error) or type(error).__name__).splitlines()[0][:160]
        raise InputError(str(path), f"not a checkpoint ({reason})", "copy it again") from None
    if not isinstance(checkpoint, dict):
        kind = type(checkpoint).__name__
        raise InputError(str(path), f"contains a {kind}, not a checkpoint", "name a checkpoint")
    return checkpoint


def find_code(error: pickle.UnpicklingError) -> str | None:
    """Return the code that a pickle asks for; None where it is no sound pickle at all."""
    match = re.search(
        r"GLOBAL ([\w.]+)|([Uu]nsupported (?:operand|class|opcode)\D*\w+)", str(error)
    )
    return None if match is None else match[1] or match[2]


def _load_trusted(path: Path) -> Any:
    """Read a pickle that may run any code; only after the user allowed it."""
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # whatever its code raises
        reason = f"{type(error).__name__}: {error}"
        raise InputError(
            str(path),
            f"cannot be read although it is trusted ({reason})",
            "install the packages it was made with",
        ) from None
