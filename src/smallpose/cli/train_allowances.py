"""What `train` was allowed, which a run keeps for the page and not for `--resume`."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smallpose.catalog.method_code import MethodCode
from smallpose.catalog.train_command import build_train_arguments
from smallpose.core.errors import InputError
from smallpose.system.image_limits import MAX_IMAGE_PIXELS, get_max_pixels
from smallpose.system.link_roots import list_link_roots
from smallpose.system.progress import print_status


def list_allowances(link_roots: Sequence[str], max_pixels: int) -> dict[str, Any]:
    """Return what the options and the variables of the environment allow; None for nothing."""
    allowed = map(str, list_link_roots(with_sources=False))
    roots = tuple(dict.fromkeys([*map(os.path.realpath, link_roots), *allowed]))
    limit = max(max_pixels, get_max_pixels())
    return {"link_root": roots or None, "max_pixels": limit if limit > MAX_IMAGE_PIXELS else None}


def refuse_code_of_others(run: Path, stored: Mapping[str, Any]) -> None:
    """Name the file of a method that is executed because a run's options name it.

    Raises: InputError for a file in the run's folder, and one that is not where it was when the run
        began on this machine: what comes with a run is not executed unless the user names it.
    """
    code = MethodCode.parse(stored.get("method", ""))
    if code is None:
        return
    file = code.file.resolve()
    if str(file) != stored.get("code") or run.resolve() in file.parents:
        named = shlex.join([f"FILE.py:{code.name or 'NAME'}", "--out", str(run), "--resume"])
        raise InputError(
            f"--resume {run}",
            f"its method is in {code.file}, which may have come with it or has moved",
            f"if you trust the file, name it: smallpose train {named}",
        )
    print_status(f"{run}: the method is loaded from {code}")


def print_missing_allowances(run: Path, stored: Mapping[str, Any]) -> None:
    """Say what a run was allowed when it began and is not now.

    Args:
        stored: the options of the run; {} for a new one.
    """
    allowed = set(map(str, list_link_roots()))
    roots = tuple(folder for folder in stored.get("link_root", ()) if folder not in allowed)
    limit = stored.get("max_pixels", 0)
    missing = {"link_root": roots, "max_pixels": limit if limit > get_max_pixels() else 0}
    words = shlex.join(build_train_arguments({"method": "", **missing})[1:])
    if words:
        print_status(
            f"{run}: the run began with {words}, which its folder cannot allow, because it may "
            f"come from others; if images are refused and you trust them, add {words}"
        )
