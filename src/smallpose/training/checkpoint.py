"""Checkpoints: weights to give away, and the state a run goes on from.

Both are written whole or not at all, so a killed run leaves its last complete state and at most a
`.part` file, which the next start counts and removes.
"""

import io
import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import torch
from safetensors.torch import save

from smallpose._version import __version__
from smallpose.core.errors import InputError, RefusedError
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.methods.checkpoints.read import FORMAT, skeleton_to
from smallpose.system.files import sha256, write_whole, write_whole_with

MODEL, MODEL_CARD, STATE = "model.safetensors", "model.json", "state.pt"
# What else a run writes whole, and a kill may catch half written.
REWRITTEN = ("log.jsonl", "found.json", "result.json", "asked.json", "stopped.safetensors")


def save_model(method: PoseMethod, folder: Path, recipe: Recipe, **more: Any) -> dict[str, str]:
    """Write the weights, and beside them what they are; the same JSON is inside the weights too.

    Returns: the file's name and SHA-256.
    """
    about = {
        "format": 1,
        "method": method.name,
        "skeleton": skeleton_to(method.skeleton),
        "recipe": asdict(recipe),
        "smallpose": __version__,
        **more,
    }
    state = {name: t.detach().cpu().contiguous() for name, t in method.state_dict().items()}
    write_whole(folder / MODEL, save(state, {FORMAT: json.dumps(about)}))
    digest = sha256(folder / MODEL)
    write_whole(folder / MODEL_CARD, json.dumps(about | {"sha256": digest}, indent=1) + "\n")
    return {"file": MODEL, "sha256": digest}


def save_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write all a run needs to go on: tensors and plain values only."""

    def fill(file: IO[bytes]) -> None:
        try:
            torch.save(dict(state), file)
        except RuntimeError as error:
            # Of a full disk torch tells only that its archive could not be ended.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise

    write_whole_with(folder / STATE, fill)


def load_state(folder: Path) -> dict[str, Any] | None:
    """What `save_state` wrote; None where there is nothing.

    Raises: InputError when the file is not sound; RefusedError when it would run code to be read.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        state = torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
        state["step"], state["method"], state["optimizer"]
    except pickle.UnpicklingError as error:
        if "weights_only" not in str(error).lower():
            raise _unsound(path, error) from None
        raise RefusedError(
            str(path),
            "reading it needs code execution, which no state of ours does",
            "start again in another folder",
        ) from None
    except Exception as error:
        raise _unsound(path, error) from None
    return dict(state)


def _unsound(path: Path, error: Exception) -> InputError:
    return InputError(
        str(path),
        f"not a state to go on from ({(str(error) or type(error).__name__).splitlines()[0][:100]})",
        "start again in another folder",
    )


def drop_incomplete(folder: Path) -> int:
    """Remove what a killed run left half written; how many checkpoints that were."""
    checkpoints = _parts(folder, (STATE, MODEL, MODEL_CARD))
    for part in checkpoints + _parts(folder, REWRITTEN):
        part.unlink(missing_ok=True)
    return len(checkpoints)


def _parts(folder: Path, names: Sequence[str]) -> list[Path]:
    return [path for name in names for path in folder.glob(f".{name}.*.part")]
