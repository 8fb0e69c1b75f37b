"""Planted errors come back, the stated share is met as often as promised, and doubt is said."""

import math

import numpy as np
import pytest

from smallpose.evaluation.budget.error_model import People, fit_error_model
from smallpose.evaluation.budget.solve import solve_budget

FIXED, PROPORTIONAL = 1.0, 0.005
MISSED = 0.02


def draw_people(rng, count=400, per_image=2, missed=MISSED, **changes) -> People:
    """Draw people of 12 to 200 px with normal errors and torsos of about .3 of the height."""
    height = np.exp(rng.uniform(np.log(12), np.log(200), count))
    spread = np.hypot(
        changes.get("fixed", FIXED), changes.get("proportional", PROPORTIONAL) * height
    )
    if "jump_at" in changes:  # three times the error above some height
        spread = np.where(height > changes["jump_at"], 3 * spread, spread)
    error = np.hypot(*(rng.normal(0, 1, (2, count)) * spread))
    error[rng.random(count) < missed] = np.nan
    torso = np.clip(rng.normal(0.3, 0.04, count), 0.15, 0.5)
    return People(height, error, 0.1 * torso, True, np.arange(count) // per_image)


def compute_share(height: float) -> float:
    """Return the true share within 10 % of the torso, by integration over torsos."""
    torso = np.clip(np.random.default_rng(9).normal(0.3, 0.04, 200_000), 0.15, 0.5)
    spread = math.hypot(FIXED, PROPORTIONAL * height)
    within = 1 - np.exp(-((0.1 * torso * height) ** 2) / (2 * spread**2))
    return float((1 - MISSED) * within.mean())


def find_true_height(target: float) -> float:
    low, high = 12.0, 400.0
    for _ in range(50):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if compute_share(middle) >= target else (middle, high)
    return high


def test_planted_fixed_and_proportional_errors_return_within_ten_percent():
    rng = np.random.default_rng(0)
    for fixed, proportional in ((1.0, 0.01), (0.5, 0.02), (2.0, 0.03)):
        people = draw_people(rng, 4000, fixed=fixed, proportional=proportional)
        model = fit_error_model(people)
        assert model.fixed == pytest.approx(fixed, rel=0.1)
        assert model.proportional == pytest.approx(proportional, rel=0.1)


def test_gross_errors_do_not_change_the_two_parts():
    rng = np.random.default_rng(1)
    people = draw_people(rng, 4000, proportional=0.01)
    is_gross = rng.random(4000) < 0.05
    people.error[is_gross] = people.height[is_gross] * rng.random(is_gross.sum())
    model = fit_error_model(people)
    assert model.fixed == pytest.approx(FIXED, rel=0.12)
    assert model.proportional == pytest.approx(0.01, rel=0.2)


def test_the_predicted_share_is_the_observed_one_at_every_height():
    model = fit_error_model(draw_people(np.random.default_rng(2), 20_000))
    for height in (15, 30, 60, 120):
        (predicted,) = model.predict_share(np.array([float(height)]))
        assert predicted == pytest.approx(compute_share(height), abs=0.02)


def test_the_height_returns_within_ten_percent():
    true = find_true_height(0.8)
    budget = solve_budget(draw_people(np.random.default_rng(3), 1500), 0.8, 100, 0)
    assert budget.estimate.value == pytest.approx(true, rel=0.1)
    assert budget.estimate.low < true < budget.estimate.high
    assert budget.px > budget.estimate.value
    assert budget.reason == ""
    assert all(not one.is_refuted for one in budget.checks)


def measure_rate(draws: int, count: int, num_resamples: int) -> tuple[float, int]:
    """Return how often the target is met by fresh people at the stated height."""
    true, rng = find_true_height(0.8), np.random.default_rng(count)
    answers = [
        solve_budget(draw_people(rng, count, per_image=1), 0.8, num_resamples, seed).px
        for seed in range(draws)
    ]
    # The share rises with height: the target is met at a height from the true one on.
    known = [px for px in answers if px is not None]
    return float(np.mean([px >= true for px in known])), len(known)


def test_the_stated_share_is_met_on_fresh_people_with_the_stated_confidence():
    """A small count; `test_confidence_at_full_count` has 2,000 draws."""
    rate, answers = measure_rate(30, 300, 100)
    assert answers > 20
    assert rate > 0.8


@pytest.mark.long
@pytest.mark.parametrize("count", [400, 1000])
def test_confidence_at_full_count(count):
    rate, answers = measure_rate(2000, count, 200)
    print(f"{count} people: met in {rate:.4f} of {answers} answers")
    half = 1.96 * math.sqrt(0.05 * 0.95 / 2000)
    assert rate + half >= 0.93
    assert rate - half <= 0.97


def test_cannot_say_with_few_people_or_few_images():
    rng = np.random.default_rng(4)
    few = solve_budget(draw_people(rng, 99), 0.8, 100, 0)
    assert few.px is None
    assert "99 people in 50 images or videos can be measured; 100 people in 20" in few.reason
    crowded = solve_budget(draw_people(rng, 190, per_image=10), 0.8, 100, 0)
    assert crowded.px is None
    assert "190 people in 19 images" in crowded.reason


def test_cannot_say_where_the_fit_is_refuted_by_people_it_did_not_see():
    budget = solve_budget(draw_people(np.random.default_rng(5), 3000, jump_at=70), 0.8, 100, 0)
    assert "the fit is wrong for people it did not see" in budget.reason
    assert any(one.is_refuted for one in budget.checks)


def test_a_sound_fit_is_seldom_refuted():
    rng = np.random.default_rng(6)
    from smallpose.evaluation.budget.solve import check_on_unseen

    refuted = [
        any(one.is_refuted for one in check_on_unseen(draw_people(rng, 600))) for _ in range(100)
    ]
    assert np.mean(refuted) <= 0.05


def test_cannot_say_beyond_the_heights_of_the_file():
    people = draw_people(np.random.default_rng(7), 2000)
    small = people.take(people.height < 40)
    budget = solve_budget(small, 0.8, 100, 0)
    assert budget.px is None
    assert "at no height from 12 to 39 px" in budget.reason


def test_cannot_say_where_no_height_can_do_it():
    people = draw_people(np.random.default_rng(8), 1000, missed=0.3)
    budget = solve_budget(people, 0.8, 100, 0)
    assert budget.px is None
    assert "are 80 % within the tolerance; at most" in budget.reason
    nobody = draw_people(np.random.default_rng(8), 200, missed=1.1)
    assert solve_budget(nobody, 0.8, 100, 0).reason == "none of the people was detected"


def test_cannot_say_for_sure_near_the_target():
    """The fit reaches 80 %, by a little, on few people."""
    people = draw_people(np.random.default_rng(10), 120, missed=0.18)
    budget = solve_budget(people, 0.8, 200, 0)
    assert budget.px is None
    assert budget.estimate is not None
    assert "too few people to be sure" in budget.reason


def test_a_tolerance_in_pixels_is_met_up_to_a_height():
    people = draw_people(np.random.default_rng(11), 2000, proportional=0.02)
    absolute = People(people.height, people.error, np.full(2000, 4.0), False, people.cluster)
    budget = solve_budget(absolute, 0.8, 100, 0)
    assert budget.is_smallest_measured
    # 80 % of 98 % of a Rayleigh distribution.
    spread = 4 / math.sqrt(-2 * math.log(1 - 0.8 / 0.98))
    true = math.sqrt(spread**2 - 1) / 0.02
    assert budget.up_to_px == pytest.approx(true, rel=0.1)
    assert budget.up_to_px < true


def test_people_missed_more_often_when_small_move_the_height():
    rng = np.random.default_rng(12)
    people = draw_people(rng, 3000, missed=0)
    missed = people.take(np.arange(3000))
    chance = 1 / (1 + np.exp(4.0 * np.log(people.height / 40)))
    missed.error[rng.random(3000) < chance] = np.nan
    plain = solve_budget(people, 0.8, 100, 0).estimate.value
    moved = solve_budget(missed, 0.8, 100, 0)
    assert moved.estimate.value > 1.1 * plain
    assert moved.reason == ""
