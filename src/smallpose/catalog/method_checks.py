"""Refuse methods and weights that cannot work, before PyTorch is loaded, which takes seconds."""

import difflib
from collections.abc import Collection, Mapping
from pathlib import Path

from smallpose.catalog.keywords import PUBLISHED_WEIGHTS, report_shadowed_path
from smallpose.catalog.method_code import MethodCode, is_method_code
from smallpose.catalog.methods import read_catalog
from smallpose.catalog.trained_weights import describe_training, has_trained_weights
from smallpose.core.errors import InputError

_LITERT = ("ai_edge_litert",)
_ONNX = ("onnx", "onnxruntime")
# Models that are none of the paper's methods and bring their weights, with the modules that run
# them besides those of every method.
PUBLISHED_MODULES: Mapping[str, tuple[str, ...]] = {
    "movenet": _LITERT,
    "movenet-thunder": _ONNX,
    "movenet-lightning": _ONNX,
    "posenet": _ONNX,
    "efficientpose": _ONNX,
    "blazepose-heavy": _LITERT,
    "blazepose-full": _LITERT,
    "blazepose-lite": _LITERT,
    "openpose-thin": (),
}
PUBLISHED = tuple(PUBLISHED_MODULES)
EXPORTED = "network.onnx"  # in the folder of an export
PUBLISHED_FULL_IMAGE = ("movenet", "posenet", "openpose-thin")  # which detect people themselves


def refuse_unknown_method(name: str, known: Collection[str] | None = None) -> None:
    """Raise InputError for a name that is no method, and for a file that does not exist.

    Args:
        known: the names (default: those of the paper's methods and their variants).
    """
    code = MethodCode.parse(name)
    if code is not None:
        if not code.file.is_file():
            what = f"no file {code.file}"
            remedy = "write FILE.py:NAME with an existing file"
            raise InputError(name, what, remedy)
        return
    known = tuple(read_catalog()) if known is None else known
    if name in known:
        return
    if Path(name).is_dir():
        remedy = f"name the method, and the folder by --weights {name}"
        raise InputError(f"method {name}", "is a folder and not a method", remedy)
    if name in PUBLISHED:
        remedy = (
            f"predict with it: smallpose predict {name}, or in Python: "
            f'from smallpose.external import create_model; create_model("{name}")'
        )
        raise InputError(f"method {name}", "is a published model and cannot be trained", remedy)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    near = [other for other in near if other.startswith(name)] or near[:1]
    guess = f"did you mean {' or '.join(near)}?" if near else "'smallpose methods' lists them"
    remedy = (
        f"{guess}; {PUBLISHED[0]} brings its weights, FILE.py:NAME is a method of your own, and "
        "results of other tools go to 'smallpose evaluate'"
    )
    raise InputError(f"method {name}", "no such method", remedy)


def suggest_model(name: str) -> str:
    """Return the published model or the method whose name is the nearest to a word."""
    known = (*PUBLISHED, *read_catalog())
    near = [other for other in known if name and name.lower() in other]
    return (near or difflib.get_close_matches(name, known, n=1) or [PUBLISHED[0]])[0]


def is_method_name(word: str, flag: str = "") -> bool:
    """Return whether a word names a method or a published model, also beside a path of that name.

    Args:
        flag: what the word was given for; a run of that name is then reported. "" reports nothing.
    """
    if word not in PUBLISHED and word not in read_catalog():
        return False
    if flag and _holds_weights(Path(word)):
        report_shadowed_path(word, flag, "method")
    return True


def _holds_weights(folder: Path) -> bool:
    """Return whether a folder is that of a run, which can take the place of a method."""
    return any((folder / name).is_file() for name in ("model.json", "model.safetensors"))


def refuse_missing_weights(name: str, weights: Path | str | None, flag: str = "--weights") -> None:
    """Raise InputError where a method has no weights, or their file does not exist.

    Args:
        flag: the option that names the weights.
    """
    if weights is None:
        if has_trained_weights(name):
            return
        if name in read_catalog() or is_method_code(name):
            raise InputError(name, "has no weights of its own", _describe_choices(name))
        return
    path = Path(weights)
    _refuse_exported_network(path, flag)
    facts = read_catalog().get(name, {})
    if str(weights) == PUBLISHED_WEIGHTS and name in PUBLISHED:
        what = f"{name} has weights of its own, which MMPose does not publish"
        raise InputError(f"{flag} {weights}", what, f"leave {flag} out")
    if str(weights) == PUBLISHED_WEIGHTS:
        _refuse_unpublished(name, flag)
        if path.is_file() or _holds_weights(path):
            report_shadowed_path(PUBLISHED_WEIGHTS, flag)
        return
    published = (facts.get("checkpoint"), *facts.get("other_checkpoints", ()))
    if path.is_dir():
        _refuse_folder_without_run(path, flag)
        path = path / "model.safetensors"
    elif str(weights) in published:
        return
    if not path.is_file():
        raise InputError(str(path), "no such file", f"check {flag}")


def _refuse_exported_network(path: Path, flag: str) -> None:
    """Raise InputError for a network of ONNX or OpenVINO, or the folder of an export."""
    is_export = (path / EXPORTED).is_file() and not (path / "model.safetensors").is_file()
    if is_export or (path.suffix.lower() in (".onnx", ".xml") and path.is_file()):
        what = "is an exported network, and weights of PyTorch are due"
        remedy = (
            "name the run or the checkpoint that it was exported from, which 'smallpose predict "
            "--engine onnxruntime' computes by ONNX, too; examples/onnx_predict.py runs an export"
        )
        raise InputError(f"{flag} {path}", what, remedy)


def _refuse_folder_without_run(path: Path, flag: str) -> None:
    """Raise InputError for a folder without weights; it names the runs in it."""
    if (path / "model.safetensors").is_file():
        return
    runs = sorted(str(file.parent) for file in path.glob("*/model.safetensors"))
    remedy = "name the folder of a run, which 'smallpose train' makes, or a checkpoint"
    if runs:
        remedy = f"name {', '.join(runs[:3])}"
    raise InputError(f"{flag} {path}", "is a folder without model.safetensors", remedy)


def _refuse_unpublished(name: str, flag: str) -> None:
    """Raise InputError where nobody publishes weights of a method of ours."""
    facts = read_catalog().get(name, {})
    if facts and not facts.get("checkpoint"):
        what = f"there are no published weights of {name}"
        raise InputError(f"{flag} {PUBLISHED_WEIGHTS}", what, _describe_choices(name))


def _describe_choices(name: str) -> str:
    """Return which weights of a method can be had, with what to type."""
    own = "--weights with a run's folder ('smallpose demo' makes one, as 'smallpose train' does)"
    needs_none = f"{PUBLISHED[0]} needs none"
    checkpoint = read_catalog().get(name, {}).get("checkpoint")
    training = describe_training(name)
    if training:
        return f"{training}; or add {own} or a checkpoint; {needs_none}"
    if not checkpoint:
        return f"add {own} or a checkpoint; {needs_none}"
    return (
        f"add --weights {PUBLISHED_WEIGHTS} for the published ones ('smallpose weights get {name}' "
        f"downloads them), or {own} or a checkpoint; {needs_none}"
    )
