"""Errors and notes advise options that the command has; all tests check it (tests/advice.py)."""

import ast
import re
from pathlib import Path

import pytest

import smallpose
from smallpose.cli import methods
from smallpose.cli.advice import keep_own_advice
from smallpose.cli.main import VERBS, list_options, main
from smallpose.core.errors import InputError
from smallpose.system.progress import print_status

ROOT = Path(smallpose.__file__).parent
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
OF_VERBS = {"evaluate": {"--drop", "--data"}, "predict": {"--data"}, "check": set()}
# Options of other programs, by the file that names them.
OTHERS = {
    "cli/main.py": {"--version"},
    "evaluation/scoring/bootstrap.py": {"--skill"},
    "io/pose_forms.py": {"--format", "--keypoint"},
    "system/packages.py": {"--force-reinstall"},
    "training/loggers.py": {"--logdir"},
}
GUESSES = ("cli/option_hints.py", "external/package_downloads.py")  # of users; of pip and npm


@pytest.mark.parametrize(
    ("verb", "remedy", "expected"),
    [
        ("evaluate", "correct it, or leave it out: --drop", "correct it, or leave it out: --drop"),
        ("check", "correct it, or leave it out: --drop", "correct it"),
        (
            "check",
            "add --drop; or make ids with predict --data T",
            "or make ids with predict --data T",
        ),
        ("check", "correct it; add --drop; check again", "correct it; check again"),
        ("check", "add --drop", "add --drop"),  # nothing else is left to say
        ("check", "pip install --force-reinstall it", "pip install --force-reinstall it"),
    ],
)
def test_clauses_with_options_of_other_verbs_are_left_out(verb, remedy, expected):
    error = InputError("a.json", "is wrong", remedy)
    keep_own_advice(error, OF_VERBS[verb], OF_VERBS)
    assert error.remedy == expected
    assert str(error) == f"a.json: is wrong; {expected}"


def test_every_option_in_a_message_is_one_of_some_verb():
    known = set().union(*(list_options(verb) for group in VERBS.values() for verb in group))
    for file in ROOT.rglob("*.py"):
        name = file.relative_to(ROOT).as_posix()
        if name in GUESSES:
            continue
        texts = (
            node.value
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
        options = {option for text in texts for option in OPTION.findall(text)}
        assert options - OTHERS.get(name, set()) <= known, name


@pytest.mark.parametrize("is_error", [True, False])
def test_the_check_in_all_tests_fails_on_an_option_of_another_verb(is_error, monkeypatch):
    def advise(args):
        if is_error:
            raise InputError("a.json", "is wrong", "add --draw DIR")
        print_status("add --draw DIR")

    monkeypatch.setattr(methods, "run_command", advise)
    with pytest.raises(pytest.fail.Exception, match="smallpose methods has no --draw"):
        main(["methods"])
    monkeypatch.setattr(methods, "run_command", lambda args: print_status("predict --draw DIR"))
    assert main(["methods"]) == 0
