"""A method's recipe by name, changed by `name=value` where so asked, and how recipes differ."""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from smallpose.core.errors import InputError
from smallpose.methods.base import PoseMethod, Recipe

CHOICES = {
    "optimizer": ("adam", "adamw"),
    "schedule": ("steps", "one_cycle"),
    "augment.fit": ("short", "long"),
}
LEAST = {"batch_size": 1, "epochs": 0, "validate_every": 1, "learning_rate": 0.0, "steps": 0}
WARM_UP = {"one_cycle": 20, "steps": 500}  # where another schedule than the recipe's is asked for
DECAY_AT = (170 / 210, 200 / 210)  # of the epochs, as MMPose's recipes have it


def choose_recipe(
    method: PoseMethod, name: str, overrides: tuple[tuple[str, str], ...] = ()
) -> tuple[str, Recipe]:
    """A method's recipe by name, changed where so asked.

    With another number of epochs, the epochs at which something happens move along with it unless
    they are given too.

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
    asked = dict(overrides)
    if "epochs" in asked:
        recipe = with_epochs(recipe, _override(recipe, "epochs", asked["epochs"])["epochs"])
    for key, text in overrides:
        if key.startswith("augment."):
            change = _override(recipe.augment, key[8:], text, key)
            recipe = replace(recipe, augment=replace(recipe.augment, **change))
        else:
            recipe = replace(recipe, **_override(recipe, key, text))
    recipe = _other_schedule(recipe, method.recipes[name], asked)
    if recipe.steps:
        recipe = _fitted(recipe)
    return name, recipe


def _other_schedule(recipe: Recipe, before: Recipe, asked: Mapping[str, str]) -> Recipe:
    """What else changes with the schedule or with the rate.

    Raises: InputError for what the recipe's schedule does not know.
    """
    if vars(recipe).get("cosine"):
        idle = next((k for k in ("schedule", "warm_up", "decay_at") if k in asked), None)
        if idle is not None:
            raise InputError(
                f"{idle}={asked[idle]}",
                "the rates of this recipe follow cosines between epochs",
                "change learning_rate, epochs or warm_epochs, or take --recipe quick",
            )
        factor = recipe.learning_rate / before.learning_rate
        more: dict[str, Any] = {"cosine": tuple((e, r * factor) for e, r in vars(recipe)["cosine"])}
        return replace(recipe, **more) if factor != 1 else recipe
    if recipe.schedule != before.schedule:
        # Per cent of the steps there, steps here.
        warm_up = recipe.warm_up if "warm_up" in asked else WARM_UP[recipe.schedule]
        decay_at = recipe.decay_at
        if "decay_at" not in asked:
            decay_at = tuple(round(share * recipe.epochs, 2) for share in DECAY_AT)
        recipe = replace(recipe, warm_up=warm_up, decay_at=decay_at)
    if recipe.schedule == "one_cycle" and recipe.warm_up > 100:
        raise InputError(f"warm_up={recipe.warm_up}", "is in per cent here", "give 100 at most")
    return recipe


def with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe, stretched or pressed to so many epochs: all that it does at an epoch moves."""
    if not recipe.epochs or epochs == recipe.epochs:
        return replace(recipe, epochs=epochs)
    factor = epochs / recipe.epochs

    def moved(epoch: float) -> float:
        place = round(epoch * factor, 2)
        return int(place) if place == int(place) else place

    changes: dict[str, Any] = {"decay_at": tuple(moved(e) for e in recipe.decay_at)}
    there = vars(recipe)
    for key in ("warm_epochs", "second_stage"):
        if there.get(key):
            changes[key] = moved(there[key])
    if there.get("cosine"):
        changes["cosine"] = tuple((moved(e), rate) for e, rate in there["cosine"])
    closing = vars(recipe.augment).get("closing", 0)
    if closing:
        fewer: dict[str, Any] = {"closing": max(round(closing * factor), 1)}
        changes["augment"] = replace(recipe.augment, **fewer)
    return replace(recipe, epochs=epochs, **changes)


def _fitted(recipe: Recipe) -> Recipe:
    """A run of few steps does not spend them all on warming up."""
    if not recipe.epochs:
        raise InputError(f"steps={recipe.steps}", "with epochs=0", "leave one of the two out")
    if recipe.schedule == "one_cycle":
        return recipe
    return replace(recipe, warm_up=min(recipe.warm_up, recipe.steps // 10))


def differences(recipes: Mapping[str, Recipe]) -> dict[str, dict[str, Any]]:
    """What is not the same in all of them: field to the value in each, by the recipe's name."""
    flat = {name: flat_fields(recipe) for name, recipe in recipes.items()}
    keys = dict.fromkeys(key for record in flat.values() for key in record)
    table = {key: {name: record.get(key) for name, record in flat.items()} for key in keys}
    return {key: row for key, row in table.items() if len({str(v) for v in row.values()}) > 1}


def flat_fields(recipe: Recipe) -> dict[str, Any]:
    """A recipe's fields, those of its augmentation as `augment.…`."""
    record = asdict(recipe)
    augment = record.pop("augment")
    return record | {
        f"augment.{key}": value
        for key, value in augment.items()
        if key not in recipe.augment.without
    }


def _override(record: Any, field: str, text: str, key: str = "") -> dict[str, Any]:
    key = key or field
    hidden = ("augment", "rates", "cosine", *getattr(record, "without", ()))
    known = [f.name for f in fields(record) if f.name not in hidden]
    if field not in known:
        raise InputError(f"{key}={text}", "no such part of a recipe", f"try {_words(known)}")
    before = getattr(record, field)
    try:
        value = _parse(text, before, field)
    except ValueError:
        raise InputError(f"{key}={text}", "not a value of its kind", f"it was {before}") from None
    if key in CHOICES and value not in CHOICES[key]:
        raise InputError(f"{key}={text}", "no such choice", f"try {_words(CHOICES[key])}")
    least = LEAST.get(key)
    if least is not None and not value >= least:
        raise InputError(f"{key}={text}", f"is below {least}", f"it was {before}")
    return {field: value}


def _parse(text: str, like: Any, field: str) -> Any:
    if field == "sizes" and text.lower() == "none":
        return None
    if isinstance(like, bool):
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError(text)
        return text.lower() in ("true", "1")
    if isinstance(like, tuple) or field == "sizes":
        kind = type(like[0]) if like else int
        return tuple(kind(part) for part in text.strip("()[]").split(",") if part.strip())
    return type(like)(text)


def _words(names: Any) -> str:
    return ", ".join(names)
