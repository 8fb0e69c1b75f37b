"""Weights from files: our safetensors, and other people's `.pth` without running their code.

A `.pth` is a pickle and a pickle is a program. PyTorch's restricted reader builds tensors and
plain containers only; the bookkeeping that MMEngine leaves beside them is allowed in as empty
stubs, and everything else is refused.
"""

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.skeleton import COCO17, SMALLPOSE, Skeleton
from smallpose.methods.base import PoseMethod

FORMAT = "smallpose"  # key of our JSON among a safetensors file's metadata


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
    *(np.ndarray, np.dtype),
    *(type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "u8", "?")),
]


@dataclass
class Weights:
    """Tensors by name, and what their file says of them.

    Args:
        path: for messages.
        tensors: with the names our modules use.
        skeleton: whose joints they find; None where the file does not say.
        about: the file's own JSON; empty for other people's.
    """

    path: Path
    tensors: dict[str, Tensor]
    skeleton: Skeleton | None
    about: Mapping[str, Any]

    def load_into(self, method: PoseMethod, *, adapt: bool = False) -> None:
        """Copy all tensors into the method; those for a backbone alone leave the rest as it is.

        Args:
            adapt: where the skeletons differ, carry the rows of joints both have, by name.

        Raises: InputError, naming the first tensor that lacks, is left over, or does not fit.
        """
        own = method.state_dict()
        self._refuse_another_method(method)
        state = dict(self.tensors)
        alone = all(name.startswith("backbone.") for name in state)
        if not any(name.startswith("backbone.") for name in own):  # CAL's authors use no prefix
            state = {name.removeprefix("backbone."): tensor for name, tensor in state.items()}
        source = self.skeleton or _skeleton_by_shape(state, method)
        if source is not None and source.joints != method.skeleton.joints:
            if not adapt:
                raise InputError(
                    str(self.path),
                    f"head expects {_joints(method.skeleton, source)}, "
                    f"file has {_joints(source, method.skeleton)}",
                    "use --adapt",
                )
            _carry_joints(state, own, method, source)
        if alone:  # HRNet's classifier lets its last stage out at all strides
            state = {n: t for n, t in state.items() if n in own or ".fuse_layers." not in n}
        needed = [n for n in own if method.in_backbone(n)] if alone else list(own)
        self._refuse_misfits(state, own, needed)
        method.load_state_dict(own | state)

    def _refuse_another_method(self, method: PoseMethod) -> None:
        made_for = self.about.get("method", method.name)
        if made_for != method.name:
            raise InputError(
                str(self.path), f"weights of {made_for}, not {method.name}", f"name {made_for}"
            )

    def _refuse_misfits(
        self, state: Mapping[str, Tensor], own: Mapping[str, Tensor], needed: list[str]
    ) -> None:
        def refuse(what: str) -> InputError:
            return InputError(str(self.path), what, "name the method these weights were made for")

        needed = [name for name in needed if not name.endswith("num_batches_tracked")]
        lacking = [name for name in needed if name not in state]
        if lacking:
            raise refuse(f"{len(lacking)} of {len(needed)} tensors lack, the first {lacking[0]!r}")
        extra = [name for name in state if name not in own]
        if extra:
            raise refuse(f"{len(extra)} tensors too many, the first {extra[0]!r}")
        for name, tensor in state.items():
            if tensor.shape != own[name].shape:
                shapes = f"{tuple(tensor.shape)} instead of {tuple(own[name].shape)}"
                raise refuse(f"{name!r} has shape {shapes}")
            if not torch.isfinite(tensor).all():
                raise InputError(str(self.path), f"{name!r} is not finite", "train it again")


def read_weights(path: Path) -> Weights:
    """The weights in a file, or in a run's folder.

    Raises: InputError for what is no such file; RefusedError for one that would have to run code.
    """
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.is_file():
        raise InputError(str(path), "no such file", "check --weights")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    held = _read_pickle(path)
    state = held.get("state_dict", held.get("model", held))
    if not isinstance(state, dict) or not any(isinstance(t, Tensor) for t in state.values()):
        raise InputError(str(path), "no tensors under 'state_dict'", "name a checkpoint")
    return Weights(path, _our_names(state), None, {})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint under their own names, without DataParallel's `module.`.

    Raises: as `read_weights`.
    """
    if not path.is_file():
        raise InputError(str(path), "no such file", "check the path")
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    else:
        held = _read_pickle(path)
        state = held.get("state_dict", held)
    if not isinstance(state, dict):
        raise InputError(str(path), "no tensors under 'state_dict'", "name a checkpoint")
    return {n.removeprefix("module."): t for n, t in state.items() if isinstance(t, Tensor)}


def _read_safetensors(path: Path) -> Weights:
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get(FORMAT, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise InputError(
            str(path), f"not a sound safetensors file ({error})", "copy it again"
        ) from None
    return Weights(path, _our_names(tensors), skeleton_from(about.get("skeleton")), about)


def skeleton_from(about: Mapping[str, Any] | None) -> Skeleton | None:
    """The skeleton that `skeleton_to` wrote."""
    if not about:
        return None
    edges = tuple((int(a), int(b)) for a, b in about["edges"])
    sigmas = about.get("sigmas")
    return Skeleton(
        about["name"], tuple(about["joints"]), edges, None if sigmas is None else tuple(sigmas)
    )


def skeleton_to(skeleton: Skeleton) -> dict[str, Any]:
    """A skeleton as JSON holds it."""
    return {
        "name": skeleton.name,
        "joints": list(skeleton.joints),
        "edges": [list(edge) for edge in skeleton.edges],
        "sigmas": None if skeleton.own_sigmas is None else list(skeleton.own_sigmas),
    }


def _read_pickle(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        if file.read(1) not in (b"P", b"\x80"):  # a zip or a pickle begins so
            raise InputError(str(path), "not a checkpoint", "name a .pth or .safetensors file")
    try:
        with torch.serialization.safe_globals(_HARMLESS), warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of newer pickle protocols, which it reads all the same
            held = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(
            r"GLOBAL ([\w.]+)|([Uu]nsupported (?:operand|class|opcode)\D*\w+)", str(error)
        )
        if named is None:
            raise InputError(str(path), "not a checkpoint", "name a .pth file") from None
        raise RefusedError(
            str(path),
            f"reading it needs code execution ({named[1] or named[2]})",
            "where you trust it, save its 'state_dict' alone and name that file",
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            str(path), f"not a checkpoint ({str(error).splitlines()[0]})", "copy it again"
        ) from None
    if not isinstance(held, dict):
        raise InputError(str(path), f"holds a {type(held).__name__}", "name a checkpoint")
    return held


# Behind the backbone in other people's classifiers.
_OF_CLASSIFIER = re.compile(r"(fc|classifier|final_layer|incre_modules|downsamp_modules)\.")


def _our_names(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Other people's names for the same tensors to ours."""
    tensors = {
        re.sub(r"^(module\.)?(keypoint_head\.)?", _rename, name): tensor
        for name, tensor in state.items()
        if isinstance(tensor, Tensor) and not name.startswith("data_preprocessor.")
    }
    if "conv1.weight" in tensors and not any(n.startswith(("backbone.", "head")) for n in tensors):
        # Classifiers of torchvision, timm and HRNet's authors: the backbone, and what nobody
        # needs here.
        kept = {n: t for n, t in tensors.items() if not _OF_CLASSIFIER.match(n)}
        return {f"backbone.{name}": tensor for name, tensor in kept.items()}
    return tensors


def _rename(match: re.Match[str]) -> str:
    return "head." if match[2] else ""


def _of_joints(name: str, own: Mapping[str, Tensor], method: PoseMethod) -> bool:
    """Whether an entry has rows for each joint; a norm's counter of batches has none."""
    there = name in method.joint_layers or name.rsplit(".", 1)[0] in method.joint_layers
    return there and own[name].ndim > 0


def _skeleton_by_shape(state: Mapping[str, Tensor], method: PoseMethod) -> Skeleton | None:
    """COCO's 17 or the 21, whichever a file that names no joints has rows for."""
    own = method.state_dict()
    for name in own:
        if _of_joints(name, own, method) and name in state:
            here, there = len(own[name]), len(state[name])
            each = here // len(method.skeleton)
            for skeleton in (COCO17, SMALLPOSE):
                if here - each * len(method.skeleton) == there - each * len(skeleton):
                    return skeleton
    return None


def _carry_joints(
    state: dict[str, Tensor], own: Mapping[str, Tensor], method: PoseMethod, source: Skeleton
) -> None:
    """Replace the rows of joints in `state` by those of the method's skeleton, by name.

    A layer has some rows for each joint and perhaps more behind them (a root); joints that the
    source lacks keep the method's own beginning.
    """
    shared = [joint for joint in method.skeleton.joints if joint in source.joints]
    to, since = method.skeleton.index(shared), source.index(shared)
    for name in own:
        if not _of_joints(name, own, method) or name not in state:
            continue
        new, old = own[name].clone(), state[name]
        each = len(new) // len(method.skeleton)
        for part in range(each):
            new[to * each + part] = old[since * each + part].to(new.dtype)
        rest = len(new) - each * len(method.skeleton)
        if rest:
            new[-rest:] = old[-rest:].to(new.dtype)
        state[name] = new


def _joints(skeleton: Skeleton, other: Skeleton) -> str:
    if len(skeleton) == len(other):
        return f"the {len(skeleton)} keypoints of {skeleton.name}"
    return f"{len(skeleton)} keypoints"
