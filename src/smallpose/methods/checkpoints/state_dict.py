"""Find the tensors of a model in the checkpoints of other programs."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from smallpose.core.errors import InputError
from smallpose.system.progress import print_status

# Averaged weights come first where a checkpoint has both. MMEngine is the exception: its EMAHook
# exchanges the two before it saves, so "state_dict" there holds the average and "ema_state_dict"
# the last step's weights.
_CONTAINERS = (
    "state_dict_ema",
    "model_ema",
    "state_dict",
    "model_state_dict",
    "ema_state_dict",
    "model",
)
# Wrappers of DataParallel, torch.compile, Lightning and of training with two copies of a model.
_WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "teacher.", "student.")
_HEADS = re.compile(r"(head|keypoint_head|final_layer|deconv_layers|bbox_head|neck)\.")


def find_state_dict(path: Path, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tensors of one model by name, out of the containers that programs save.

    Reads PyTorch's plain state dicts, MMPose's and MMEngine's `state_dict`, timm's
    `state_dict_ema`, `model_state_dict`, `model` and `ema_state_dict`. What is left out because
    the checkpoint has two sets of weights is said.

    Raises: InputError where the checkpoint has no tensors.
    """
    candidates = {key: checkpoint[key] for key in _CONTAINERS if _has_tensors(checkpoint.get(key))}
    name = next(iter(candidates), None)
    state = checkpoint if name is None else candidates[name]
    if not _has_tensors(state):
        raise InputError(str(path), "no tensors under 'state_dict'", "name a checkpoint")
    if len(candidates) > 1:
        others = ", ".join(repr(key) for key in candidates if key != name)
        print_status(f"{path}: read the weights under {name!r}, not those under {others}")
    return {key: value for key, value in state.items() if isinstance(key, str)}


def _has_tensors(state: Any) -> bool:
    if not isinstance(state, Mapping):
        return False
    return any(isinstance(key, str) and isinstance(t, Tensor) for key, t in state.items())


def remove_wrappers(path: Path, state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a state dict under the names they had before the model was wrapped.

    Of a teacher and a student the teacher is taken, which is the average of the student. Entries
    that are not tensors are dropped, as are MMPose's normalisation constants and the buffers of
    MMCV's EMAHook (`ema_…` with underscores for dots), which hold the weights before averaging.
    """
    tensors = {
        name: tensor
        for name, tensor in state.items()
        if isinstance(tensor, Tensor) and not _is_surplus(name)
    }
    while True:
        teacher = {name: t for name, t in tensors.items() if name.startswith("teacher.")}
        if 0 < len(teacher) < len(tensors) and all(
            name.startswith(("teacher.", "student.")) for name in tensors
        ):
            print_status(f"{path}: read the teacher's weights, not the student's")
            tensors = teacher
        prefix = _find_common_wrapper(tensors)
        if prefix is None:
            return tensors
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def _is_surplus(name: str) -> bool:
    is_constant = "data_preprocessor." in name
    is_mmcv_average = name.startswith("ema_") and "." not in name
    is_counter = name in ("steps", "n_averaged")  # of MMEngine's and PyTorch's averaged models
    return is_constant or is_mmcv_average or is_counter


def _find_common_wrapper(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the prefix that every name carries and that is a wrapper, or None."""
    for prefix in _WRAPPERS:
        if tensors and all(name.startswith(prefix) for name in tensors):
            return prefix
    if tensors and all(name.startswith("backbone.") for name in tensors):
        # A pose network that some program calls the backbone of its model.
        inner = [name.removeprefix("backbone.") for name in tensors]
        has_head = any(_HEADS.match(name) and not _is_classifier(name) for name in inner)
        if has_head or any(name.startswith("backbone.") for name in inner):
            return "backbone."
    return None


def _is_classifier(name: str) -> bool:
    """Tell HRNet's ImageNet classifier (`final_layer.0.`) from its pose head (`final_layer.`)."""
    return re.match(r"final_layer\.\d", name) is not None
