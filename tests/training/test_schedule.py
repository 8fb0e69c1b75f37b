"""The learning rate is a function of the step."""

from smallpose.core.skeleton import COCO17
from smallpose.methods import METHODS
from smallpose.methods.base import Recipe
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
