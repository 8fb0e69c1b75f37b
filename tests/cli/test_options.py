"""Every option of every verb is documented in the same way, and its values are checked."""

import argparse
import re
import shlex
from importlib import import_module

import pytest

from smallpose.cli.build import parse_share
from smallpose.cli.main import VERBS, create_parser
from smallpose.methods.person_score import SCORE_RULES

ALL_VERBS = [verb for group in VERBS.values() for verb in group]


def list_options(verb):
    return [
        action for action in create_parser(verb)._actions if "--help" not in action.option_strings
    ]


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_every_option_has_a_metavar_and_a_sentence_with_its_default(verb):
    for action in list_options(verb):
        name = action.option_strings[-1] if action.option_strings else action.dest
        sentence = action.help or ""
        assert re.fullmatch(r"[A-Z0-9].*\.", sentence, re.DOTALL), f"{name}: {sentence!r}"
        if action.option_strings and not action.required:
            assert re.search(r"\(default: \S.*\)\.$", sentence), f"{name}: {sentence!r}"
        if action.nargs != 0:
            assert action.metavar, name


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_the_description_of_a_verb_is_a_sentence_and_the_help_fits_80_columns(verb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    parser = create_parser(verb)
    assert re.fullmatch(r"[A-Z].*\.", parser.description, re.DOTALL)
    assert max(map(len, parser.format_help().splitlines())) <= 80


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_the_example_of_a_verb_parses_and_calls_that_verb(verb):
    example = import_module(f"smallpose.cli.{verb}").EXAMPLE.replace("\\\n", " ")
    *_, words = [shlex.split(line) for line in example.splitlines()]
    assert words[:2] == ["smallpose", verb]
    create_parser(verb).parse_intermixed_args(words[2:])


def test_the_help_of_predict_names_every_score_rule():
    text = " ".join(create_parser("predict").format_help().split())
    assert all(rule in text for rule in SCORE_RULES)


@pytest.mark.parametrize(("text", "share"), [("0.1%", 0.001), ("0.5", 0.5), ("100 %", 1.0)])
def test_a_share_is_a_number_or_a_percentage(text, share):
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["-1%", "1.5", "much"])
def test_anything_else_is_not_a_share(text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"is not a share; write 0\.1% or 0\.001"):
        parse_share(text)
