"""Check in every test that what a command advises is an option of that command."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from smallpose.cli import main as command
from smallpose.cli.advice import list_foreign_options
from smallpose.system import progress

list_options = functools.cache(command.list_options)
running_verbs: list[str] = []  # the innermost one last; conftest.py empties it before each test


def find_foreign_advice(verb: str, line: str) -> list[str]:
    """List the options in a line that the verb lacks, unless it names a verb that has them."""
    own = list_options(verb)
    if all(word in own for word in line.split() if word.startswith("--")):
        return []
    of_verbs = {name: list_options(name) for name in command._ALL_VERBS}
    return list_foreign_options(line, own, of_verbs)


@contextmanager
def checking_advice() -> Iterator[None]:
    """Fail a test in which a command prints an error or a note that names an option it lacks."""
    run_verb, print_error = command._run_verb, command._print_error
    verbs = running_verbs

    def check(line: str) -> None:
        foreign = find_foreign_advice(verbs[-1], line) if verbs and "--" in line else []
        if foreign:
            pytest.fail(f"smallpose {verbs[-1]} has no {', '.join(foreign)}: {line}")

    def run(words: list[str]) -> int:
        is_verb = bool(words) and words[0] in command._ALL_VERBS
        verbs[:] = [*verbs, words[0]] if is_verb else verbs
        code = run_verb(words)
        if is_verb:
            verbs.pop()
        return code

    def print_checked_error(line: str, code: int) -> int:
        check(line)
        if verbs:
            verbs.pop()
        return print_error(line, code)

    def print_checked(*values: Any, **more: Any) -> None:
        check(" ".join(map(str, values)))
        print(*values, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "_run_verb", run)
        patch.setattr(command, "_print_error", print_checked_error)
        patch.setattr(progress, "print", print_checked, raising=False)
        yield
