"""The entry point: the list of verbs, their help, and errors of one line with an exit code."""

import subprocess
import sys
from importlib import import_module

import pytest

from smallpose.cli import main as cli_main
from smallpose.cli.main import _OTHER_WORDS, VERBS, main, run_program

ALL = [verb for group in VERBS.values() for verb in group]


def test_help_lists_every_verb_by_what_a_user_wants(capsys):
    assert main([]) == main(["--help"]) == 0
    out = capsys.readouterr().out
    for group, verbs in VERBS.items():
        assert f"{group}:" in out
        for verb in verbs:
            assert f"  {verb} " in out
    assert "New here? Run: smallpose demo" in out


@pytest.mark.parametrize("verb", ALL)
def test_the_help_of_each_verb_ends_with_an_example(verb, capsys):
    with pytest.raises(SystemExit) as left:
        main([verb, "--help"])
    assert left.value.code == 0
    example = import_module(f"smallpose.cli.{verb}").EXAMPLE.replace("\n", "\n  ")
    assert capsys.readouterr().out.endswith(f":\n  {example}\n")


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["a.json", "--he"]])
def test_the_usage_of_a_verb_has_all_options_and_files(words, capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", *words])
    usage = capsys.readouterr().out.split("\n\n")[0].split()
    assert usage[:3] == ["usage:", "smallpose", "evaluate"]
    assert usage[-2:] == ["TRUTH.json", "PREDICTIONS.json"]
    assert "[--protocol" in usage


def test_evaluate_keeps_freed_memory_where_the_process_is_its_own(monkeypatch):
    kept = []
    monkeypatch.setattr(cli_main, "keep_freed_memory", lambda: kept.append(sys.argv[1]))
    monkeypatch.setattr(cli_main, "end_process", lambda code: None)
    for verb in ("check", "evaluate"):
        monkeypatch.setattr(sys, "argv", ["smallpose", verb, "--help"])
        with pytest.raises(SystemExit):
            run_program()
        with pytest.raises(SystemExit):
            main([verb, "--help"])
    assert kept == ["evaluate"]


def test_a_wrong_verb_gets_a_suggestion(capsys):
    assert main(["evalute"]) == 2
    assert capsys.readouterr().err == (
        "smallpose evalute: no such verb; did you mean 'evaluate'?\n"
    )


@pytest.mark.parametrize(
    ("word", "verb"),
    [("score", "evaluate"), ("Eval", "evaluate"), ("infer", "predict"), ("validate", "check")],
)
def test_what_a_verb_is_called_elsewhere_is_answered_with_its_name(word, verb, capsys):
    assert main([word]) == 2
    assert capsys.readouterr().err.endswith(f"no such verb; did you mean '{verb}'?\n")


def test_other_words_lead_to_verbs():
    assert set(_OTHER_WORDS.values()) <= set(ALL)
    assert not set(_OTHER_WORDS) & set(ALL)


def test_a_wrong_flag_is_one_line_and_code_2(capsys):
    with pytest.raises(SystemExit) as left:
        main(["build", "set", "--cocoo", "x"])
    err = capsys.readouterr().err
    assert left.value.code == 2
    assert err.count("\n") == 1
    assert "did you mean '--coco'?" in err
    with pytest.raises(SystemExit) as left:
        main(["build", "set", "--nothing-like-it", "x"])
    err = capsys.readouterr().err
    assert left.value.code == 2 and err.count("\n") == 1
    assert "see 'smallpose build --help'" in err


def test_a_user_error_is_one_line_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "smallpose", "check", str(tmp_path / "none.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path / 'none.json'}: no such file; check the path\n"
    assert done.stdout == ""


def test_a_pipe_that_closes_early_is_not_an_error(tmp_path):
    command = f"{sys.executable} -m smallpose --help | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "words",
    [
        ["train", "simple_baseline_r18_tiny", "--data", "set", "--out", "run"],
        ["predict", "simple_baseline_r18_tiny", __file__, "--weights", "w", "--out", "f.json"],
        ["methods", "--recipes", "all"],
    ],
)
def test_without_pytorch_verbs_that_need_it_name_the_command_that_installs_it(words):
    code = (
        "import sys; sys.modules['torch'] = None; from smallpose.cli.main import main;"
        f"sys.exit(main({words!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "PyTorch is not installed; pip install '.[torch]' in your clone" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "t.json", "f.json"),
        ("compare", "t.json", "f.json", "g.json"),
        ("build", "set", "--coco", "coco"),
        ("select", "a.parquet", "--out", "o"),
        ("demo",),
        ("features", "run", "--data", "t.json", "--images", "i", "--out", "o.png"),
        ("train", "rtmo_tiny", "--data", "set", "--out", "run"),
        ("synth", "synthetic"),
    ],
)
def test_a_seed_below_zero_is_refused_when_it_is_parsed(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*words, "--seed=-1"])
    assert ended.value.code == 2
    assert "-1: is not an integer of 0 or more" in capsys.readouterr().err
