"""Recipe values: each is refused in one line when it is given, or the run trains with it."""

import math

import numpy as np
import pytest
from commands import fuzz_counts

from smallpose.core.errors import InputError
from smallpose.methods import create_method
from smallpose.training.recipe_limits import LIMITS, check_value
from smallpose.training.recipe_overrides import choose_recipe, flatten_recipe

TINY = "simple_baseline_r18_tiny"
FUZZED = (TINY, "rtmo_tiny", "vitpose_tiny", "rle_r18_tiny", "dekr_hrnet_w8_tiny")
VALUES = (
    *("-1", "0", "1", "2", "0.5", "-0.5", "1e400", "inf", "-inf", "nan", "1e-320", "1e18", "-0.0"),
    *("true", "none", "", " ", "text", "(1,)", "1,2", "0.9,0.999", "inf,1", "1,1", "nan,0.9"),
    *("1,2,3", "[1]", "9" * 30, "9" * 400, "1e5", "adam", "one_cycle", "0x10", "१", "-1,-1"),
)


def iterate_numbers(value):
    if isinstance(value, tuple | list):
        for inner in value:
            yield from iterate_numbers(inner)
    elif isinstance(value, int | float):
        yield value


@fuzz_counts(150, 20_000)
def test_any_value_of_any_field_is_refused_or_finite(count):
    methods = [create_method(name, "coco17") for name in FUZZED[: 2 if count < 1000 else None]]
    accepted = 0
    for index in range(count):
        rng = np.random.default_rng([1, index])
        method = methods[int(rng.integers(len(methods)))]
        name = list(method.recipes)[int(rng.integers(len(method.recipes)))]
        fields = list(flatten_recipe(method.recipes[name]))
        overrides = {
            fields[int(rng.integers(len(fields)))]: VALUES[int(rng.integers(len(VALUES)))]
            for _ in range(int(rng.integers(1, 3)))
        }
        try:
            _, recipe = choose_recipe(method, name, overrides)
        except InputError as error:
            assert "\n" not in str(error)
            continue
        accepted += 1
        values = flatten_recipe(recipe)
        numbers = list(iterate_numbers(list(values.values())))
        assert all(math.isfinite(value) for value in numbers), (name, overrides)
        betas = values["betas"]
        assert len(betas) == 2, overrides
        assert all(0 <= beta < 1 for beta in betas), overrides
    assert accepted > count / 20


@pytest.mark.parametrize(
    "text",
    [
        "augment.balance=-1",
        "augment.balance=inf",
        "augment.flip=-1",
        "augment.flip=1.5",
        "betas=1",
        "betas=inf,1",
        "betas=(1,)",
        "betas=0.9,1",
        "learning_rate=-1",
        "learning_rate=inf",
        "learning_rate=nan",
        "weight_decay=-1",
        "clip_norm=nan",
        "batch_size=0",
        "epochs=-1",
        "ema=0.5",
        "decay_at=nan",
        "warm_up=-5",
        "augment.scale=1",
        "augment.coarse_least=0",
        "layer_decay=0",
    ],
)
def test_a_value_with_which_no_run_can_train_is_named(text):
    method = create_method(TINY, "coco17")
    name, _, value = text.partition("=")
    with pytest.raises(InputError) as caught:
        choose_recipe(method, "quick", {name: value})
    assert str(caught.value).startswith(f"{name}=")


def test_every_recipe_of_every_tiny_method_is_within_the_limits():
    for name in (*FUZZED, "hrnet_w16_tiny", "simcc_r18_tiny", "cal_hrnet_w16_tiny"):
        method = create_method(name, "coco17")
        for title, recipe in method.recipes.items():
            for key, value in flatten_recipe(recipe).items():
                if key in LIMITS:
                    check_value(key, "as it is", value, value)
                is_number = isinstance(value, float | tuple) and key != "cosine"
                assert key in LIMITS or not is_number, (title, key)
