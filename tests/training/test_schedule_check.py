"""A training that ends before its learning rate has risen or fallen says so."""

import re
from typing import ClassVar

import pytest

from smallpose.methods import Recipe, create_method
from smallpose.training.recipe_overrides import choose_recipe
from smallpose.training.schedule import compute_learning_rate
from smallpose.training.schedule_check import describe_short_schedule

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
