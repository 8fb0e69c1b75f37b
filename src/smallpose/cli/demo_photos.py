"""The last part of `smallpose demo`: MoveNet on photographs, where it and they can be had.

The photographs are the user's, or those with people that packages on this machine bring along.
"""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from smallpose.core.errors import RunError
from smallpose.system.packages import format_module_command

# Photographs of people, in the folders of installed packages.
_PACKAGE_PHOTOS = (
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    ("skimage", "data/astronaut.png"),
    ("skimage", "data/camera.png"),
)
# MoveNet also returns parts of people as further people, with lower scores; AP needs them, a
# drawing does not.
_MIN_SCORE = "0.3"
# A machine without a network should not wait for pip's own retries.
_QUICK_PIP = {"PIP_RETRIES": "1", "PIP_DEFAULT_TIMEOUT": "10"}


def predict_photos(out: Path, folder: Path | None, run_verb: Callable[..., None]) -> str:
    """Find the people of photographs with MoveNet, and draw them.

    Args:
        out: folder for the results.
        folder: the user's photographs; None for those of installed packages.
        run_verb: runs a command given by its words.

    Returns: the line that says where to look, or how it can be run.
    """
    photos = [folder] if folder is not None else list_package_photos()
    by_hand = "smallpose predict movenet PHOTOS/ --out found.json --draw drawn"
    if find_spec("ai_edge_litert") is None:
        return f"For your photographs: {format_module_command('ai_edge_litert')}, then {by_hand}"
    if not photos:
        return f"For your photographs: {by_hand}"
    print("\nlast, MoveNet on photographs", end="", flush=True)
    try:
        run_verb("weights", "get", "movenet", environment=_QUICK_PIP)
        results = out / "found.json"
        drawn = out / "drawn"
        options = ("--draw", drawn, "--min-score", _MIN_SCORE)
        run_verb("predict", "movenet", *photos, "--out", results, *options)
    except RunError:
        return f"MoveNet did not run, see above; when it can: {by_hand}"
    return (
        f"see {drawn}{os.sep} for MoveNet on photographs (real people; no row of the benchmark): "
        f"all with a score from {_MIN_SCORE} on; without --min-score people of lower scores, who "
        "are often none, are kept and counted, too"
    )


def list_package_photos() -> list[Path]:
    """Return the photographs of people that installed packages bring along."""
    photos = []
    for package, path in _PACKAGE_PHOTOS:
        spec = find_spec(package)
        folders = list(spec.submodule_search_locations or []) if spec else []
        photos += [Path(folder) / path for folder in folders if (Path(folder) / path).is_file()]
    return photos
