"""The learning rate is a function of the step."""

import pytest

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.methods import METHODS, create_method
from smallpose.methods.base import Recipe
from smallpose.training.recipe_overrides import choose_recipe
from smallpose.training.schedule import compute_learning_rate


def test_mmposes_rate_warms_up_over_500_steps_and_drops_twice():
    recipe = Recipe(learning_rate=5e-4, epochs=210)
    rates = [
        compute_learning_rate(step, 1000, recipe) for step in (0, 499, 169_999, 170_000, 200_000)
    ]
    expected = [5e-7, 5e-4, 5e-4, 5e-5, 5e-6]
    assert all(abs(a / b - 1) < 1e-9 for a, b in zip(rates, expected, strict=True))


def test_one_cycle_rises_and_falls_to_nearly_nothing():
    recipe = Recipe(learning_rate=1.0, epochs=10, schedule="one_cycle", warm_up=20)
    rates = [compute_learning_rate(step, 10, recipe) for step in range(101)]
    assert abs(rates[0] - 1 / 25) < 1e-12
    assert max(rates) == rates[20] == 1.0
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[100] < 1e-3


def test_every_tiny_variant_has_the_recipes_mmpose_and_quick_and_the_papers_if_it_has_one():
    for name, make in METHODS.items():
        if "tiny" in name:  # the full-size methods take seconds to initialise
            expected = {"mmpose", "quick"} | ({"paper"} if name != "rtmpose_tiny" else set())
            if name == "expected_oks_tiny":  # of no one else
                expected = {"quick"}
            assert expected <= set(make(COCO17).recipes)


# MMEngine 0.10.7's rates at these steps of RTMPose's schedule, with 8 steps in an epoch.
RTMPOSE_RATES = {
    0: 4e-08,
    1: 4.043963963964e-06,
    500: 0.002002021981982,
    999: 0.004,
    1679: 0.004,
    1681: 0.003999996677961,
    2520: 0.0021,
    3000: 0.0006145201833107,
    3359: 0.0002000033220385,
}


def test_rtmposes_rate_is_that_of_mmengine():
    recipe = create_method("rtmpose_tiny").recipes["mmpose"]
    rates = [compute_learning_rate(step, 8, recipe) for step in RTMPOSE_RATES]
    assert rates == pytest.approx(list(RTMPOSE_RATES.values()), rel=1e-6)


def compute_rates(name: str, recipe: str, **overrides: str) -> list[float]:
    """Return the learning rates at 0, 20, 50 and 99.9 % of the run."""
    method = create_method(name)
    _, chosen = choose_recipe(method, recipe, tuple(overrides.items()))
    return [
        compute_learning_rate(round(p * chosen.epochs * 10), 10, chosen)
        for p in (0, 0.2, 0.5, 0.999)
    ]


def test_rtmos_cosines_scale_with_the_learning_rate_and_refuse_other_schedules():
    plain = compute_rates("rtmo_tiny", "paper")
    lower = compute_rates("rtmo_tiny", "paper", learning_rate="0.001")
    assert lower == pytest.approx([rate / 4 for rate in plain])
    for field, value in (("schedule", "one_cycle"), ("warm_up", "20"), ("decay_at", "1,2")):
        with pytest.raises(InputError, match="follows cosines between epochs"):
            compute_rates("rtmo_tiny", "paper", **{field: value})


@pytest.mark.parametrize("steps", [1, 2, 100, 130, 350, 5000])
def test_the_rate_of_a_short_training_stays_below_its_value(steps):
    recipe = create_method("rtmo_tiny").recipes["paper"]
    rates = [compute_learning_rate(n, steps / recipe.epochs, recipe) for n in range(steps)]
    # With two steps the rise over 1/60 of a step began at 3,600 times the rate.
    assert max(rates) <= recipe.learning_rate


def test_another_schedule_sets_its_warm_up_and_decay():
    assert max(compute_rates("hrnet_w16_tiny", "paper", schedule="one_cycle", epochs="10")) > 4e-6
    up, top, _, last = compute_rates("hrnet_w16_tiny", "mmpose", schedule="one_cycle", epochs="10")
    assert (up, top, last < 5e-6) == (pytest.approx(5e-4 / 25), pytest.approx(5e-4), True)
    stepped = compute_rates("hrnet_w16_tiny", "quick", schedule="steps", epochs="100", warm_up="1")
    assert stepped[-1] == pytest.approx(stepped[1] / 100)
    with pytest.raises(InputError, match="warm_up=200: is in percent for one_cycle"):
        compute_rates("hrnet_w16_tiny", "quick", warm_up="200")
