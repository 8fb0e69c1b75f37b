"""A method's recipe by name, changed by `name=value` where so asked."""

from dataclasses import replace
from typing import Any

from smallpose.core.errors import InputError
from smallpose.methods.base import PoseMethod, Recipe


def choose_recipe(
    method: PoseMethod, name: str, overrides: tuple[tuple[str, str], ...] = ()
) -> tuple[str, Recipe]:
    """A method's recipe by name, changed where so asked.

    Raises: InputError for a name or field that is not there, or a value of the wrong kind.
    """
    name = name or next(iter(method.recipes))
    if name not in method.recipes:
        raise InputError(
            f"--recipe {name}",
            f"{method.name} has none of that name",
            f"try {_words(method.recipes)}",
        )
    recipe = method.recipes[name]
    for key, text in overrides:
        if key.startswith("augment."):
            augment = replace(recipe.augment, **_override(recipe.augment, key[8:], text, key))
            recipe = replace(recipe, augment=augment)
        else:
            recipe = replace(recipe, **_override(recipe, key, text, key))
    return name, recipe


def _override(record: Any, field: str, text: str, key: str) -> dict[str, Any]:
    fields = {k: v for k, v in vars(record).items() if k != "augment"}
    if field not in fields:
        raise InputError(f"{key}={text}", "no such part of a recipe", f"try {_words(fields)}")
    before = fields[field]
    try:
        value = _parse(text, before)
    except ValueError:
        raise InputError(f"{key}={text}", "not a value of its kind", f"it was {before}") from None
    choices = {"optimizer": ("adam", "adamw"), "schedule": ("steps", "one_cycle")}.get(field)
    if choices and value not in choices:
        raise InputError(f"{key}={text}", "no such choice", f"try {_words(choices)}")
    least = {"batch_size": 1, "epochs": 0, "validate_every": 1, "learning_rate": 0.0}.get(field)
    if least is not None and not value >= least:
        raise InputError(f"{key}={text}", f"is below {least}", f"it was {before}")
    return {field: value}


def _parse(text: str, like: Any) -> Any:
    if isinstance(like, bool):
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError(text)
        return text.lower() in ("true", "1")
    if isinstance(like, tuple):
        kind = type(like[0]) if like else int
        return tuple(kind(part) for part in text.strip("()[]").split(",") if part.strip())
    return type(like)(text)


def _words(names: Any) -> str:
    return ", ".join(names)
