"""Read weights from files and load them into methods."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from smallpose.core.counts import format_count, format_share
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17, SKELETONS, Skeleton
from smallpose.methods.base import PoseMethod
from smallpose.methods.checkpoints.key_names import rename_keys
from smallpose.methods.checkpoints.keypoint_rows import copy_shared_joints, count_keypoints
from smallpose.methods.checkpoints.model_card import parse_model_card
from smallpose.methods.checkpoints.safe_unpickle import read_pickle
from smallpose.methods.checkpoints.spelled_joints import recall_spelled_joints
from smallpose.methods.checkpoints.state_dict import find_state_dict, remove_wrappers
from smallpose.system.progress import print_status

METADATA_KEY = "smallpose"  # key of our JSON among a safetensors file's metadata


@dataclass
class Weights:
    """Tensors by name, and the metadata of their file.

    Args:
        path: for messages.
        tensors: under the names of our modules.
        skeleton: of the joints they predict; None where the file does not tell.
        metadata: the JSON that `save_model` wrote; empty for files of other programs.
    """

    path: Path
    tensors: dict[str, Tensor]
    skeleton: Skeleton | None
    metadata: Mapping[str, Any]

    @property
    def is_backbone_alone(self) -> bool:
        """Return whether the file has a backbone and no head, as ImageNet's weights."""
        return all(name.startswith("backbone.") for name in self.tensors)

    @property
    def is_mirrored_in_training(self) -> bool:
        """Return whether training mirrored images, and so has said which joints stay in place."""
        recipe = self.metadata.get("recipe")
        augment = recipe.get("augment") if isinstance(recipe, Mapping) else None
        flip = augment.get("flip") if isinstance(augment, Mapping) else None
        return isinstance(flip, int | float) and flip > 0

    def load_into(
        self,
        method: PoseMethod,
        *,
        adapt: bool = False,
        partial: bool = False,
        skeleton: Skeleton | None = None,
    ) -> None:
        """Load all tensors into the method.

        Args:
            adapt: where the skeletons differ, copy the rows of shared joints, by name.
            partial: accept the weights of a backbone alone, for training; what the file lacks
                keeps its initial values, which is said.
            skeleton: of the joints the weights predict, where their file does not tell (default:
                COCO's for 17 joints, else the only known skeleton with that many).

        Raises: InputError, naming the first tensor that is missing, unknown, or does not fit.
        """
        self._check_method(method)
        self._check_size(method, partial)
        expected = method.state_dict()
        state = dict(self.tensors)
        is_backbone = self.is_backbone_alone
        if is_backbone and not partial:
            raise InputError(
                str(self.path),
                f"has a backbone alone, without the head of {method.name}",
                "train it first (train --weights), or name weights that predict keypoints",
            )
        if not any(name.startswith("backbone.") for name in expected):
            # CAL's authors use no prefix.
            state = {name.removeprefix("backbone."): tensor for name, tensor in state.items()}
        source = self.skeleton or skeleton or self.infer_skeleton(method, state)
        is_other_skeleton = source is not None and source.joints != method.skeleton.joints
        if source is not None and is_other_skeleton:
            if not adapt:
                what = _describe_mismatch(method.skeleton, source)
                raise InputError(str(self.path), what, "use --adapt")
            copy_shared_joints(state, expected, method, source)
            state = self._drop_skeleton_specific(state, method)
        if is_backbone:  # the last stage of HRNet's classifier outputs all strides
            state = {n: t for n, t in state.items() if n in expected or ".fuse_layers." not in n}
        required = list(expected)
        if is_backbone:
            required = [n for n in required if method.is_backbone_weight(n)]
        if is_other_skeleton:
            required = [n for n in required if not n.startswith(method.skeleton_specific)]
        self._check_fit(state, expected, required, method)
        if is_backbone:
            print_status(
                f"{self.path}: a backbone alone; {len(expected.keys() - state.keys())} of "
                f"{format_count(len(expected), 'tensor keeps', 'tensors keep')} their initial "
                "values"
            )
        method.load_state_dict(expected | state)

    def _drop_skeleton_specific(
        self, state: dict[str, Tensor], method: PoseMethod
    ) -> dict[str, Tensor]:
        """Drop what only the other skeleton can use and make the method's own neutral."""
        if not method.skeleton_specific:
            return state
        kept = {n: t for n, t in state.items() if not n.startswith(method.skeleton_specific)}
        if len(kept) < len(state):
            num_dropped = len(state) - len(kept)
            print_status(
                f"{self.path}: {format_count(num_dropped, 'tensor is', 'tensors are')} dropped: "
                "made for its skeleton only"
            )
        method.reset_skeleton_specific()
        return kept

    def infer_skeleton(
        self, method: PoseMethod, state: Mapping[str, Tensor] | None = None
    ) -> Skeleton | None:
        """Return the skeleton with as many joints as the weights; None for a backbone alone.

        Args:
            method: of the weights, for any skeleton.
            state: the tensors by the method's names (default: those of the file).

        Raises: InputError when several skeletons have that many joints, or no known one.
        """
        count = count_keypoints(self.tensors if state is None else state, method)
        if count is None:
            return None
        if count == len(COCO17):
            return COCO17
        if count == len(method.skeleton):
            return method.skeleton
        candidates = [s for s in SKELETONS.values() if len(s) == count]
        if len(candidates) == 1:
            return candidates[0]
        names = ", ".join(s.name for s in candidates) or "no known skeleton"
        raise InputError(
            str(self.path),
            f"head expects {format_count(len(method.skeleton), 'keypoint')}, file has {count} "
            f"({names})",
            "name its skeleton with --weights-skeleton NAME or FILE",
        )

    def _check_method(self, method: PoseMethod) -> None:
        made_for = self.metadata.get("method", method.name)
        if made_for != method.name:
            raise InputError(
                str(self.path), f"weights of {made_for}, not {method.name}", f"use {made_for}"
            )

    def _check_size(self, method: PoseMethod, partial: bool) -> None:
        """Refuse weights of another input size; those a training starts from may differ."""
        made_for = self.metadata.get("input_wh")
        size = method.get_trained_input_wh()
        if made_for is None or tuple(made_for) == size:
            return
        trained = " × ".join(map(str, made_for))
        what = f"was trained at {trained} px, and {method.name} takes {size[0]} × {size[1]}"
        if not partial:
            remedy = f"set the method's input to {trained}, or train it on (train --weights)"
            raise InputError(str(self.path), what, remedy)
        print_status(f"{self.path}: {what}")

    def _check_fit(
        self,
        state: Mapping[str, Tensor],
        expected: Mapping[str, Tensor],
        required: list[str],
        method: PoseMethod,
    ) -> None:
        """Check names, shapes and values.

        Raises: InputError.
        """

        def make_error(what: str) -> InputError:
            return InputError(str(self.path), what, "name the method these weights were made for")

        required = [name for name in required if not name.endswith("num_batches_tracked")]
        missing = [name for name in required if name not in state]
        if missing and all(name.startswith(method.training_only) for name in missing):
            # Published files of RTMO lack what only training uses.
            print_status(
                f"{self.path}: no values for {format_count(len(missing), 'tensor')} that only "
                "training uses; initial values are kept"
            )
        elif missing:
            share = format_share(len(missing), len(required), "tensor is", "tensors are")
            raise make_error(f"{share} missing, the first is {missing[0]!r}")
        unknown = [name for name in state if name not in expected]
        if unknown:
            raise make_error(
                f"{format_count(len(unknown), 'unknown tensor')}, the first is {unknown[0]!r}"
            )
        for name, tensor in state.items():
            if tensor.shape != expected[name].shape:
                shapes = f"{tuple(tensor.shape)} instead of {tuple(expected[name].shape)}"
                raise make_error(f"{name!r} has shape {shapes}")
            if not torch.isfinite(tensor).all():
                raise InputError(
                    str(self.path), f"{name!r} has values that are not finite", "train it again"
                )


def read_weights(path: Path, *, trust: bool = False) -> Weights:
    """Read the weights in a file, or in a run's folder.

    Args:
        trust: let a `.pth` run code while it is read, where it needs to.

    Raises: InputError for a file without weights; RefusedError for one that would have to run code.
    """
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.is_file():
        raise InputError(str(path), "no such file", "check --weights")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    state = find_state_dict(path, read_pickle(path, trust=trust))
    return Weights(path, rename_keys(remove_wrappers(path, state)), None, {})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a checkpoint by their own names, without DataParallel's `module.`.

    Raises: as `read_weights`.
    """
    if not path.is_file():
        raise InputError(str(path), "no such file", "check the path")
    if path.suffix == ".safetensors":
        state, _ = _open_safetensors(path)
    else:
        state = find_state_dict(path, read_pickle(path))
    return {n.removeprefix("module."): t for n, t in state.items() if isinstance(t, Tensor)}


def _read_safetensors(path: Path) -> Weights:
    tensors, card = _open_safetensors(path)
    metadata = parse_model_card(path, card)
    skeleton = skeleton_from_json(metadata.get("skeleton"))
    if skeleton is not None:
        skeleton = recall_spelled_joints(path, skeleton)
    return Weights(path, rename_keys(remove_wrappers(path, tensors)), skeleton, metadata)


def _open_safetensors(path: Path) -> tuple[dict[str, Tensor], str]:
    """Return the tensors and the text of our JSON; raise InputError for a damaged file."""
    try:
        with safe_open(path, framework="pt") as file:
            card = (file.metadata() or {}).get(METADATA_KEY, "{}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, RuntimeError, TypeError, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            str(path), f"not a valid safetensors file ({reason})", "copy it again"
        ) from None
    return tensors, card


def skeleton_from_json(record: Mapping[str, Any] | None) -> Skeleton | None:
    """Restore the skeleton that `skeleton_to_json` wrote."""
    if not record:
        return None
    edges = tuple((int(a), int(b)) for a, b in record["edges"])
    sigmas, pairs = record.get("sigmas"), record.get("swap")
    borrowed = record.get("not_measured", {})
    return Skeleton(
        name=record["name"],
        joints=tuple(record["joints"]),
        edges=edges,
        custom_sigmas=None if sigmas is None else tuple(sigmas),
        custom_pairs=None if pairs is None else tuple((int(a), int(b)) for a, b in pairs),
        file_joints=tuple(record.get("file_joints", ())),
        sigma_origins=tuple(borrowed.get(name, "") for name in record["joints"] if borrowed),
    )


def skeleton_to_json(skeleton: Skeleton) -> dict[str, Any]:
    """Convert a skeleton to JSON."""
    sigmas = skeleton.custom_sigmas
    record: dict[str, Any] = {
        "name": skeleton.name,
        "joints": list(skeleton.joints),
        "edges": [list(edge) for edge in skeleton.edges],
        "sigmas": None if sigmas is None else list(sigmas),
    }
    if skeleton.custom_pairs is not None:
        record["swap"] = [list(pair) for pair in skeleton.custom_pairs]
    if skeleton.spelled_joints != skeleton.joints:
        record["file_joints"] = list(skeleton.spelled_joints)
    if any(skeleton.sigma_origins):
        pairs = zip(skeleton.joints, skeleton.sigma_origins, strict=True)
        record["not_measured"] = {name: origin for name, origin in pairs if origin}
    return record


def _describe_mismatch(expected: Skeleton, actual: Skeleton) -> str:
    if len(expected) != len(actual):
        return f"head expects {format_count(len(expected), 'keypoint')}, file has {len(actual)}"
    count = len(expected)
    return (
        f"head expects the {format_count(count, 'keypoint')} of {expected.name}, file has those of "
        f"{actual.name}"
    )
