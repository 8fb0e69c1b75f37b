"""The mutation tool catches planted mutants and lists real changes."""

import ast
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from equivalent import EQUIVALENT
from mutants import list_mutants
from runner import PACKAGE, Workbench
from targets import TARGETS

from run import compute_wilson_interval, list_target_mutants

ROOT = Path(__file__).resolve().parents[2]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the runner forks")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def run_tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tool in a process of its own."""
    command = [sys.executable, str(ROOT / "tests" / "mutation" / "run.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_fork
def test_a_planted_mutant_is_caught_and_named_with_its_test():
    planted = ("--only", "SMALL_BELOW = 128 * 97", "--tests", "tests/core/test_sizes.py")
    done = run_tool("sizes", *planted)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("caught")]
    assert "core/sizes.py:10: SMALL_BELOW = 128 * 97" in line
    assert "test_size_classes_are_half_open" in line


@needs_fork
@needs_compiler
def test_a_planted_mutant_of_c_is_caught_by_its_test_and_by_no_other():
    planted = ("--only", "if (s->p >= s->end || depth >= MAX_DEPTH) return -1;", "--tests")
    file = "tests/io/test_json_text.py"
    done = run_tool("scanner", *planted, f"{file}::test_values_are_skipped_up_to_a_depth")
    assert done.returncode == 0, done.stdout + done.stderr
    done = run_tool("scanner", *planted, f"{file}::test_an_integer_has_no_negative_zero")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "survived" in done.stdout


def test_the_tool_refuses_to_run_where_the_package_is_loaded(tmp_path):
    importlib.import_module("smallpose")
    with pytest.raises(RuntimeError, match="process of its own"):
        Workbench(tmp_path)


def test_mutants_are_one_change_each_and_leave_comments_and_texts_alone():
    text = 'int f(int a) { /* a < b */ return a < b ? "a < b"[0] : a + 7; }\n'
    changed = {m.apply(text) for m in list_mutants("x.c", text)}
    assert len(changed) == 4
    assert all("/* a < b */" in one and '"a < b"' in one for one in changed)
    assert any("return a <= b ?" in one for one in changed)
    assert any("a - 7" in one for one in changed)
    text = "def f(x: int | None) -> bool:\n    '''a < b'''\n    return not x and 1 <= 2\n"
    lines = {m.after for m in list_mutants("x.py", text)}
    assert "return (not x or 1 <= 2)" in lines
    assert "return (x) and 1 <= 2" in lines
    assert not any("int &" in line for line in lines)


@pytest.mark.parametrize("name", TARGETS)
def test_mutants_of_every_target_differ_from_it_and_are_python(name):
    mutants = list_target_mutants(TARGETS[name])
    assert len(mutants) > 10
    for file in TARGETS[name].files:
        text = (PACKAGE / file).read_text()
        for mutant in mutants:
            if mutant.file != file:
                continue
            assert mutant.apply(text) != text
            if file.endswith(".py"):
                ast.parse(mutant.apply(text))


def test_equivalent_mutants_exist_and_are_explained_in_the_docs():
    lines = {(m.file, m.after) for t in TARGETS.values() for m in list_target_mutants(t)}
    docs = (ROOT / "docs" / "mutation.md").read_text().replace("\\|", "|")
    for file, after, reason in EQUIVALENT:
        assert (file, after) in lines, after
        assert after in docs, after
        assert reason


def test_the_interval_of_a_share_is_wilsons():
    low, high = compute_wilson_interval(19, 20)
    assert (round(low, 4), round(high, 4)) == (0.7639, 0.9911)
    assert compute_wilson_interval(20, 20)[1] == 1.0


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_at_least_95_percent_of_the_mutants_are_caught(name):
    sample = os.environ.get("SMALLPOSE_MUTANTS")
    draw = ("--sample", sample) if sample else ()
    done = run_tool(name, *draw)
    assert done.returncode == 0, done.stdout[-6000:]
