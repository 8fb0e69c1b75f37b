"""Ground truth, result files and runs are told apart by what they contain."""

import json
from pathlib import Path

import pytest

from smallpose.core.errors import InputError
from smallpose.report.inputs.arguments import sort_arguments


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Write files whose names say nothing, and a folder of a run."""
    contents = {
        "labels": {"images": [], "annotations": [], "categories": []},
        "more_labels": {"annotations": []},
        "a.json": [],
        "b.json": {"keypoint_names": ["nose"], "predictions": []},
        "broken": "{",
        "run/result.json": {"method": "m", "evaluation": {}},
        "run/found.json": [],
        "x/found.json": [],
        "y/found.json": [],
        "x/a.json": [],
        "y/a.json": [],
        "set/annotations/test.json": {"annotations": []},
    }
    paths = {}
    for name, content in contents.items():
        paths[name] = tmp_path / name
        paths[name].parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        paths[name].write_text(text)
    return paths | {name: tmp_path / name for name in ("run", "set")}


def sort(files: dict[str, Path], *keys: str, names: tuple[str, ...] = ()):
    return sort_arguments([files[key] for key in keys], names)


def test_the_order_of_results_is_kept_wherever_the_ground_truth_is(files):
    for keys in (("labels", "b.json", "run", "a.json"), ("b.json", "labels", "run", "a.json")):
        arguments = sort(files, *keys)
        assert arguments.truth == files["labels"]
        assert arguments.entries == (files["b.json"], files["run"], files["a.json"])
        assert arguments.names == ("b", "", "a")


def test_runs_alone_need_no_ground_truth(files):
    arguments = sort(files, "run", "run")
    assert (arguments.truth, arguments.entries, arguments.names) == (None, (files["run"],), ("",))


def test_files_of_one_name_are_told_apart_by_their_folders(files):
    assert sort(files, "labels", "x/found.json", "y/found.json").names == ("x", "y")
    assert sort(files, "labels", "x/a.json", "y/a.json").names == ("x/a", "y/a")


def test_names_are_those_given_in_the_order_of_the_results(files):
    assert sort(files, "labels", "a.json", "run", names=("my  model", "B")).names == (
        "my model",
        "B",
    )


@pytest.mark.parametrize(
    ("keys", "names", "words"),
    [
        (("a.json",), (), "can only be scored with labels"),
        (("a.json", "b.json"), (), "can only be scored with labels"),
        (("run", "a.json"), (), "can only be scored with labels"),
        (("labels",), (), "no results were given"),
        (("labels", "more_labels", "a.json"), (), "a second file of labels"),
        (("labels", "a.json", "a.json"), (), "was given twice"),
        (("set", "a.json"), (), "set/annotations/test.json"),
        (("run/result.json", "labels"), (), "pass the folder of the run"),
        (("labels", "a.json"), ("A", "B"), "2 names for 1 result"),
        (("labels", "a.json", "b.json"), ("A", " A "), "names two results"),
        (("labels", "a.json"), ("",), "is no name"),
        (("labels", "a.json"), ("\x07",), "is no name"),
        (("labels", "a.json"), ("x" * 61,), "is no name"),
    ],
)
def test_what_is_missing_or_too_much_is_said_in_one_line(files, keys, names, words):
    with pytest.raises(InputError) as refused:
        sort(files, *keys, names=names)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_broken_file_is_left_to_the_reader_that_explains_it(files):
    assert sort(files, "broken", "a.json").truth == files["broken"]
    assert sort(files, "labels", "broken").entries == (files["broken"],)


def test_a_page_has_at_most_twenty_results(files, tmp_path):
    paths = []
    for number in range(21):
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text("[]")
    assert len(sort_arguments([files["labels"], *paths[:20]]).entries) == 20
    with pytest.raises(InputError, match="21 results, and a page shows 20"):
        sort_arguments([files["labels"], *paths])
