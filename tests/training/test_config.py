"""Paths of a configuration may be text, and settings are A or B."""

from pathlib import Path

import pytest

from smallpose.core.errors import InputError
from smallpose.training.config import TrainingConfig


def test_paths_may_be_text():
    config = TrainingConfig(method="x", data="set", out="run", sigmas="s.json", subset="some.txt")
    assert (config.data, config.out) == (Path("set"), Path("run"))
    assert (config.sigmas, config.subset, config.cache) == (Path("s.json"), Path("some.txt"), None)


def test_another_setting_is_refused():
    with pytest.raises(InputError, match="setting='C': no such setting; use A or B"):
        TrainingConfig(method="x", data=Path("set"), out=Path("run"), setting="C")
