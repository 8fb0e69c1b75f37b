"""A disk that fills while a command writes: one line, exit code 4, and no output is left.

The limit is that of the size of a file, which fails like a full disk where a file reaches it.
"""

import json
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from commands import run_checked
from test_set_files import write_source

from smallpose.core.errors import RunError
from smallpose.synthetic.generate import make_synthetic_dataset

LIMITS = (0, 700, 3000, 20_000)  # bytes


@contextmanager
def limit_file_size(limit: int) -> Iterator[None]:
    """Let writes beyond this size of a file fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a source, a set and results."""
    root = tmp_path_factory.mktemp("full")
    write_source(root / "coco")
    from smallpose.cli.main import main

    assert main(["build", str(root / "set"), "--coco", str(root / "coco")]) == 0
    truth = json.loads((root / "set/annotations/train.json").read_text())
    found = [
        {key: person[key] for key in ("image_id", "category_id", "keypoints")}
        | {"score": 0.5 + index / 1000}
        for index, person in enumerate(truth["annotations"])
    ]
    (root / "found.json").write_text(json.dumps(found))
    (root / "other.json").write_text(json.dumps(found[1:]))
    assert main(["export", str(root / "set"), "--to", "parquet", "--out", str(root / "pq")]) == 0
    return root


INPUTS = ("coco", "set", "found.json", "other.json", "pq")
TRUTH = "set/annotations/train.json"
COMMANDS = {
    "synth": ["synth", "OUT", "--size", "tiny"],
    "build link": ["build", "OUT", "--coco", "coco"],
    "build copy": ["build", "OUT", "--coco", "coco", "--images", "copy", "--accept", "coco"],
    "stats": ["stats", TRUTH, "--out", "OUT"],
    "evaluate": ["evaluate", TRUTH, "found.json", "--json", "OUT"],
    "compare": ["compare", TRUTH, "found.json", "other.json", "--json", "OUT"],
    "audit": ["audit", "set", "--json", "OUT"],
    "zoo": ["zoo", TRUTH, "found.json", "--out", "OUT"],
    "leaderboard": ["leaderboard", "add", "OUT", TRUTH, "found.json", "--name", "a"],
    "report": ["report", TRUTH, "found.json", "--out", "OUT"],
    "release": ["release", "set", "--out", "OUT"],
    "release zip": ["release", "set", "--out", "OUT.zip"],
    **{
        f"export {name}": ["export", "set", "--to", name, "--out", "OUT"]
        for name in ("yolo", "webdataset", "mmpose", "fiftyone", "parquet")
    },
    "select": [
        "select",
        "pq/data/train-00000-of-00001.parquet",
        "--out",
        "OUT",
        "--backend",
        "arrow",
    ],
}


# These write several files one after the other, each of them completely.
COMPLETE_FILES = ("leaderboard", "report", "stats", "zoo")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_one_line_and_leaves_no_output(name, folder, tmp_path, capsys, monkeypatch):
    for link in INPUTS:
        (tmp_path / link).symlink_to(folder / link)
    monkeypatch.chdir(tmp_path)
    codes = []
    for limit in LIMITS:
        command = list(COMMANDS[name])
        output = tmp_path / next(word for word in command if word.startswith("OUT"))
        may_be_left = name in COMPLETE_FILES
        with limit_file_size(limit):
            codes.append(run_checked(command, None if may_be_left else output, capsys))
        assert not list(tmp_path.rglob("*.part")), name
        shutil.rmtree(output, ignore_errors=True)
        if output.exists():
            output.unlink()
        left = {path.name for path in tmp_path.iterdir()} - set(INPUTS)
        assert not left, (limit, left)
    assert codes[0] == 4
    assert set(codes) <= {0, 4}


def test_synth_on_a_full_disk_names_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with limit_file_size(3000):
        assert run_checked(["synth", "OUT", "--size", "tiny"], tmp_path / "OUT", capsys) == 4
        with pytest.raises(RunError, match="OUT: no space left; unfinished files were removed"):
            make_synthetic_dataset(tmp_path / "OUT", "tiny")
