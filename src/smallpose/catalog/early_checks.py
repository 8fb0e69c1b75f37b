"""Refuse devices, weights and options that cannot work, before PyTorch is loaded.

Loading it takes seconds. What only PyTorch can tell is checked where it is used; these checks
say the same of what files, names and the catalog of methods tell.
"""

import ctypes
import difflib
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from smallpose.catalog.keywords import PUBLISHED_WEIGHTS
from smallpose.catalog.method_checks import PUBLISHED, PUBLISHED_FULL_IMAGE
from smallpose.catalog.method_code import is_method_code
from smallpose.catalog.methods import read_catalog
from smallpose.catalog.weight_card import read_weight_card
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.skeleton import Skeleton
from smallpose.io.skeleton_json import find_skeleton

_DEVICE = re.compile(r"(cpu|cuda|mps|xpu|hpu|mtia|meta|vulkan|privateuseone)(:\d+)?")
_GPU_FILES = ("/dev/kfd", "/dev/dxg", "/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/nvgpu")
_TOP_DOWN = "top-down"


def refuse_missing_device(name: str) -> None:
    """Raise InputError for a device that has no such kind, or for a GPU without its driver."""
    if not name:
        return
    if _DEVICE.fullmatch(name) is None:
        raise InputError(
            f"--device {name}", "cannot be used (there is no such kind)", "use cpu, or cuda:0"
        )
    if name.startswith("cuda") and not _may_have_gpu():
        raise InputError(
            f"--device {name}", "cannot be used (this machine has no driver of a GPU)", "use cpu"
        )


def _may_have_gpu() -> bool:
    """Return whether a GPU may work; on other systems than Linux that is not known."""
    if sys.platform != "linux" or any(map(Path.exists, map(Path, _GPU_FILES))):
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def is_full_image_method(name: str) -> bool | None:
    """Return whether a method detects people itself; None for a method of the user's own."""
    if name in PUBLISHED:
        return name in PUBLISHED_FULL_IMAGE
    paradigm = read_catalog().get(name, {}).get("paradigm")
    return None if paradigm is None else paradigm != _TOP_DOWN


def refuse_other_weights(
    method: str, weights: Path | str | None, skeleton: str | None = None, adapt: bool = False
) -> Skeleton | None:
    """Raise InputError for weights of another method, or of other joints than are asked for.

    Args:
        skeleton: that is asked for; None for that of the weights.
        adapt: joints are matched by name.

    Returns: the skeleton of the results, where the weights tell.
    """
    asked = None if skeleton is None else find_skeleton(skeleton)
    if weights is None or str(weights) == PUBLISHED_WEIGHTS or not Path(weights).exists():
        return asked
    card = read_weight_card(Path(weights))
    path = Path(weights) / "model.safetensors" if Path(weights).is_dir() else Path(weights)
    made_for = card.get("method")
    if made_for in read_catalog() and not is_method_code(method) and made_for != method:
        raise InputError(str(path), f"weights of {made_for}, not {method}", f"use {made_for}")
    joints = _get_joints(card)
    if asked is None:
        return None if joints is None else Skeleton(str(card["skeleton"].get("name", "")), joints)
    if joints is not None and joints != asked.joints and not adapt:
        what = f"head expects {format_count(len(asked), 'keypoint')}, file has {len(joints)}"
        if len(joints) == len(asked):
            what = (
                f"head expects the {format_count(len(asked), 'keypoint')} of {asked.name}, file "
                "has others"
            )
        raise InputError(str(path), what, "use --adapt")
    return asked


def _get_joints(card: Mapping[str, Any]) -> tuple[str, ...] | None:
    skeleton = card.get("skeleton")
    joints = skeleton.get("joints") if isinstance(skeleton, Mapping) else None
    if not isinstance(joints, list) or not all(isinstance(one, str) for one in joints):
        return None
    return tuple(joints) if joints and len(set(joints)) == len(joints) else None


def parse_override(text: str) -> tuple[str, str]:
    """Parse `name=value` of a field of a recipe.

    Raises: InputError for anything else.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(text, "is not name=value", "write it as in epochs=2")
    return name, value


def refuse_unknown_fields(method: str, overrides: Iterable[tuple[str, str]]) -> None:
    """Raise InputError for an override of a field that no recipe of a method has."""
    recipes = read_catalog().get(method, {}).get("recipes")
    if not recipes:
        return
    known = {
        field
        for recipe in recipes.values()
        for name, value in recipe.items()
        for field in ([f"{name}.{key}" for key in value] if name == "augment" else [name])
    }
    for name, value in overrides:
        if name not in known and not name.startswith("rates."):
            near = difflib.get_close_matches(name, known, n=3) or ["epochs", "batch_size"]
            what = "no such field of a recipe"
            raise InputError(f"{name}={value}", what, f"try {', '.join(near)}")


def refuse_two_precisions(precision: str, overrides: Iterable[tuple[str, object]]) -> None:
    """Raise InputError for --precision beside the field `half` of a recipe."""
    half = dict(overrides).get("half")
    if precision and half is not None:
        what = f"says the same as --precision {precision}, or contradicts it"
        raise InputError(f"half={half}", what, "leave half= out")


def refuse_unknown_recipe(method: str, recipe: str, others: tuple[str, ...] = ()) -> None:
    """Raise InputError for a recipe that a method of ours does not have.

    Args:
        others: names of recipes that every method has.
    """
    recipes = read_catalog().get(method, {}).get("recipes")
    if not recipe or recipes is None or recipe in recipes or recipe in others:
        return
    known = ", ".join((*recipes, *others))
    raise InputError(f"--recipe {recipe}", f"{method} has no such recipe", f"use {known}")
