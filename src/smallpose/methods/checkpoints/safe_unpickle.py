"""Other people's `.pth` files without running their code.

A `.pth` is a pickle and a pickle is a program. PyTorch's restricted reader builds tensors and
plain containers only; the bookkeeping that MMEngine leaves beside them is allowed in as empty
stubs, and everything else is refused unless the user says that he trusts the file.
"""

import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smallpose.core.errors import InputError, RefusedError


class _Stub:
    """Takes the place of a framework's object that we do not need."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Forget everything."""

    def __setstate__(self, state: Any) -> None:
        """Forget everything."""


# What MMEngine's published files hold beside tensors.
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
    """What a `.pth` file holds.

    Args:
        trust: let it run code where it needs to.

    Raises: InputError for what is no checkpoint; RefusedError for one that would have to run code.
    """
    with path.open("rb") as file:
        if file.read(1) not in (b"P", b"\x80"):  # a zip or a pickle begins so
            raise InputError(str(path), "not a checkpoint", "name a .pth or .safetensors file")
    try:
        with torch.serialization.safe_globals(_HARMLESS), warnings.catch_warnings():
            # Of newer pickle protocols, which it reads all the same.
            warnings.simplefilter("ignore")
            held = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(
            r"GLOBAL ([\w.]+)|([Uu]nsupported (?:operand|class|opcode)\D*\w+)", str(error)
        )
        if named is None:
            raise InputError(str(path), "not a checkpoint", "name a .pth file") from None
        if not trust:
            raise RefusedError(
                str(path),
                "needs code execution",
                f"convert or pass --i-trust-this-file (it asks for {named[1] or named[2]})",
            ) from None
        held = _trusted(path)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            str(path), f"not a checkpoint ({str(error).splitlines()[0]})", "copy it again"
        ) from None
    if not isinstance(held, dict):
        raise InputError(str(path), f"holds a {type(held).__name__}", "name a checkpoint")
    return held


def _trusted(path: Path) -> Any:
    """Read with all that a pickle may do; only ever after the user said so."""
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # whatever its code raises
        reason = f"{type(error).__name__}: {error}"
        raise InputError(
            str(path), f"cannot be read even so ({reason})", "install what it was made with"
        ) from None
