"""Methods of users, each in one Python file: loaded by `FILE.py:NAME` and checked once.

What a method must have is checked before any data is read, so that a mistake is one line with what
to type, and not an error in the middle of a training run.
"""

import contextlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from smallpose.catalog.method_code import MethodCode
from smallpose.catalog.method_files import hash_method_files
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.skeleton import Skeleton
from smallpose.methods.base import MethodCard, PoseMethod, Recipe
from smallpose.methods.check_flip_back import check_flip_back
from smallpose.methods.full_image import FullImageMethod

Creator = Callable[[Skeleton], PoseMethod]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_NUM_TRIAL_CROPS = 2
_RESERVED_RECIPE = "own"  # that of training.own_recipe, which every method has
_DERIVE = "derive it from smallpose.methods.PoseMethod; see docs/extend.md"


def load_custom_method(code: MethodCode, reserved: Collection[str]) -> Creator:
    """Load the function or class that creates a user's method; the file is executed.

    Args:
        code: without a name, the file's only method is meant.
        reserved: names that the method may not have.
    Returns: the function, which takes a skeleton; what it returns is checked, and records where it
        comes from.
    Raises: InputError for a file or a function that does not exist or fails.
    """
    text, path = str(code), code.file
    if not path.is_file():
        raise InputError(text, f"no file {path}", "write FILE.py:NAME with an existing file")
    hashes = hash_method_files(path)
    module = _import_file(path, text)
    name = code.name or _find_only_method(module, path)
    function = getattr(module, name, None)
    if not callable(function):
        methods = _list_methods(module)
        known = (
            f"write {path}:{methods[0]}" if methods else f"write {path}:NAME of a function in it"
        )
        raise InputError(text, f"{path.name} has no function {name}", known)
    if inspect.isclass(function) and not issubclass(function, PoseMethod):
        raise InputError(text, f"{name} is no PoseMethod", _DERIVE)
    if inspect.isclass(function):
        _refuse_abstract(function, text)
    default_name = name
    if inspect.isclass(function):
        # Names of methods are in lower case, as on the command line.
        default_name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    default_name = default_name.removeprefix("create_")

    def create(skeleton: Skeleton) -> PoseMethod:
        try:
            method = function(skeleton)
        except InputError:
            raise
        except Exception as error:
            raise _explain_failure(text, f"{name}(skeleton) fails", error) from error
        method = check_custom_method(method, skeleton, text, default_name, reserved)
        method.code = f"{path.resolve()}:{name}"
        method.code_hashes = hashes
        return method

    return create


def _import_file(path: Path, where: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"smallpose_custom_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        with _make_importable(path.resolve().parent):
            spec.loader.exec_module(module)
    except Exception as error:
        raise _explain_failure(where, f"{path.name} fails", error) from error
    return module


@contextlib.contextmanager
def _make_importable(folder: Path) -> Iterator[None]:
    """Let a file import its neighbours while it is loaded; installed packages come first."""
    sys.path.append(str(folder))
    importlib.invalidate_caches()  # a file may have been written a moment ago
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _list_methods(module: ModuleType) -> list[str]:
    """List the functions of a file that create methods; its classes of methods where it has none.

    Functions are those called `create_…`, those that are annotated to return a method, and those
    that take nothing but a `skeleton`.
    """
    functions = [
        name
        for name, value in _get_own_members(module).items()
        if inspect.isfunction(value) and _is_creator(value)
    ]
    return functions or _list_own(module, PoseMethod)


def _list_own(module: ModuleType, base: type) -> list[str]:
    """List the classes of a file that are derived from `base` and can be created."""
    return [
        name
        for name, value in _get_own_members(module).items()
        if inspect.isclass(value) and issubclass(value, base) and not inspect.isabstract(value)
    ]


def _refuse_abstract(method: type, where: str) -> None:
    """Raise InputError for a class that lacks a member of a method."""
    missing = sorted(getattr(method, "__abstractmethods__", ()))
    if missing:
        raise InputError(
            where,
            f"{method.__name__} has no {', '.join(missing)}",
            "write what is missing, as docs/extend.md shows; check the spelling",
        )


def _get_own_members(module: ModuleType) -> dict[str, Any]:
    """Return what a file defines itself, by name, without private names."""
    return {
        name: value
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
    }


def _is_creator(function: Callable[..., Any]) -> bool:
    returned = inspect.signature(function, eval_str=False).return_annotation
    is_annotated = inspect.isclass(returned) and issubclass(returned, PoseMethod)
    takes_skeleton = list(inspect.signature(function).parameters) == ["skeleton"]
    return is_annotated or takes_skeleton or function.__name__.startswith("create_")


def _find_only_method(module: ModuleType, path: Path) -> str:
    """Return the name of the file's only method.

    Raises: InputError where it has none, or several.
    """
    methods = _list_methods(module)
    if len(methods) == 1:
        return methods[0]
    if not methods:
        for member in _get_own_members(module).values():
            if inspect.isclass(member) and issubclass(member, PoseMethod):
                _refuse_abstract(member, str(path))
        networks = _list_own(module, nn.Module)
        if networks:
            raise InputError(
                str(path),
                f"no method was recognised in it; {networks[0]} is no PoseMethod",
                _DERIVE,
            )
        remedy = f"write {path}:NAME of the function or class in it that makes the method"
        raise InputError(str(path), "no method was recognised in it", remedy)
    what = f"has {format_count(len(methods), 'method')}: {', '.join(methods)}"
    raise InputError(str(path), what, f"name one of them, as in {path}:{methods[0]}")


def check_custom_method(
    method: object, skeleton: Skeleton, where: str, default_name: str, reserved: Collection[str]
) -> PoseMethod:
    """Return the method with a name and a card if it has what a method must have.

    Args:
        where: for error messages.
        default_name: name of a method that has none.
        reserved: names that it may not have.
    Raises: InputError naming what is missing or has a wrong shape.
    """
    if not isinstance(method, PoseMethod):
        raise InputError(
            where,
            f"returned {type(method).__name__}",
            "return a subclass of smallpose.methods.PoseMethod",
        )
    if not hasattr(method, "name"):
        method.name = default_name
    if not _NAME.fullmatch(method.name) or method.name in reserved:
        has_other_owner = method.name in reserved
        reason = "is a method of smallpose" if has_other_owner else "is not of a-z, 0-9 and _"
        raise InputError(
            where, f"the name {method.name!r} {reason}", "set method.name to another name"
        )
    if not hasattr(method, "card"):
        method.card = MethodCard(title=method.name, paradigm="top-down", parts="custom")
    if not hasattr(method, "recipes") or not method.recipes:
        raise InputError(
            where, "it has no recipes", 'set method.recipes = {"mine": Recipe(epochs=20)}'
        )
    _check_fields(method, skeleton, where)
    if not isinstance(method, FullImageMethod):
        _run_trial(method, where)
    return method


def _check_fields(method: PoseMethod, skeleton: Skeleton, where: str) -> None:
    is_mapping = isinstance(method.recipes, Mapping)
    if not is_mapping or not all(isinstance(r, Recipe) for r in method.recipes.values()):
        raise InputError(
            where,
            "recipes is not a dict of name to Recipe",
            'set method.recipes = {"mine": Recipe(epochs=20)}',
        )
    if _RESERVED_RECIPE in method.recipes:
        raise InputError(
            where,
            f"its recipe {_RESERVED_RECIPE!r} has the name of the built-in --recipe own",
            'call it otherwise, such as {"mine": …}',
        )
    if method.skeleton != skeleton:
        raise InputError(
            where,
            "it predicts other joints than it was given",
            "pass skeleton on: super().__init__(skeleton, input_wh)",
        )
    if not any(p.requires_grad for p in method.parameters()):
        raise InputError(
            where, "it has no weights to train", "assign its layers to self in __init__"
        )


def _run_trial(method: PoseMethod, where: str) -> None:
    """Pass two random crops through every function that training and prediction call."""
    w, h = method.input_wh
    b, k = _NUM_TRIAL_CROPS, len(method.skeleton)
    was_training = method.training
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        images = torch.randint(0, 256, (b, h, w, 3), dtype=torch.uint8)
        keypoints = torch.rand(b, k, 3) * torch.tensor([w - 1.0, h - 1.0, 0.0])
        keypoints[..., 2] = 2
        method.eval()
        outputs = _call(where, "forward", method, method.prepare(images))
        targets = _call(where, "targets", method.targets, keypoints)
        losses = _call(where, "loss", method.loss, outputs, targets)
        flipped = _call(where, "flip_back", method.flip_back, outputs)
        decoded = _call(where, "decode", method.decode, outputs)
        method.train(was_training)
    if (
        not isinstance(losses, dict)
        or not losses
        or not all(map(_is_finite_scalar, losses.values()))
    ):
        raise InputError(
            where,
            "loss does not return finite numbers by name",
            'return a dict of tensors with one value, such as {"mse": error.mean()}',
        )
    if _describe_shapes(flipped) != _describe_shapes(outputs):
        raise InputError(
            where,
            f"flip_back returns {_describe_shapes(flipped)} for {_describe_shapes(outputs)}",
            "return outputs of the same shapes as forward does",
        )
    wanted = f"({b}, {k}, 2), ({b}, {k})"
    if _describe_shapes(decoded) != wanted:
        raise InputError(
            where,
            f"decode returns {_describe_shapes(decoded)} for {format_count(b, 'crop')} and "
            f"{format_count(k, 'joint')}",
            f"return keypoints in crop px and their scores: {wanted}",
        )
    if not all(bool(torch.isfinite(part).all()) for part in decoded):
        raise InputError(
            where,
            "decode does not return finite numbers",
            "return a keypoint and a score for each joint, a score of 0 where it is unknown",
        )
    check_flip_back(method, outputs, where)


def _call(where: str, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except Exception as error:
        raise _explain_failure(where, f"{name} fails", error) from error


def _explain_failure(where: str, what: str, error: Exception) -> InputError:
    reason = f"{type(error).__name__}: {error}"[:300]
    return InputError(where, f"{what} with {reason}", "correct the file")


def _is_finite_scalar(value: Any) -> bool:
    return isinstance(value, Tensor) and value.numel() == 1 and bool(torch.isfinite(value).all())


def _describe_shapes(outputs: Any) -> str:
    if isinstance(outputs, Tensor):
        return f"({', '.join(map(str, outputs.shape))})"
    if isinstance(outputs, tuple | list):
        return ", ".join(map(_describe_shapes, outputs))
    if isinstance(outputs, dict):
        return ", ".join(f"{name} {_describe_shapes(part)}" for name, part in outputs.items())
    return type(outputs).__name__
