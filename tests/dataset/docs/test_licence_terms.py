"""Tests of `docs/licence_terms.py`: terms are shown once, accepted by name, and remembered."""

import json

import pytest

from smallpose.cli import build as verb
from smallpose.cli.main import main
from smallpose.core.errors import InputError, RefusedError
from smallpose.dataset.docs import licence_terms
from smallpose.dataset.docs.licence_terms import TERMS, confirm_terms, get_answers_file


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A user whose settings are in this folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def confirm(*sources, accept=(), copying=False, ask=None):
    confirm_terms(sources, accept, copying=copying, ask=ask)


def test_terms_are_shown_once_and_a_script_continues(capsys):
    confirm("coco", "mpii")
    printed = capsys.readouterr().err
    for name in ("coco", "mpii"):
        assert TERMS[name].title in printed
        assert TERMS[name].page in printed
    assert "Continuing, because no image is copied. Use --accept coco,mpii" in printed
    confirm("coco", "mpii")
    assert capsys.readouterr().err == ""
    confirm("coco", "aic")
    printed = capsys.readouterr().err
    assert TERMS["aic"].title in printed
    assert TERMS["coco"].title not in printed


def test_copying_requires_acceptance_by_name(capsys):
    with pytest.raises(
        RefusedError, match=r"copying images .* terms of coco, aic; .*--accept coco,aic"
    ):
        confirm("coco", "aic", copying=True)
    with pytest.raises(RefusedError, match=r"terms of aic; .*--accept aic"):
        confirm("coco", "aic", accept=("coco",), copying=True)
    confirm("coco", "aic", accept=("aic",), copying=True)
    capsys.readouterr()
    confirm("coco", "aic", copying=True)
    assert capsys.readouterr().err == ""
    assert json.loads(get_answers_file().read_text())["accepted"] == ["aic", "coco"]


def test_shown_terms_are_not_accepted_terms():
    confirm("coco")
    with pytest.raises(RefusedError, match="terms of coco"):
        confirm("coco", copying=True)


@pytest.mark.parametrize(
    ("answer", "not_accepted"),
    [("coco,mpii", ""), ("all", ""), ("mpii", "coco"), ("", "coco, mpii")],
)
def test_a_user_at_a_terminal_is_asked(answer, not_accepted):
    questions = []

    def ask(question):
        questions.append(question)
        return answer + "\n"

    if not_accepted:
        with pytest.raises(RefusedError, match=f"the terms of {not_accepted} are not accepted; "):
            confirm("coco", "mpii", ask=ask)
    else:
        confirm("coco", "mpii", ask=ask)
        confirm("coco", "mpii", ask=ask, copying=True)
    assert len(questions) == 1


def test_an_unknown_source_to_accept_is_named():
    with pytest.raises(InputError, match="--accept lsp: no such source"):
        confirm("coco", accept=("lsp",))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"accepted": 3, "shown": []}', "\0"])
def test_a_damaged_file_of_answers_is_treated_as_missing(text, capsys):
    get_answers_file().parent.mkdir(parents=True)
    get_answers_file().write_text(text)
    confirm("coco")
    assert TERMS["coco"].title in capsys.readouterr().err
    confirm("coco", accept=("coco",), copying=True)
    confirm("coco", copying=True)


def test_a_home_folder_that_cannot_be_written_is_reported(monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", "/dev/null/nowhere")
    confirm("coco", accept=("coco",), copying=True)
    assert "cannot be written, so the terms will be shown again" in capsys.readouterr().err


def test_build_asks_only_about_published_sources(monkeypatch, tmp_path, capsys):
    """Synthetic sources have no publisher, so no terms have to be accepted."""
    calls = []
    monkeypatch.setattr(
        licence_terms, "confirm_terms", lambda names, accept, **how: calls.append((names, how))
    )
    synthetic = tmp_path / "synthetic"
    (synthetic / "coco").mkdir(parents=True)
    (tmp_path / "mpii").mkdir()
    (synthetic / "exact.json").write_text("{}")
    call = [
        str(tmp_path / "set"),
        "--coco",
        str(synthetic / "coco"),
        "--mpii",
        str(tmp_path / "mpii"),
    ]
    assert main(["build", *call]) == 2  # the folders are empty
    assert calls == [(["mpii"], {"copying": False, "ask": None})]
    assert verb.HELP
    capsys.readouterr()
