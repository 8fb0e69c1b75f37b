"""Terms are shown once, accepted by name, remembered, and never stand in a script's way."""

import json

import pytest

from smallpose.cli import build as verb
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.dataset.docs import licence_terms
from smallpose.dataset.docs.licence_terms import TERMS, confirm_terms, get_answers_file


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A user whose settings are in this folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def settle(*sources, accept=(), copying=False, ask=None):
    confirm_terms(sources, accept, copying=copying, ask=ask)


def test_terms_are_shown_once_and_a_script_continues(capsys):
    settle("coco", "mpii")
    told = capsys.readouterr().err
    for name in ("coco", "mpii"):
        assert TERMS[name].title in told
        assert TERMS[name].page in told
    assert "Going on, since nothing is copied; --accept coco,mpii" in told
    settle("coco", "mpii")
    assert capsys.readouterr().err == ""
    settle("coco", "aic")
    told = capsys.readouterr().err
    assert TERMS["aic"].title in told
    assert TERMS["coco"].title not in told


def test_copying_requires_acceptance_by_name(capsys):
    with pytest.raises(InputError, match=r"copying .* terms of coco, aic; .*--accept coco,aic"):
        settle("coco", "aic", copying=True)
    with pytest.raises(InputError, match=r"terms of aic; .*--accept aic"):
        settle("coco", "aic", accept=("coco",), copying=True)
    settle("coco", "aic", accept=("aic",), copying=True)
    capsys.readouterr()
    settle("coco", "aic", copying=True)
    assert capsys.readouterr().err == ""
    assert json.loads(get_answers_file().read_text())["accepted"] == ["aic", "coco"]


def test_shown_terms_are_not_accepted_terms():
    settle("coco")
    with pytest.raises(InputError, match="terms of coco"):
        settle("coco", copying=True)


@pytest.mark.parametrize(
    ("answer", "left"), [("coco,mpii", ""), ("all", ""), ("mpii", "coco"), ("", "coco, mpii")]
)
def test_a_user_at_a_terminal_is_asked(answer, left):
    asked = []

    def ask(question):
        asked.append(question)
        return answer + "\n"

    if left:
        with pytest.raises(InputError, match=f"nobody accepted the terms of {left}; "):
            settle("coco", "mpii", ask=ask)
    else:
        settle("coco", "mpii", ask=ask)
        settle("coco", "mpii", ask=ask, copying=True)
    assert len(asked) == 1


def test_an_unknown_source_to_accept_is_named():
    with pytest.raises(InputError, match="--accept lsp: no such source"):
        settle("coco", accept=("lsp",))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"accepted": 3, "shown": []}', "\0"])
def test_a_damaged_file_of_answers_is_treated_as_missing(text, capsys):
    get_answers_file().parent.mkdir(parents=True)
    get_answers_file().write_text(text)
    settle("coco")
    assert TERMS["coco"].title in capsys.readouterr().err
    settle("coco", accept=("coco",), copying=True)
    settle("coco", copying=True)


def test_a_home_folder_that_cannot_be_written_is_reported(monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", "/dev/null/nowhere")
    settle("coco", accept=("coco",), copying=True)
    assert "cannot be written, so the terms will be shown again" in capsys.readouterr().err


def test_build_asks_only_about_published_sources(monkeypatch, tmp_path, capsys):
    """A world that a program has drawn belongs to nobody; scripts need no new flag."""
    asked = []
    monkeypatch.setattr(
        licence_terms, "confirm_terms", lambda names, accept, **how: asked.append((names, how))
    )
    world = tmp_path / "world"
    (world / "coco").mkdir(parents=True)
    (tmp_path / "mpii").mkdir()
    (world / "exact.json").write_text("{}")
    call = [str(tmp_path / "set"), "--coco", str(world / "coco"), "--mpii", str(tmp_path / "mpii")]
    assert main(["build", *call]) == 2  # the folders are empty
    assert asked == [(["mpii"], {"copying": False, "ask": None})]
    assert verb.HELP
    capsys.readouterr()
