"""Weights from files, and how they fit a method: by name, by shape, joint by joint."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17, SKELETONS, Skeleton
from smallpose.methods.base import PoseMethod
from smallpose.methods.checkpoints.key_names import rename_keys
from smallpose.methods.checkpoints.safe_unpickle import read_pickle
from smallpose.system.progress import print_status

METADATA_KEY = "smallpose"  # key of our JSON among a safetensors file's metadata


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

    def load_into(
        self, method: PoseMethod, *, adapt: bool = False, skeleton: Skeleton | None = None
    ) -> None:
        """Copy all tensors into the method; those for a backbone alone leave the rest as it is.

        Args:
            adapt: where the skeletons differ, carry the rows of joints both have, by name.
            skeleton: whose joints the weights find, where their file does not say. Without it,
                COCO's where there are 17, else the one known skeleton with so many joints.

        Raises: InputError, naming the first tensor that lacks, is left over, or does not fit.
        """
        own = method.state_dict()
        self._refuse_another_method(method)
        state = dict(self.tensors)
        alone = all(name.startswith("backbone.") for name in state)
        if not any(name.startswith("backbone.") for name in own):  # CAL's authors use no prefix
            state = {name.removeprefix("backbone."): tensor for name, tensor in state.items()}
        source = self.skeleton or skeleton or self._skeleton_by_shape(state, method)
        if source is not None and source.joints != method.skeleton.joints:
            if not adapt:
                raise InputError(
                    str(self.path),
                    _unlike(method.skeleton, source),
                    "use --adapt",
                )
            _carry_joints(state, own, method, source)
            state = self._without_alien(state, method)
        if alone:  # HRNet's classifier lets its last stage out at all strides
            state = {n: t for n, t in state.items() if n in own or ".fuse_layers." not in n}
        needed = [n for n in own if method.is_backbone_weight(n)] if alone else list(own)
        if source is not None and source.joints != method.skeleton.joints:
            needed = [n for n in needed if not n.startswith(method.skeleton_specific or "-")]
        self._refuse_misfits(state, own, needed, method)
        method.load_state_dict(own | state)

    def _without_alien(self, state: dict[str, Tensor], method: PoseMethod) -> dict[str, Tensor]:
        """Without what only the other skeleton could use; the method's own is made neutral."""
        alien = method.skeleton_specific
        if not alien:
            return state
        kept = {name: t for name, t in state.items() if not name.startswith(alien)}
        if len(kept) < len(state):
            lost = len(state) - len(kept)
            print_status(f"{self.path}: {lost} tensors of its own skeleton alone are left out")
        method.reset_skeleton_specific()
        return kept

    def _skeleton_by_shape(
        self, state: Mapping[str, Tensor], method: PoseMethod
    ) -> Skeleton | None:
        """The skeleton that a file which names no joints has rows for; None where it has none.

        Raises: InputError when several have so many joints, or no known one.
        """
        count = _count_joints(state, method)
        if count is None or count == len(COCO17):
            return None if count is None else COCO17
        if count == len(method.skeleton):
            return method.skeleton
        known = [s for s in SKELETONS.values() if len(s) == count]
        if len(known) == 1:
            return known[0]
        names = ", ".join(s.name for s in known) or "none that is known"
        raise InputError(
            str(self.path),
            f"head expects {len(method.skeleton)} keypoints, file has {count} ({names})",
            "say whose with --weights-skeleton NAME or FILE",
        )

    def _refuse_another_method(self, method: PoseMethod) -> None:
        made_for = self.about.get("method", method.name)
        if made_for != method.name:
            raise InputError(
                str(self.path), f"weights of {made_for}, not {method.name}", f"name {made_for}"
            )

    def _refuse_misfits(
        self,
        state: Mapping[str, Tensor],
        own: Mapping[str, Tensor],
        needed: list[str],
        method: PoseMethod,
    ) -> None:
        def refuse(what: str) -> InputError:
            return InputError(str(self.path), what, "name the method these weights were made for")

        needed = [name for name in needed if not name.endswith("num_batches_tracked")]
        lacking = [name for name in needed if name not in state]
        forgone = [name for name in lacking if name.startswith(method.training_only or "-")]
        if forgone and len(forgone) == len(lacking):
            # Published files of RTMO come without what only training asks.
            print_status(f"{self.path}: {len(forgone)} tensors that only training needs begin anew")
        elif lacking:
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


def read_weights(path: Path, *, trust: bool = False) -> Weights:
    """The weights in a file, or in a run's folder.

    Args:
        trust: let a `.pth` run code while it is read, where it needs to.

    Raises: InputError for what is no such file; RefusedError for one that would have to run code.
    """
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.is_file():
        raise InputError(str(path), "no such file", "check --weights")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    held = read_pickle(path, trust=trust)
    state = held.get("state_dict", held.get("model", held))
    if not isinstance(state, dict) or not any(isinstance(t, Tensor) for t in state.values()):
        raise InputError(str(path), "no tensors under 'state_dict'", "name a checkpoint")
    return Weights(path, rename_keys(state), None, {})


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
        held = read_pickle(path)
        state = held.get("state_dict", held)
    if not isinstance(state, dict):
        raise InputError(str(path), "no tensors under 'state_dict'", "name a checkpoint")
    return {n.removeprefix("module."): t for n, t in state.items() if isinstance(t, Tensor)}


def _read_safetensors(path: Path) -> Weights:
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise InputError(
            str(path), f"not a sound safetensors file ({error})", "copy it again"
        ) from None
    return Weights(path, rename_keys(tensors), skeleton_from_json(about.get("skeleton")), about)


def skeleton_from_json(about: Mapping[str, Any] | None) -> Skeleton | None:
    """The skeleton that `skeleton_to` wrote."""
    if not about:
        return None
    edges = tuple((int(a), int(b)) for a, b in about["edges"])
    sigmas = about.get("sigmas")
    return Skeleton(
        about["name"], tuple(about["joints"]), edges, None if sigmas is None else tuple(sigmas)
    )


def skeleton_to_json(skeleton: Skeleton) -> dict[str, Any]:
    """A skeleton as JSON holds it."""
    return {
        "name": skeleton.name,
        "joints": list(skeleton.joints),
        "edges": [list(edge) for edge in skeleton.edges],
        "sigmas": None if skeleton.custom_sigmas is None else list(skeleton.custom_sigmas),
    }


def _of_joints(name: str, own: Mapping[str, Tensor], method: PoseMethod) -> bool:
    """Whether an entry has rows for each joint; a norm's counter of batches has none."""
    there = name in method.keypoint_layers or name.rsplit(".", 1)[0] in method.keypoint_layers
    return there and own[name].ndim > 0


def _count_joints(state: Mapping[str, Tensor], method: PoseMethod) -> int | None:
    """For how many joints a file has rows; None where it has no rows for joints, or odd ones."""
    own = method.state_dict()
    for name in own:
        if _of_joints(name, own, method) and name in state:
            each, rest = divmod(len(own[name]), len(method.skeleton))
            count, left = divmod(len(state[name]) - rest, each)
            return count if not left and count > 0 else None
    return None


def _carry_joints(
    state: dict[str, Tensor], own: Mapping[str, Tensor], method: PoseMethod, source: Skeleton
) -> None:
    """Replace the rows of joints in `state` by those of the method's skeleton, by name.

    A layer has some rows for each joint and perhaps more behind them (a root); joints that the
    source lacks keep the method's own beginning.
    """
    shared = [joint for joint in method.skeleton.joints if joint in source.joints]
    to, since = method.skeleton.joint_indices(shared), source.joint_indices(shared)
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


def _unlike(wanted: Skeleton, held: Skeleton) -> str:
    if len(wanted) != len(held):
        return f"head expects {len(wanted)} keypoints, file has {len(held)}"
    return (
        f"head expects the {len(wanted)} keypoints of {wanted.name}, file has those of {held.name}"
    )
