"""Checkpoints: the weights that others load, and the state from which a run resumes.

Both are written atomically, so a killed run leaves its last complete state and at most a `.part`
file, which the next start counts and removes.
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
from smallpose.catalog.method_files import KEY
from smallpose.catalog.run_options import RUN_OPTIONS, STATE
from smallpose.core.errors import InputError, RefusedError
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.methods.checkpoints.read import METADATA_KEY, skeleton_to_json
from smallpose.methods.checkpoints.safe_unpickle import find_code
from smallpose.methods.full_image import FullImageMethod
from smallpose.system.files import hash_file, write_atomically, write_atomically_with

MODEL = "model.safetensors"
MODEL_CARD = "model.json"
# The other files that a run writes atomically; a kill may leave their `.part` files too.
REWRITTEN = (
    "log.jsonl",
    "found.json",
    "result.json",
    "job.json",
    "stopped.safetensors",
    RUN_OPTIONS,
)


def save_model(method: PoseMethod, folder: Path, recipe: Recipe, **more: Any) -> dict[str, str]:
    """Write the weights and a JSON that describes them, which the weights' file contains too.

    Returns: the file's name and SHA-256.
    """
    card = {
        "format": 1,
        "method": method.name,
        "skeleton": skeleton_to_json(method.skeleton),
        "input_wh": list(method.get_trained_input_wh()),
        **({"test_side": method.test_side} if isinstance(method, FullImageMethod) else {}),
        "crop": method.crop_options.to_dict(),
        **({"heatmap": method.heatmap_coding.to_dict()} if method.heatmap_coding else {}),
        "recipe": asdict(recipe),
        "smallpose": __version__,
        **({"code": method.code, KEY: dict(method.code_hashes)} if method.code else {}),
        **more,
    }
    state = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in method.state_dict().items()
        if not name.startswith(method.unsaved)
    }
    write_atomically(folder / MODEL, save(state, {METADATA_KEY: json.dumps(card)}))
    digest = hash_file(folder / MODEL)
    write_atomically(folder / MODEL_CARD, json.dumps(card | {"sha256": digest}, indent=1) + "\n")
    return {"file": MODEL, "sha256": digest}


def save_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write the state from which a run resumes; it has tensors and plain values only."""

    def fill(file: IO[bytes]) -> None:
        try:
            torch.save(dict(state), file)
        except RuntimeError as error:
            # On a full disk torch reports that the archive could not be closed; the cause is ours.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise

    write_atomically_with(folder / STATE, fill)


def load_state(folder: Path) -> dict[str, Any] | None:
    """Load what `save_state` wrote; None if there is no state.

    Raises: InputError when the file is damaged; RefusedError when reading it would run code.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        state = torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
        state["step"], state["method"], state["optimizer"]
    except pickle.UnpicklingError as error:
        if find_code(error) is None:
            raise _create_unsound_error(path, error) from None
        raise RefusedError(
            str(path),
            "reading it would run code, which no state that smallpose wrote does",
            "start again in another folder",
        ) from None
    except Exception as error:
        raise _create_unsound_error(path, error) from None
    return dict(state)


def _create_unsound_error(path: Path, error: Exception) -> InputError:
    reason = (str(error) or type(error).__name__).splitlines()[0][:100]
    return InputError(
        str(path), f"not a state to resume from ({reason})", "start again in another folder"
    )


def remove_incomplete(folder: Path) -> int:
    """Remove partial files that a killed run left; return how many were checkpoints."""
    checkpoints = _list_partial_files(folder, (STATE, MODEL, MODEL_CARD))
    for part in checkpoints + _list_partial_files(folder, REWRITTEN):
        part.unlink(missing_ok=True)
    return len(checkpoints)


def _list_partial_files(folder: Path, names: Sequence[str]) -> list[Path]:
    return [path for name in names for path in folder.glob(f".{name}.*.part")]
