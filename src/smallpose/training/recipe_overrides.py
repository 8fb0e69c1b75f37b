"""Choose a method's recipe by name, change its fields by `name=value`, and compare recipes."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any, get_args, get_type_hints

from smallpose.core.errors import InputError
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.training.own_recipe import OWN, OwnData, create_own_recipe
from smallpose.training.recipe_limits import check_value

CHOICES = {
    "optimizer": ("adam", "adamw", "muon"),
    "schedule": ("steps", "one_cycle", "flat_cosine"),
    "augment.fit": ("short", "long"),
}
WARM_UP = {
    "one_cycle": 20,
    "steps": 500,
    "flat_cosine": 1000,
}  # when the override names another schedule
_UNUSED_BY_COSINES = ("schedule", "warm_up", "decay_at")
# Shares of the epochs, as in MMPose's recipes; other schedules have those of "steps".
DECAY_AT = {"steps": (170 / 210, 200 / 210), "flat_cosine": (1 / 2,)}


def choose_recipe(
    method: PoseMethod,
    name: str,
    overrides: Mapping[str, object] | tuple[tuple[str, object], ...] = (),
    own: OwnData | None = None,
) -> tuple[str, Recipe]:
    """Return a method's recipe by name, with fields changed by overrides.

    With another number of epochs, the epochs at which something happens are scaled along with it,
    unless they are overridden too.

    Args:
        name: of the recipe; "" for the method's first.
        overrides: field to value; `augment.NAME` for those of the augmentation.
        own: the data that the recipe "own" is for.
    Raises: InputError for an unknown name or field, or a value of the wrong type.
    """
    name = name or next(iter(method.recipes))
    recipe = original = _find_recipe(method, name, own)
    values = {key: str(value) for key, value in dict(overrides).items()}
    if "epochs" in values and name == OWN and "steps" not in values:
        recipe = replace(recipe, steps=0)
    if "epochs" in values:
        recipe = scale_to_epochs(recipe, _parse_override(recipe, "epochs", values["epochs"]))
    for key, text in values.items():
        if key.startswith("augment."):
            field = key.removeprefix("augment.")
            change: dict[str, Any] = {field: _parse_override(recipe.augment, field, text, key)}
            recipe = replace(recipe, augment=replace(recipe.augment, **change))
        else:
            change = {key: _parse_override(recipe, key, text)}
            recipe = replace(recipe, **change)
    recipe = _adapt_schedule(recipe, original, values)
    if recipe.steps:
        recipe = _shorten_warm_up(recipe)
    return name, recipe


def _find_recipe(method: PoseMethod, name: str, own: OwnData | None) -> Recipe:
    if name == OWN:
        if own is None:
            raise InputError(
                "--recipe own", "depends on the number of labelled people", "add --data SET"
            )
        return _count_epochs_of_data(create_own_recipe(method, own), own)
    if name not in method.recipes:
        raise InputError(
            f"--recipe {name}",
            f"{method.name} has no such recipe",
            f"try {_join_names([*method.recipes, OWN])}",
        )
    return method.recipes[name]


def _count_epochs_of_data(recipe: Recipe, own: OwnData) -> Recipe:
    """Let `epochs` and `decay_at` of the recipe `own` count the epochs that the log counts."""
    if vars(recipe).get("cosine") or recipe.schedule != "steps":
        return recipe
    steps_per_epoch = math.ceil(max(own.num_samples, 1) / recipe.batch_size)
    return scale_to_epochs(recipe, math.ceil(recipe.steps / steps_per_epoch))


def _adapt_schedule(recipe: Recipe, original: Recipe, overrides: Mapping[str, str]) -> Recipe:
    """Adapt the fields that depend on the schedule or on the learning rate.

    Raises: InputError for a field that the recipe's schedule does not use.
    """
    if vars(recipe).get("cosine"):
        unused = next((key for key in _UNUSED_BY_COSINES if key in overrides), None)
        if unused is not None:
            raise InputError(
                f"{unused}={overrides[unused]}",
                "the learning rate of this recipe follows cosines between epochs",
                "change learning_rate, epochs or warm_epochs, or use --recipe quick",
            )
        factor = recipe.learning_rate / original.learning_rate
        if factor == 1:
            return recipe
        cosine: Any = tuple((epoch, rate * factor) for epoch, rate in vars(recipe)["cosine"])
        changes: dict[str, Any] = {"cosine": cosine}
        return replace(recipe, **changes)
    if recipe.schedule != original.schedule:
        # Warm-up is in percent of the steps in one schedule, and in steps in the other.
        warm_up = recipe.warm_up if "warm_up" in overrides else WARM_UP[recipe.schedule]
        decay_at = recipe.decay_at
        if "decay_at" not in overrides:
            shares = DECAY_AT.get(recipe.schedule, DECAY_AT["steps"])
            decay_at = tuple(round(share * recipe.epochs, 2) for share in shares)
        recipe = replace(recipe, warm_up=warm_up, decay_at=decay_at)
    if recipe.schedule == "one_cycle" and recipe.warm_up > 100:
        raise InputError(
            f"warm_up={recipe.warm_up}", "is in percent for one_cycle", "give 100 or less"
        )
    return recipe


def scale_to_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """Scale a recipe to a number of epochs, with all epochs at which something changes."""
    if not recipe.epochs or epochs == recipe.epochs:
        return replace(recipe, epochs=epochs)
    factor = epochs / recipe.epochs

    def scale(epoch: float) -> float:
        scaled = round(epoch * factor, 2)
        return int(scaled) if scaled == int(scaled) else scaled

    changes: dict[str, Any] = {"decay_at": tuple(scale(e) for e in recipe.decay_at)}
    values = vars(recipe)
    for key in ("warm_epochs", "second_stage"):
        if values.get(key):
            changes[key] = scale(values[key])
    if values.get("cosine"):
        changes["cosine"] = tuple((scale(epoch), rate) for epoch, rate in values["cosine"])
    closing = vars(recipe.augment).get("closing", 0)
    if closing:
        scaled_closing: dict[str, Any] = {"closing": max(round(closing * factor), 1)}
        changes["augment"] = replace(recipe.augment, **scaled_closing)
    return replace(recipe, epochs=epochs, **changes)


def _shorten_warm_up(recipe: Recipe) -> Recipe:
    """Limit the warm-up of a run of few steps to a tenth of them."""
    if not recipe.epochs:
        raise InputError(f"steps={recipe.steps}", "contradicts epochs=0", "leave one of them out")
    if recipe.schedule == "one_cycle":
        return recipe
    return replace(recipe, warm_up=min(recipe.warm_up, recipe.steps // 10))


def compare_recipes(recipes: Mapping[str, Recipe]) -> dict[str, dict[str, Any]]:
    """Return the fields that differ between recipes: field to value by the recipe's name.

    A value is None where a recipe does not use the field.
    """
    flat = {name: flatten_used_fields(recipe) for name, recipe in recipes.items()}
    keys = dict.fromkeys(key for record in flat.values() for key in record)
    table = {key: {name: record.get(key) for name, record in flat.items()} for key in keys}
    return {key: row for key, row in table.items() if len({str(v) for v in row.values()}) > 1}


def flatten_recipe(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe's fields, with those of its augmentation as `augment.NAME`."""
    record = asdict(recipe)
    augment = record.pop("augment")
    return record | {
        f"augment.{key}": value
        for key, value in augment.items()
        if key not in recipe.augment.without
    }


def flatten_used_fields(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe's fields as `flatten_recipe`, without those that its schedule ignores."""
    flat = flatten_recipe(recipe)
    unused = set(_UNUSED_BY_COSINES)
    if not flat.get("cosine"):
        unused = {"cosine", "warm_epochs"}
        unused |= {"decay_at"} if recipe.schedule == "one_cycle" else set()
    return {key: value for key, value in flat.items() if key not in unused}


def _parse_override(record: Any, field: str, text: str, key: str = "") -> Any:
    """Parse the text of a field, in the type of its present value, and check its range.

    Args:
        key: name of the field in messages, if it is not `field`.
    """
    key = key or field
    hidden = ("augment", "rates", "cosine", *getattr(record, "without", ()))
    known = [f.name for f in fields(record) if f.name not in hidden]
    if field not in known:
        raise InputError(f"{key}={text}", "no such field of a recipe", f"try {_join_names(known)}")
    present = getattr(record, field)
    try:
        value = _parse_value(text, present, get_type_hints(type(record))[field])
    except (ValueError, OverflowError):
        raise InputError(
            f"{key}={text}", "not a value of the field's type", f"it was {present}"
        ) from None
    if key in CHOICES and value not in CHOICES[key]:
        raise InputError(f"{key}={text}", "no such choice", f"try {_join_names(CHOICES[key])}")
    check_value(key, text, value, present)
    return value


def _parse_value(text: str, present: Any, kind: Any) -> Any:
    """Parse a value of a field with this annotation; raise ValueError for text of another type."""
    if kind is bool:
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError(text)
        return text.lower() in ("true", "1")
    if kind is float:
        return float(text)
    if isinstance(present, int | str):
        return type(present)(text)
    if type(None) in get_args(kind):
        if text.lower() == "none":
            return None
        kind = next(k for k in get_args(kind) if k is not type(None))
    parse = _parse_number if float in get_args(kind) else int
    return tuple(parse(part) for part in text.strip("()[]").split(",") if part.strip())


def _parse_number(text: str) -> float:
    """Parse a number of epochs, which remains an integer where it is one."""
    return int(text) if text.strip().isdecimal() else float(text)


def _join_names(names: Iterable[str]) -> str:
    return ", ".join(names)
