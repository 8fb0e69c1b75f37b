"""A training that ends before its learning rate has risen or fallen says so."""

import re
from dataclasses import replace
from typing import ClassVar

import pytest

from smallpose.core.skeleton import COCO17
from smallpose.methods import METHODS, Recipe, create_method
from smallpose.training.own_recipe import OwnData
from smallpose.training.recipe_overrides import choose_recipe
from smallpose.training.schedule import compute_learning_rate
from smallpose.training.schedule_check import (
    describe_decays,
    describe_early_fall,
    describe_short_schedule,
)

SHORT = Recipe(optimizer="adamw", learning_rate=1e-3, batch_size=32, epochs=5)


def test_a_short_training_names_what_lies_beyond_its_end():
    assert describe_short_schedule(SHORT, 30) == [
        "the training ends within the warm-up (warm_up=500, 30 steps): its learning rate stays "
        "below 0.001; add warm_up=3",
        "the learning rate does not fall at epoch 170 and 200 (decay_at), because the training "
        "has 5; add decay_at=4,4.75",
    ]


def test_what_to_type_raises_the_rate_to_its_value_and_lowers_it():
    class Custom:
        name = "custom"
        recipes: ClassVar = {"short": SHORT}

    typed = dict(
        re.search(r"add (\S+)=(\S+)$", line).groups() for line in describe_short_schedule(SHORT, 30)
    )
    _, recipe = choose_recipe(Custom(), "short", typed)
    rates = [compute_learning_rate(step, 6, recipe) for step in range(30)]
    assert describe_short_schedule(recipe, 30) == []
    assert max(rates) == pytest.approx(1e-3)
    assert rates[-1] < 1e-4 + 1e-9
    assert max(compute_learning_rate(step, 6, SHORT) for step in range(30)) < 1e-4


@pytest.mark.parametrize("epochs, steps", [(210, 10_000), (0, 0)])
def test_a_long_training_and_none_at_all_say_nothing(epochs, steps):
    assert describe_short_schedule(Recipe(epochs=epochs), steps) == []


def test_one_cycle_has_its_warm_up_in_percent():
    assert describe_short_schedule(Recipe(epochs=3, schedule="one_cycle", warm_up=20), 18) == []


def test_rtmos_warm_up_of_a_short_training_is_named_with_a_longer_one():
    method = create_method("rtmo_tiny")
    (line,) = describe_short_schedule(method.recipes["paper"], 2)
    assert line == (
        "the warm-up (warm_epochs=5 of 600 epochs) lasts 0.017 of 2 steps, and the learning rate "
        "is 0.004 from then on; add warm_epochs=60"
    )
    _, recipe = choose_recipe(method, "paper", {"warm_epochs": "60", "steps": "200"})
    assert describe_short_schedule(recipe, 200) == []
    rates = [compute_learning_rate(step, 200 / recipe.epochs, recipe) for step in range(20)]
    assert rates == sorted(rates) and rates[0] < rates[-1] / 100
    assert describe_short_schedule(method.recipes["paper"], 20_000) == []


SIX = Recipe(learning_rate=1e-3, batch_size=32, epochs=6, warm_up=5, decay_at=(5,))


class Six:
    """A method of one's own that has one recipe."""

    name = "six"
    recipes: ClassVar = {"short": SIX}


def find_first_decay(recipe, steps):
    rates = [compute_learning_rate(step, steps / recipe.epochs, recipe) for step in range(steps)]
    return next(step for step in range(20, steps) if rates[step] < rates[step - 1] / 2)


def test_the_recipe_own_counts_the_epochs_that_the_log_counts():
    own = OwnData(num_samples=325, has_weights=False)
    _, recipe = choose_recipe(Six(), "own", {}, own)
    _, typed = choose_recipe(Six(), "own", {"decay_at": "13"}, own)
    steps_per_epoch = -(-325 // recipe.batch_size)
    assert recipe.epochs == -(-recipe.steps // steps_per_epoch)
    assert find_first_decay(recipe, recipe.steps) == pytest.approx(recipe.steps * 5 / 6, abs=2)
    assert find_first_decay(typed, typed.steps) == pytest.approx(13 * steps_per_epoch, abs=15)
    assert describe_decays(typed, typed.steps, steps_per_epoch) == []
    assert describe_short_schedule(typed, typed.steps) == []


def test_a_training_of_so_many_steps_says_where_its_rate_falls():
    _, recipe = choose_recipe(Six(), "short", {"steps": "60", "decay_at": "4"})
    assert describe_decays(recipe, 60, 20) == [
        "the learning rate falls at step 40 (epoch 2) of 60 (3): decay_at=4 is in 6 epochs of the "
        "recipe, of which steps makes shares"
    ]
    assert find_first_decay(recipe, 60) == 40
    assert describe_decays(SIX, 60, 10) == []


def test_a_recipe_whose_epochs_alone_were_raised_falls_early_and_says_so():
    recipe = replace(SIX, epochs=40)
    (line,) = describe_early_fall(recipe, 400, 10)
    assert line == (
        "the learning rate falls to a tenth at epoch 5 of 40 (decay_at), in the first fifth of the "
        "training; add decay_at=32,38, or decay_at=5 if it is meant so"
    )
    assert find_first_decay(recipe, 400) == 50
    remedy = re.search(r"add (decay_at)=([\d,]+),", line).groups()
    _, typed = choose_recipe(Six(), "short", dict([remedy]) | {"epochs": "40"})
    assert find_first_decay(typed, 400) == 320
    assert describe_early_fall(typed, 400, 10) == []


def test_epochs_on_the_command_line_move_the_decays_along():
    _, recipe = choose_recipe(Six(), "short", {"epochs": "40"})
    assert describe_early_fall(recipe, 400, 10) == []


def test_an_early_fall_in_shares_of_the_steps_is_one_line():
    recipe = replace(SIX, epochs=40, steps=60)
    assert describe_early_fall(recipe, 60, 20) == []
    (line,) = describe_decays(recipe, 60, 20)
    assert line.endswith("of which steps makes shares; add decay_at=32,38 for later ones")


@pytest.mark.parametrize("name", [name for name in METHODS if name.endswith("_tiny")])
def test_no_recipe_of_ours_falls_early(name):
    for recipe in METHODS[name](COCO17).recipes.values():
        assert describe_early_fall(recipe, 1000, 10) == []
