"""Output reaches any terminal: other encodings, missing compiled parts."""

import os
import subprocess
import sys

import pytest
from smoke import write_files

NO_EXTENSIONS = """
import sys
for name in ("io._json", "evaluation.matching._native", "synthetic.rendering._fill"):
    sys.modules[f"smallpose.{name}"] = None
"""


def run_verb(words: list[str], encoding: str = "utf-8", prefix: str = "") -> tuple[str, str]:
    """Return what a command writes to stdout and stderr; it must succeed."""
    code = f"{prefix}\nimport sys; from smallpose.cli.main import main; sys.exit(main({words!r}))"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode(encoding), done.stderr.decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "cp437"])
def test_a_table_prints_in_every_encoding_with_the_same_columns(encoding, tmp_path):
    words = ["evaluate", *map(str, write_files(tmp_path))]
    table, plain = run_verb(words)[0], run_verb(words, encoding)[0]
    assert "─" in table and "?" not in table
    assert "?" not in plain
    # Lines of the table keep their columns.
    pairs = list(zip(table.splitlines(), plain.splitlines(), strict=True))
    assert all(len(a) == len(b) for a, b in pairs if a.startswith(("coco", "owned", "─")))


@pytest.mark.parametrize("words", [["--help"], ["evaluate", "--help"], ["claims"]])
def test_help_and_text_print_in_ascii(words):
    assert run_verb(words, "ascii")[0].isascii()


def test_without_compiled_parts_one_line_says_how_much_slower_it_is(tmp_path):
    words = ["evaluate", *map(str, write_files(tmp_path))]
    fast, silent = run_verb(words)
    slow, note = run_verb(words, prefix=NO_EXTENSIONS)
    assert slow == fast
    assert silent == ""
    assert note.startswith("note: the compiled parts of smallpose are missing, so evaluate takes")
    assert note.count("\n") == 1


def test_in_python_a_warning_says_so_once(tmp_path):
    code = (
        NO_EXTENSIONS
        + "import warnings\nwith warnings.catch_warnings(record=True) as caught:\n"
        + "    warnings.simplefilter('always')\n"
        + "    import smallpose; smallpose.evaluate, smallpose.read_coco, smallpose.Evaluator\n"
        + "print(*[w.category.__name__ for w in caught])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "SlowFallbackWarning\n"


def test_files_that_were_written_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    truth, results = write_files(tmp_path)
    words = ["evaluate", str(truth), str(results), "--csv", "a.csv", "--json", "a.json"]
    assert "written: a.csv, a.json" in run_verb(words)[1]
    assert run_verb(["evaluate", str(truth), str(results), "--json", "-"])[1] == ""
