"""A file that does not exist is named in one line, before any other file is read."""

import pytest

from smallpose.cli.input_check import INPUTS
from smallpose.cli.main import VERBS, create_parser, main
from smallpose.cli.output_check import OUTPUTS
from smallpose.cli.output_folders import WRITTEN_FOLDERS

ALL_VERBS = [verb for group in VERBS.values() for verb in group]
# Inputs that are no path in every case, and those whose readers know more of what is meant.
WORDS = {"weights", "box_weights", "boxes_from", "keep_images", "link_root", "shards", "cache"}
WORDS |= {"coco", "mpii", "aic", "hieve", "posetrack", "source", "map", "photos", "package"}
OTHERS = {("export", "set"), ("export", "images"), ("build", "images"), ("predict", "inputs")}
OTHERS |= {("resolution", "models"), ("features", "runs"), ("resolution", "command")}
PATH_WORDS = ("FILE", "DIR", "json", "RUN", "SET", "DATA", "IMAGE", "parquet")
# One call of each verb that reads several files; "*" is each of them, and none of them is JSON.
CALLS = {
    "stats": "* * * --out out",
    "stats --compare": "a.json --out out --compare * real *",
    "stats --scenes": "a.json --out out --scenes a=*",
    "select": "* * * --out out",
    "sigmas": "* * *",
    "evaluate": "* * --sigmas * --slices *",
    "compare": "* * * --sigmas *",
    "ceiling": "* --sigmas *",
    "budget": "* * --joint nose --within 3 --sigmas *",
    "report": "* * * --out out --sigmas * --images * --cost-file *",
    "zoo": "* * * --out out",
    "claims": "* * * --set coco=* --set smallpose=* --scenes coco=*",
    "leaderboard add": "board * * --name a --sigmas *",
    "leaderboard training": "board * --name a --images * --training-images *",
    "audit": "* --predictions *",
    "audit --corrected": "a.json --corrected * --delete-missing * --out out.json",
    "check": "* --truth *",
    "check --images": "* --images *",
    "split": "* --images * --out out",
    "resolution": "* --images * --sigmas * --out out movenet",
    "predict": "movenet --data * --images * --boxes * --out out.json",
    "features": "a.json --data * --images * --out out.png",
    "train": "hrnet_w32 --data * --sigmas * --subset * --out out",
}


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_every_input_is_in_the_table(verb):
    """A new argument that names a file is covered by the rule, or is one that is written."""
    for action in create_parser(verb)._actions:
        is_path = any(word in str(action.metavar) for word in PATH_WORDS)
        keys = {(verb, action.dest), ("", action.dest)}
        is_written = action.dest in OUTPUTS or keys & WRITTEN_FOLDERS.keys()
        if is_path and not is_written and action.dest not in WORDS and not keys & OTHERS:
            assert keys & INPUTS.keys(), f"{verb} {action.dest}"


def list_calls():
    """Return each call with one of its files missing, and the words that name it."""
    calls = []
    for start, text in CALLS.items():
        verb = [start.split()[0]] if " --" in start else start.split()
        words = [*verb, *text.split()]
        places = [place for place, word in enumerate(words) if word.endswith("*")]
        for place in places:
            there = [word.replace("*", f"{n}.json") for n, word in enumerate(words)]
            there[place] = words[place].replace("*", "gone/x.json")
            option = words[place - 1] if words[place - 1].startswith("--") else ""
            calls.append((there, f"{option} {there[place]}: no such".strip()))
    return calls


@pytest.mark.parametrize(("words", "message"), list_calls(), ids=lambda one: str(one)[:60])
def test_a_missing_file_is_named_before_others_are_read(
    words, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for word in {*words, "a.json"}:
        name = word.rpartition("=")[2]
        if name.endswith(".json") and not name.startswith(("gone", "out")):
            (tmp_path / name).write_text("{")  # whatever reads it, fails
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.endswith("; check the path\n")
    assert message in error


def test_a_keyword_and_values_of_another_form_are_no_missing_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text("{")
    assert main(["stats", "a.json", "--out", "out", "--compare", "real"]) == 2
    assert capsys.readouterr().err.startswith("a.json: ")
    assert main(["stats", "a.json", "--out", "out", "--compare", "./real"]) == 2
    assert "real: no such file" in capsys.readouterr().err
    assert main(["claims", "--set", "coco"]) == 2
    assert "not of the form NAME=FILE" in capsys.readouterr().err


def test_a_name_that_no_file_can_have_is_left_to_the_reader(capsys):
    assert main(["ceiling", "x" * 300]) == 2
    error = capsys.readouterr().err
    assert "name too long" in error and error.count("\n") == 1
