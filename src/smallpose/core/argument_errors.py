"""Name arguments instead of options in the errors of functions that are called in Python.

Functions that commands call, too, name options in their errors: `--unknown-images drop`. Where they
are called in Python, the error names the argument: `unknown_images="drop"`.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from smallpose.core.errors import SmallposeError

# Arguments whose option has another name.
_OPTION_NAMES = {
    "protocols": "--protocol",
    "num_resamples": "--intervals",
    "trust": "--i-trust-this-file",
}
# Calls of functions whose signature does not say what is expected.
_EXAMPLES = {
    "compare": 'compare(truth, {"A": predictions_a, "B": predictions_b})',
    "split_difference": 'split_difference(truth, {"A": predictions_a, "B": predictions_b})',
    "check_drops": 'check_drops(compare(truth, {"A": a, "B": b}), {"AP_S": 0.01})',
}
# A command in a sentence, which is left as it is, or an option, which may be followed by a value.
_COMMAND = r"smallpose [a-z]+\b[^;,']*|(?<![-\w])(?:predict|build|export|evaluate) --[^;,']*"
_OPTION = r"(?<![-\w])(--[a-z][a-z-]*)(?: ([\w.%:/'-]+))?"
_EMPTY = inspect.Parameter.empty
_COMMAND_OR_OPTION = re.compile(f"(?P<command>{_COMMAND})|{_OPTION}")
# Words that may follow the name of an option in a sentence and are no value of it.
_NO_VALUES = re.compile(
    "and|are|as|by|for|has|if|in|is|knows|of|or|repeats|sets|that|to|which|with"
)


def name_arguments(
    function: Callable[..., Any], more_parameters: Iterable[inspect.Parameter] = ()
) -> Callable[..., Any]:
    """Wrap a function so that its errors name its arguments instead of options of commands.

    Args:
        more_parameters: that the function takes, too, by `**options` or in a config.
    """

    more = [parameter.name for parameter in more_parameters if parameter.default is not _EMPTY]

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError:
            _refuse_other_arguments(function, args, kwargs)
            _refuse_other_options(function, kwargs, more)
            raise
        except SmallposeError as error:
            own = inspect.signature(function).parameters.values()
            error.reword(map_options([*more_parameters, *own]))
            raise

    # Where pickle finds it for a pool of processes.
    call.__module__ = "smallpose"
    return call


def _refuse_other_arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    """Raise a TypeError that shows the arguments of a function that was called with others."""
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        name = f"smallpose.{function.__name__}"
        call = f"smallpose.{_format_call(function.__name__, signature)}"
        raise TypeError(f"{name}: {error}; call {call}, see help({name})") from None


def _refuse_other_options(
    function: Callable[..., Any], kwargs: Mapping[str, Any], names: Sequence[str]
) -> None:
    """Raise a TypeError that lists the options of a function that passes them on.

    Args:
        names: of the options that are passed on.
    """
    parameters = inspect.signature(function).parameters
    if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return
    own = [one.name for one in parameters.values() if one.kind is one.KEYWORD_ONLY]
    known = dict.fromkeys([*own, *names])
    unknown = [name for name in kwargs if name not in known and name not in parameters]
    if unknown:
        name = function.__qualname__.removesuffix(".__init__")
        raise TypeError(
            f"smallpose.{name}: got an unexpected keyword argument {unknown[0]!r}; options are "
            f"{', '.join(known)}"
        ) from None


def _format_call(name: str, signature: inspect.Signature) -> str:
    """Write a call with the arguments that need no name; the others follow as a list."""
    if name in _EXAMPLES:
        return _EXAMPLES[name]
    parameters = signature.parameters.values()
    names = ", ".join(
        one.name if one.default is one.empty else f"{one.name}={one.default!r}"
        for one in parameters
        if one.kind is one.POSITIONAL_OR_KEYWORD
    )
    options = ", ".join(one.name for one in parameters if one.kind is one.KEYWORD_ONLY)
    return f"{name}({names})" + (f" with options of {options}" if options else "")


def name_arguments_of_class(kind: type, more_parameters: Iterable[inspect.Parameter] = ()) -> type:
    """Derive a class whose methods' errors name arguments; see `name_arguments`."""
    members: dict[str, Any] = {
        name: name_arguments(method, more_parameters)
        for name, method in vars(kind).items()
        if inspect.isfunction(method) and (name == "__init__" or not name.startswith("_"))
    }
    members |= {"__doc__": kind.__doc__, "__module__": "smallpose"}
    return type(kind.__name__, (kind,), members)


def map_options(parameters: Iterable[inspect.Parameter]) -> Callable[[str], str]:
    """Return a function that rewrites the options of commands in a text as these parameters.

    Of two parameters for one option, the last is taken.
    """
    by_option = {
        _OPTION_NAMES.get(parameter.name, "--" + parameter.name.replace("_", "-")): parameter
        for parameter in parameters
    }
    return functools.partial(_rewrite_options, parameters=by_option)


def _rewrite_options(text: str, parameters: Mapping[str, inspect.Parameter]) -> str:
    whole = re.fullmatch(r"(--[a-z][a-z-]*) (.+)", text)
    if whole and whole[1] in parameters and " --" not in text:
        return _format_argument(parameters[whole[1]], whole[2])

    def rewrite(match: re.Match[str]) -> str:
        parameter = parameters.get(match[2] or "")
        if match["command"] or parameter is None:
            return match[0]
        value = (match[3] or "").rstrip(".:")
        end = (match[3] or "")[len(value) :]
        before = text[: match.start()]
        if parameter.annotation in (bool, "bool"):
            is_left_out = before.endswith(("leave out ", "leave "))
            name = parameter.name if is_left_out else f"{parameter.name}=True"
            return name + match[0].removeprefix(match[2])
        if not value or _NO_VALUES.fullmatch(value):
            return parameter.name + match[0].removeprefix(match[2])
        return _format_argument(parameter, value) + end

    return _COMMAND_OR_OPTION.sub(rewrite, text)


def _format_argument(parameter: inspect.Parameter, value: str) -> str:
    """Write an argument as it is typed: numbers and placeholders as they are, text in quotes."""
    is_bare = re.fullmatch(r"[-+.\d]+|[A-Z_]+|'.*'", value)
    text = value if is_bare else f'"{value}"'
    if parameter.name == "protocols":
        text = f"({text},)"
    return f"{parameter.name}={text}"
