"""The command that a page prints for a run gives all options that the run has kept."""

import argparse
import json
import shlex

import pytest

from smallpose.catalog.run_options import (
    DEFAULTS,
    RUN_OPTIONS,
    read_run_options,
    write_run_options,
)
from smallpose.catalog.train_command import build_train_arguments, read_train_command
from smallpose.cli.main import create_parser
from smallpose.cli.train import collect_options
from smallpose.core.errors import InputError

TINY = "simple_baseline_r18_tiny"
# Of the machine, of the folder, or of this one call; no part of what is trained.
NOT_KEPT = {"out", "device", "threads", "prefetch", "resume", "show_recipe", "help"}
ACTIONS = [a for a in create_parser("train")._actions if a.dest not in NOT_KEPT]
# Values that the type of an option does not give.
VALUES = {
    "method": [TINY, "folder of mine/my_method.py:coffee", "my_method.py"],
    "overrides": ["epochs=2", "learning_rate=0.001", "augment.coarse=0.3", "decay_at=3,4"],
    "swap": ["none", "left_ear:right_ear,left_eye:right_eye"],
    "weights": ["mmpose", "/machine/runs/first one", "/machine/weights.pth"],
    "image_memory": ["0", "64"],
    "zoom": ["2"],
    "max_unreadable": ["0", "0.5"],
    "link_root": ["/machine/photos of mine"],
    "max_pixels": ["400000000"],
}


def list_words(action: argparse.Action) -> list[list[str]]:
    """Return what can be typed for an option: one list of words for each value."""
    flag = action.option_strings[-1:]
    if action.nargs == 0:
        return [flag]
    values = VALUES.get(action.dest) or action.choices
    if values is None and action.type is not None and action.type.__name__ == "Path":
        values = [f"/machine/folder of mine/{action.dest}.json"]
    if values is None:
        values = ["3"] if action.type is not str else ["name"]
    return [[*flag, value] for value in values] + ([flag] if action.nargs == "?" and flag else [])


def list_words_of_all_options() -> list[str]:
    """Return a value that is not the default for every option."""
    words = []
    for action in ACTIONS:
        others = [one for one in list_words(action) if one[-1] != DEFAULTS.get(action.dest)]
        words += others[-1]
    return words


def write_options(words: list[str], folder) -> str:
    """Write the options of a command as a run does, and return what was written."""
    args = create_parser("train").parse_intermixed_args(words)
    write_run_options(folder, collect_options(args, {}))
    return (folder / RUN_OPTIONS).read_text()


def build_words(folder) -> list[str]:
    """Return the words that are printed for a run."""
    return shlex.split(shlex.join(build_train_arguments(read_run_options(folder))))


def test_every_option_of_train_is_kept_or_named_here():
    assert {a.dest for a in ACTIONS} == {*DEFAULTS, "overrides"}


@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: a.dest)
def test_every_option_of_train_is_given_again_by_the_printed_command(action, tmp_path):
    plain = json.loads(write_options([TINY], tmp_path))
    changed = False
    for words in list_words(action):
        method = [] if action.dest == "method" else [TINY]
        written = write_options([*method, *words], tmp_path)
        changed |= json.loads(written)[action.dest] != plain[action.dest]
        assert write_options(build_words(tmp_path), tmp_path / "again") == written
    assert changed, f"no value of {action.dest} differs from the default"


def test_a_command_with_all_options_gives_all_of_them_again(tmp_path):
    words = list_words_of_all_options()
    written = write_options(words, tmp_path)
    kept = json.loads(written)
    assert all(kept[name] not in (default, []) for name, default in DEFAULTS.items())
    assert write_options(build_words(tmp_path), tmp_path / "again") == written


def test_a_published_command_names_no_path_of_the_machine_and_says_what_stands_for_it(tmp_path):
    words = list_words_of_all_options()
    words[0] = "/machine/folder of mine/my_method.py:coffee"
    kept = json.loads(write_options(words, tmp_path))
    command = read_train_command(tmp_path)
    assert "machine" not in command.text + "".join(command.legend)
    assert command.method == "my_method.py:coffee"
    written = json.loads(write_options(shlex.split(command.text)[2:], tmp_path / "again"))
    paths = {name for name in kept if written[name] != kept[name]}
    assert paths == {"method", "data", "subset", "sigmas", "weights", "cache", "link_root", "code"}
    legend = "\n".join(command.legend)
    names = ("SET", "SUBSET", "SIGMAS.json", "WEIGHTS", "CACHE", "my_method.py", "LINKED1")
    for placeholder in names:
        assert placeholder in shlex.split(command.text.replace(":coffee", ""))
        assert f"`{placeholder}`: " in legend
    assert "`weights.pth` in this run" in legend


def test_several_folders_of_links_and_those_of_the_environment_are_kept(tmp_path, monkeypatch):
    (tmp_path / "b").mkdir()
    (tmp_path / "alias").symlink_to("b")
    monkeypatch.setenv("SMALLPOSE_LINK_ROOTS", "/photos/c")
    monkeypatch.setenv("SMALLPOSE_MAX_PIXELS", "90000000")
    folders = ["--link-root", "/photos/a", "--link-root", str(tmp_path / "alias")]
    write_options([TINY, *folders], tmp_path)
    options = read_run_options(tmp_path)
    assert options["link_root"] == ("/photos/a", str(tmp_path / "b"), "/photos/c")
    assert options["max_pixels"] == 90_000_000
    command = read_train_command(tmp_path)
    words = "--link-root LINKED1 --link-root LINKED2 --link-root LINKED3 --max-pixels 90000000"
    assert words in command.text
    assert "`LINKED2`: a folder into which links among the images may lead, `b` in" in (
        "\n".join(command.legend)
    )


def test_published_weights_keep_their_name(tmp_path):
    write_options([TINY, "--weights", "mmpose", "--data", "set"], tmp_path)
    command = read_train_command(tmp_path)
    assert command.text == f"smallpose train {TINY} --data SET --weights mmpose --out RUN"


def test_the_command_of_a_run_without_its_options_cannot_be_told(tmp_path):
    assert read_train_command(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("method", 3), ("data", ["set"]), ("swap", [["a"]]), ("seed", "1"), ("adapt", 1)),
        *(("link_root", "/"), ("link_root", [3]), ("max_pixels", "all")),
    ],
)
def test_damaged_options_are_refused_in_one_line(name, value, tmp_path):
    record = json.loads(write_options([TINY], tmp_path))
    (tmp_path / RUN_OPTIONS).write_text(json.dumps(record | {name: value}))
    with pytest.raises(InputError, match=f"options.json: {name} is "):
        read_train_command(tmp_path)
