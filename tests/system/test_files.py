import gzip
import os
import random
import re
from pathlib import Path

import pytest

from smallpose.core.errors import InputError, RefusedError, RunError
from smallpose.system import files
from smallpose.system.files import (
    hash_file,
    read_bytes,
    resolve_inside,
    write_atomically,
    write_atomically_with,
)


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_else(tmp_path):
    target = tmp_path / "results.json"
    write_atomically(target, "old")

    def full_disk(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match=r"no space left while writing; the previous file is kept"):
        write_atomically_with(target, full_disk)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_an_interrupted_write_leaves_nothing(tmp_path):
    def interrupted(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically_with(tmp_path / "new.json", interrupted)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_written_into_and_stays_a_pipe(tmp_path):
    """A file took its place, and that of /dev/null where root named it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, b"numbers")
        assert os.read(reader, 100) == b"numbers"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="no /dev/fd")
def test_an_open_file_is_written_into_by_its_number(tmp_path):
    with (tmp_path / "out").open("wb") as file:
        write_atomically(f"/dev/fd/{file.fileno()}", b"numbers")
    assert (tmp_path / "out").read_bytes() == b"numbers"


BAD_NAMES = {
    "climbs out": "../../etc/passwd",
    "climbs inside": "a/../../b.jpg",
    "absolute": "/etc/passwd",
    "a drive": "C:/x.jpg",
    "backslash": "..\\x.jpg",
    "NUL": "a\0b.jpg",
    "empty": " ",
    "very long": "a/" * 3000,
}


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES.keys())
def test_a_name_that_leaves_the_root_is_refused(tmp_path, name):
    with pytest.raises(RefusedError, match="path leaves the data root") as caught:
        resolve_inside(tmp_path, name)
    assert caught.value.exit_code == 3
    assert len(str(caught.value)) < 400


def test_a_link_that_leads_out_is_refused_unless_its_target_is_an_extra_root(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "a.jpg").write_text("x")
    (root / "a.jpg").symlink_to(outside / "a.jpg")
    (root / "folder").symlink_to(outside)
    for name in ("a.jpg", "folder/a.jpg"):
        with pytest.raises(RefusedError, match="a link leads out"):
            resolve_inside(root, name)
        assert resolve_inside(root, name, extra_roots=[outside]) == root / name


def test_a_root_that_is_itself_a_link_is_accepted(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    assert resolve_inside(tmp_path / "root", "a.jpg") == tmp_path / "root" / "a.jpg"


def test_a_sibling_whose_name_begins_with_the_roots_is_outside(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root2").mkdir()
    (tmp_path / "root" / "a").symlink_to(tmp_path / "root2")
    with pytest.raises(RefusedError):
        resolve_inside(tmp_path / "root", "a/x.jpg")


def test_gzip_is_decompressed_and_a_broken_file_is_named(tmp_path):
    good, bad = tmp_path / "a.json.gz", tmp_path / "b.json.gz"
    good.write_bytes(gzip.compress(b"[]"))
    bad.write_bytes(gzip.compress(b"[1, 2, 3]" * 50)[:-9])
    assert read_bytes(good) == b"[]"
    with pytest.raises(InputError, match=r"b\.json\.gz: broken gzip file"):
        read_bytes(bad)
    with pytest.raises(InputError, match="no such file"):
        read_bytes(tmp_path / "none")
    with pytest.raises(InputError, match="is a folder"):
        read_bytes(tmp_path)


def test_the_hash_is_sha256(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert hash_file(path).startswith("ba7816bf8f01cfea")


def test_plain_names_have_none_of_the_problems(monkeypatch):
    parts = [
        "a",
        "B7",
        "train2017",
        ".",
        "..",
        "...",
        "/",
        "/",
        "\\",
        ":",
        "é",
        " ",
        "\0",
        "\n",
        "-",
    ]
    draw = random.Random(0)
    names = {"".join(draw.choices(parts, k=draw.randint(0, 7))) for _ in range(4000)}
    names |= {"a" * n for n in (1023, 1024, 1025)} | {"coco/train2017/000000000009.jpg"}
    is_plain = {name for name in names if files._PLAIN_NAME.fullmatch(name)}
    fast = {name: files._find_name_problem(name) for name in names}
    monkeypatch.setattr(files, "_PLAIN_NAME", re.compile(r"(?!)"))  # matches nothing
    assert fast == {name: files._find_name_problem(name) for name in names}
    assert 100 < len(is_plain) < len(names) / 2
