"""The learning rate is a function of the step."""

import pytest

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.methods import METHODS, create_method
from smallpose.methods.base import Recipe
from smallpose.training.recipe_overrides import choose_recipe
from smallpose.training.schedule import learning_rate


def test_mmposes_rate_warms_up_over_500_steps_and_drops_twice():
    recipe = Recipe(learning_rate=5e-4, epochs=210)
    rates = [learning_rate(step, 1000, recipe) for step in (0, 499, 169_999, 170_000, 200_000)]
    wanted = [5e-7, 5e-4, 5e-4, 5e-5, 5e-6]
    assert all(abs(a / b - 1) < 1e-9 for a, b in zip(rates, wanted, strict=True))


def test_one_cycle_rises_and_falls_to_nearly_nothing():
    recipe = Recipe(learning_rate=1.0, epochs=10, schedule="one_cycle", warm_up=20)
    rates = [learning_rate(step, 10, recipe) for step in range(101)]
    assert abs(rates[0] - 1 / 25) < 1e-12
    assert max(rates) == rates[20] == 1.0
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[100] < 1e-3


def test_every_tiny_twin_has_the_papers_and_mmposes_recipe_and_a_quick_one():
    for name, make in METHODS.items():
        if "tiny" in name:  # the full ones take seconds to fill with random weights
            assert {"paper", "mmpose", "quick"} <= set(make(COCO17).recipes)


def rates(name: str, recipe: str, **asked: str) -> list[float]:
    """At some places of the run."""
    method = create_method(name)
    _, chosen = choose_recipe(method, recipe, tuple(asked.items()))
    return [learning_rate(round(p * chosen.epochs * 10), 10, chosen) for p in (0, 0.2, 0.5, 0.999)]


def test_rtmos_cosines_follow_the_rate_that_is_asked_for_and_nothing_else():
    plain = rates("rtmo_tiny", "paper")
    lower = rates("rtmo_tiny", "paper", learning_rate="0.001")
    assert lower == pytest.approx([rate / 4 for rate in plain])
    for field, value in (("schedule", "one_cycle"), ("warm_up", "20"), ("decay_at", "1,2")):
        with pytest.raises(InputError, match="follow cosines between epochs"):
            rates("rtmo_tiny", "paper", **{field: value})


def test_another_schedule_brings_what_belongs_to_it():
    assert max(rates("hrnet_w16_tiny", "paper", schedule="one_cycle", epochs="10")) > 4e-6
    up, top, _, last = rates("hrnet_w16_tiny", "mmpose", schedule="one_cycle", epochs="10")
    assert (up, top, last < 5e-6) == (pytest.approx(5e-4 / 25), pytest.approx(5e-4), True)
    stepped = rates("hrnet_w16_tiny", "quick", schedule="steps", epochs="100", warm_up="1")
    assert stepped[-1] == pytest.approx(stepped[1] / 100)
    with pytest.raises(InputError, match="warm_up=200: is in per cent here"):
        rates("hrnet_w16_tiny", "quick", warm_up="200")
