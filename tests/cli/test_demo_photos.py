"""The demo ends with MoveNet on photographs, or with the line that says how to run it."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from smallpose.cli import demo_photos
from smallpose.cli.demo_photos import list_package_photos, predict_photos
from smallpose.cli.main import main
from smallpose.core.errors import RunError


class Verbs:
    """Keeps the commands; one may fail."""

    def __init__(self, failing: str = "") -> None:
        self.calls: list[tuple[str, ...]] = []
        self.failing = failing

    def __call__(self, *words, environment=None):
        self.calls.append(tuple(map(str, words)))
        if words[0] == self.failing:
            raise RunError("demo", "a command ended with exit code 2", "read its error above")


@pytest.fixture
def installed(monkeypatch):
    """The names of the packages that seem to be installed; change the set to change that."""
    names = {"ai_edge_litert", "matplotlib"}
    monkeypatch.setattr(
        demo_photos, "find_spec", lambda name: find_spec("os") if name in names else None
    )
    monkeypatch.setattr(demo_photos, "list_package_photos", lambda: [Path("a.jpg")])
    return names


def test_photos_of_the_user_are_taken_before_those_of_packages(installed, tmp_path):
    for folder, photos in ((tmp_path, str(tmp_path)), (None, "a.jpg")):
        verbs = Verbs()
        line = predict_photos(tmp_path / "out", folder, verbs)
        assert verbs.calls[0] == ("weights", "get", "movenet")
        assert verbs.calls[1][:3] == ("predict", "movenet", photos)
        assert line.startswith(f"see {tmp_path / 'out' / 'drawn'}")
        # Those drawn are those counted, and both are said to be from a score on.
        assert verbs.calls[1][-2:] == ("--min-score", "0.3")
        assert "a score from 0.3 on; without --min-score" in line


def test_without_litert_nothing_runs_and_one_line_says_how(installed, tmp_path):
    installed.remove("ai_edge_litert")
    verbs = Verbs()
    line = predict_photos(tmp_path, None, verbs)
    assert verbs.calls == []
    assert line == (
        "For your photographs: pip install '.[movenet]' in your clone, then "
        "smallpose predict movenet PHOTOS/ --out found.json --draw drawn"
    )


def test_weights_that_cannot_be_had_do_not_fail_the_demo(installed, tmp_path):
    verbs = Verbs(failing="weights")
    line = predict_photos(tmp_path, None, verbs)
    assert [words[0] for words in verbs.calls] == ["weights"]
    assert line.startswith("MoveNet did not run, see above; when it can: smallpose predict movenet")


def test_a_package_of_the_demo_brings_a_photograph():
    """Matplotlib's, which the demo needs anyway; scikit-image's where it is installed."""
    names = {path.name for path in list_package_photos()}
    assert "grace_hopper.jpg" in names
    assert ("astronaut.png" in names) == (find_spec("skimage") is not None)


def test_a_missing_folder_of_photographs_is_named_before_anything_runs(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "d"), "--photos", str(tmp_path / "none")]) == 2
    assert "none: no such folder; give a folder of images" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()
