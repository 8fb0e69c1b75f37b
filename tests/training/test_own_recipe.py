"""--recipe own: follows the data's size, is printed, and never overrides what the user wrote."""

import json
from dataclasses import replace

import pytest
import torch

from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.methods import METHODS, create_method
from smallpose.methods.checkpoints.read import read_weights
from smallpose.training.own_recipe import OwnData, create_own_recipe
from smallpose.training.recipe_overrides import choose_recipe
from smallpose.training.schedule import create_optimizer

TINY = "simple_baseline_r18_tiny"
TINY_METHODS = sorted(name for name in METHODS if name.endswith("_tiny"))


@pytest.mark.parametrize("name", TINY_METHODS)
def test_every_tiny_method_has_the_recipe_and_it_follows_the_size(name):
    method = create_method(name)
    sizes = (10, 40, 200, 1000, 2000, 20_000)
    recipes = [create_own_recipe(method, OwnData(n, has_weights=True)) for n in sizes]
    steps = [recipe.steps for recipe in recipes]
    batches = [recipe.batch_size for recipe in recipes]
    assert steps == sorted(steps) and steps[1] < steps[3] and steps[-1] == 3000
    assert batches == sorted(batches) and batches[0] < batches[-1]
    # A larger set is visited less often.
    visits = [r.steps * r.batch_size / n for r, n in zip(recipes, sizes, strict=True)]
    assert visits[0] > visits[2] > visits[4] > visits[5]
    assert [recipe.backbone_rate for recipe in recipes] == [0, 1, 1, 1, 1, 1]
    # Few samples move the weights little; many are learned as quickly as by the quick recipe.
    quick = method.recipes["quick"]
    shares = [recipe.learning_rate / quick.learning_rate for recipe in recipes]
    assert shares == pytest.approx([0.1, 0.1, 0.5, 1, 1, 1])
    assert all(recipe.augment == quick.augment for recipe in recipes)
    from_nothing = create_own_recipe(method, OwnData(40, has_weights=False))
    assert from_nothing.learning_rate == quick.learning_rate
    assert from_nothing.backbone_rate == 1


def test_with_many_people_it_is_the_quick_recipe_with_a_length_of_its_own():
    method = create_method(TINY)
    own = create_own_recipe(method, OwnData(1000, has_weights=True))
    same = {"steps": own.steps, "validate_every": own.validate_every}
    assert own == replace(method.recipes["quick"], **same)


def test_published_weights_are_tuned_more_slowly():
    method = create_method(TINY)
    rate = create_own_recipe(method, OwnData(200, has_weights=True)).learning_rate
    method.card = replace(method.card, checkpoint="published.pth")
    slower = create_own_recipe(method, OwnData(200, has_weights=True))
    assert slower.learning_rate < rate
    from_nothing = create_own_recipe(method, OwnData(200, has_weights=False))
    assert from_nothing.learning_rate == method.recipes["quick"].learning_rate


def test_the_cosine_of_full_image_methods_falls_from_the_slower_rate_of_published_weights():
    method = create_method("rtmo_tiny")
    quick = replace(method.recipes["quick"], cosine=((0, 0.01), (3, 0.001)))
    method.recipes = {**method.recipes, "quick": quick}
    method.card = replace(method.card, checkpoint="published.pth")
    slower = create_own_recipe(method, OwnData(200, has_weights=True))
    share = slower.learning_rate / quick.learning_rate
    assert share < 1
    expected = [(epoch, pytest.approx(value * share)) for epoch, value in quick.cosine]
    assert list(slower.cosine) == expected
    from_nothing = create_own_recipe(method, OwnData(200, has_weights=False))
    assert from_nothing.cosine == quick.cosine


def test_what_the_user_wrote_stays():
    method = create_method(TINY)
    data = OwnData(40, has_weights=True)
    written = {
        "learning_rate": "0.123",
        "batch_size": "7",
        "steps": "31",
        "backbone_rate": "0.25",
        "validate_every": "4",
        "warm_up": "11",
        "augment.rotate_deg": "3",
    }
    _, recipe = choose_recipe(method, "own", written, data)
    assert (recipe.learning_rate, recipe.batch_size, recipe.steps) == (0.123, 7, 31)
    assert (recipe.backbone_rate, recipe.validate_every, recipe.warm_up) == (0.25, 4, 11)
    assert recipe.augment.rotate_deg == 3
    # Epochs take the place of the steps, which would win otherwise.
    _, recipe = choose_recipe(method, "own", {"epochs": "3"}, data)
    assert (recipe.epochs, recipe.steps) == (3, 0)
    with pytest.raises(InputError, match="depends on the number of labelled people; add --data"):
        choose_recipe(method, "own")
    with pytest.raises(InputError, match="backbone_rate=2: must be 0 or more and at most 1"):
        choose_recipe(method, "own", {"backbone_rate": "2"}, data)


def test_a_frozen_backbone_keeps_its_weights_and_a_slow_one_has_its_share():
    for rate in (0.0, 0.25, 1.0):
        method = create_method(TINY)
        _, recipe = choose_recipe(method, "quick", {"backbone_rate": str(rate)})
        before = {name: weight.clone() for name, weight in method.named_parameters()}
        optimizer = create_optimizer(method, recipe)
        shares = {group["rate_share"] for group in optimizer.param_groups}
        assert shares == ({1.0} if rate == 0 else {1.0, rate})
        outputs = method(torch.randn(2, 3, 96, 64))
        outputs.square().mean().backward()
        optimizer.step()
        changed = {n for n, w in method.named_parameters() if not torch.equal(w, before[n])}
        in_backbone = {n for n in before if n.startswith("backbone.")}
        assert changed - in_backbone
        assert bool(changed & in_backbone) == (rate > 0)


def test_the_command_prints_the_recipe_and_resumes_with_it(eight, tmp_path, capsys):
    words = ["train", TINY, "--data", eight, "--recipe", "own", "--out", tmp_path / "a"]
    assert main([*map(str, words), "steps=2", "batch_size=4"]) == 0
    printed = capsys.readouterr().err
    assert "recipe own for 8 samples, from random weights: 2 steps of 4, learning" in printed
    weights = ["--weights", tmp_path / "a", "--out", tmp_path / "b"]
    assert main([*map(str, [*words[:-2], *weights]), "steps=2", "batch_size=4"]) == 0
    assert "from weights: 2 steps of 4, learning rate 0.0005, backbone frozen" in (
        capsys.readouterr().err
    )
    first, second = (
        json.loads((tmp_path / run / "result.json").read_text())["recipe"] for run in "ab"
    )
    assert first["name"] == "own" and (first["backbone_rate"], second["backbone_rate"]) == (1, 0)
    assert main(["train", "--out", str(tmp_path / "b"), "--resume", "steps=3"]) == 0
    assert "lengthened from 2 to 3 steps" in capsys.readouterr().err


def test_the_recipe_is_shown_for_a_set(eight, capsys):
    words = ["train", TINY, "--recipe", "own", "--show-recipe"]
    assert main([*words, "--data", str(eight), "batch_size=3"]) == 0
    shown = capsys.readouterr().out
    assert "recipe own:" in shown and "steps = 100" in shown and "batch_size = 3" in shown
    assert main(words) == 2
    assert "add --data SET" in capsys.readouterr().err


def test_a_run_of_an_older_version_without_the_field_resumes(eight, tmp_path):
    out = tmp_path / "run"
    words = ["train", TINY, "--data", eight, "--out", out, "--recipe", "quick"]
    assert main([*map(str, words), "steps=1", "batch_size=4"]) == 0
    state = torch.load(out / "state.pt", weights_only=True)
    del state["identity"]["backbone_rate"]
    torch.save(state, out / "state.pt")
    (out / "options.json").unlink()
    assert main([*map(str, words), "--resume", "steps=1", "batch_size=4"]) == 0


@pytest.mark.parametrize(
    ("recipe", "given", "expected"),
    [
        ("own", [], "unbiased"),
        ("own", ["--heatmap-targets", "rounded"], "rounded"),
        ("own", ["--heatmap-targets", "half-pixel"], "half-pixel"),
        ("quick", [], "rounded"),
    ],
)
def test_heatmaps_have_exact_targets_unless_others_are_named(
    recipe, given, expected, eight, tmp_path, capsys
):
    out = tmp_path / "run"
    words = ["train", TINY, "--data", str(eight), "--out", str(out), "--recipe", recipe, *given]
    assert main([*words, "steps=1", "batch_size=4"]) == 0
    is_printed = f", heatmap targets: {expected}" in capsys.readouterr().err
    assert is_printed == (expected != "rounded")
    assert json.loads((out / "options.json").read_text())["heatmap_targets"] == expected
    # The weights remember them, and a run that resumes goes on with them.
    assert read_weights(out / "model.safetensors").metadata["heatmap"]["targets"] == expected
    assert main(["train", "--out", str(out), "--resume", "steps=2"]) == 0
    assert read_weights(out / "model.safetensors").metadata["heatmap"]["targets"] == expected


def test_a_method_without_the_choice_has_the_recipe_too(eight, tmp_path, capsys):
    words = ["train", "simcc_r18_tiny", "--data", eight, "--out", tmp_path, "--recipe", "own"]
    assert main([*map(str, words), "steps=1", "batch_size=4"]) == 0
    assert "heatmap targets" not in capsys.readouterr().err


def test_the_targets_are_shown_with_the_recipe(eight, capsys):
    words = ["train", TINY, "--show-recipe", "--data", str(eight), "--recipe"]
    assert main([*words, "own"]) == 0
    assert "  --heatmap-targets unbiased" in capsys.readouterr().out
    assert main([*words, "quick"]) == 0
    assert "--heatmap-targets" not in capsys.readouterr().out
    words[1] = "simcc_r18_tiny"
    assert main([*words, "own", "--heatmap-targets", "unbiased"]) == 2
    printed = capsys.readouterr()
    assert not printed.out and "is for heatmaps at stride 4" in printed.err
