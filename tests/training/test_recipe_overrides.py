"""Recipes: chosen by name, overridden by field, and compared."""

import re
from dataclasses import replace

import pytest

from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.methods import create_method
from smallpose.training.recipe_overrides import choose_recipe, compare_recipes, flatten_recipe
from smallpose.training.schedule import compute_learning_rate

TINY = "simple_baseline_r18_tiny"


def test_epochs_in_a_recipe_scale_with_their_number():
    _, recipe = choose_recipe(create_method("rtmo_tiny"), "mmpose", (("epochs", "60"),))
    assert (recipe.second_stage, recipe.warm_epochs, recipe.augment.closing) == (28, 0.5, 2)
    assert [epoch for epoch, _ in recipe.cosine] == [0.5, 28, 28, 28.1, 58, 60]
    method = create_method(TINY)
    assert choose_recipe(method, "paper", (("epochs", "21"),))[1].decay_at == (17, 20)
    overrides = (("epochs", "21"), ("decay_at", "3,4"))
    assert choose_recipe(method, "paper", overrides)[1].decay_at == (3, 4)


def test_compared_recipes_give_the_fields_that_differ():
    recipes = create_method("hrnet_w16_tiny").recipes
    table = compare_recipes({name: recipes[name] for name in ("paper", "mmpose")})
    assert table == {
        "learning_rate": {"paper": 5e-6, "mmpose": 5e-4},
        "batch_size": {"paper": 64, "mmpose": 512},
    }


def test_recipes_are_overridden_by_name_and_errors_name_the_override():
    method = create_method(TINY)
    name, recipe = choose_recipe(
        method,
        "paper",
        (("epochs", "2"), ("decay_at", "5,7"), ("half", "true"), ("augment.flip", "0.25")),
    )
    assert name == "paper"
    assert (recipe.epochs, recipe.decay_at, recipe.half, recipe.augment.flip) == (
        2,
        (5, 7),
        True,
        0.25,
    )
    for wrong in (
        "epoch=2",
        "epochs=two",
        "optimizer=sgd",
        "batch_size=0",
        "half=maybe",
        "augment.x=1",
    ):
        with pytest.raises(InputError, match=re.escape(wrong)):
            choose_recipe(method, "", (tuple(wrong.split("=")),))
    with pytest.raises(InputError, match="try quick, paper, mmpose"):
        choose_recipe(method, "fast")


@pytest.mark.parametrize(
    ("method", "recipe", "unused"),
    [
        ("rtmo_tiny", "paper", {"schedule", "warm_up", "decay_at"}),
        ("rtmo_tiny", "quick", {"cosine", "warm_epochs", "decay_at"}),
        ("simple_baseline_r18_tiny", "paper", set()),
        ("simple_baseline_r18_tiny", "quick", {"decay_at"}),
    ],
)
def test_show_recipe_prints_no_field_that_changes_nothing(method, recipe, unused, capsys):
    """Each field that is left out leaves the rates of all steps alone; the others of it do not."""
    assert main(["train", method, "--show-recipe", "--recipe", recipe]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    shown = {line.split(" = ")[0].strip() for line in lines}
    used = create_method(method).recipes[recipe]
    assert set(flatten_recipe(used)) - shown == unused

    def list_rates(changed):
        return [compute_learning_rate(step, 3, changed) for step in range(0, 3 * used.epochs, 2)]

    others = {"schedule": "one_cycle", "warm_up": 33, "decay_at": (1, 2)}
    others = {key: value for key, value in others.items() if getattr(used, key) != value}
    for key, value in others.items():
        is_same = list_rates(replace(used, **{key: value})) == list_rates(used)
        assert is_same == (key in unused)
