"""Paths of a configuration may be text, and settings are A or B."""

import json
from pathlib import Path

import pytest

from smallpose.core.errors import InputError
from smallpose.training.config import TrainingConfig
from smallpose.training.run import train


def test_paths_may_be_text():
    config = TrainingConfig(method="x", data="set", out="run", sigmas="s.json", subset="some.txt")
    assert (config.data, config.out) == (Path("set"), Path("run"))
    assert (config.sigmas, config.subset, config.cache) == (Path("s.json"), Path("some.txt"), None)


def test_another_setting_is_refused():
    with pytest.raises(InputError, match="setting='C': no such setting; use A or B"):
        TrainingConfig(method="x", data=Path("set"), out=Path("run"), setting="C")


@pytest.mark.parametrize(
    ("field", "value", "known"),
    [
        ("precision", "x", "float32, bfloat16, auto"),
        ("crop_interpolation", "nearest", "linear, cubic"),
        ("heatmap_targets", "exact", "rounded, unbiased, half-pixel"),
        ("heatmap_decoding", "soft", "quarter, dark"),
    ],
)
def test_unknown_words_are_refused_by_the_constructor(field, value, known):
    with pytest.raises(InputError, match=f"{value}: is unknown for training; use {known}$"):
        TrainingConfig(method="x", data="set", out="run", **{field: value})


def test_a_file_without_the_method_is_answered_before_joints_without_sigmas(tmp_path):
    """Of two faults, the one in what was typed comes first."""
    (tmp_path / "m.py").write_text("")
    labels = tmp_path / "own" / "annotations"
    labels.mkdir(parents=True)
    category = {"id": 1, "name": "dog", "keypoints": ["paw", "ear"]}
    content = {"images": [], "annotations": [], "categories": [category]}
    for part in ("train", "test"):
        (labels / f"{part}.json").write_text(json.dumps(content))
    config = TrainingConfig(
        method=f"{tmp_path}/m.py", data=tmp_path / "own", out=tmp_path / "run", device="cpu"
    )
    with pytest.raises(InputError, match=r"m\.py: .*(no|method)"):
        train(config)
