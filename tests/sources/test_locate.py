"""Sources are found where their publishers put them, or one folder down."""

import subprocess
import sys

import pytest

from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import SOURCES
from smallpose.sources import READERS
from smallpose.sources.locate import (
    ImagePaths,
    find_base,
    find_files,
    find_one_file,
    natural_sort_key,
)

FILES = ("a.json", "b/*.json")


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_there_is_a_reader_for_every_source():
    own = [name for name in SOURCES[1:] if name not in READERS]
    assert tuple(READERS) == SOURCES[1 : 1 + len(READERS)]
    assert own and all(name.startswith("own") for name in own)


@pytest.mark.parametrize("name", READERS)
def test_a_folder_without_anything_names_itself_and_what_was_looked_for(tmp_path, refuses, name):
    (tmp_path / "empty").mkdir()
    refuses(READERS[name], tmp_path / "empty", str(tmp_path / "empty"), "no annotations", "looked")


@pytest.mark.parametrize("name", READERS)
def test_a_folder_that_is_not_there_is_named(tmp_path, refuses, name):
    refuses(READERS[name], tmp_path / "nowhere", "nowhere: no such folder")


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "b/1.json", "inner/a.json", "in/b/1.json"])
def test_the_root_or_the_folder_above_it_will_do(tmp_path, name):
    file = touch(tmp_path / name)
    assert find_base(tmp_path, FILES, "X") in (file.parent, file.parent.parent)


def test_the_named_folder_itself_comes_before_those_in_it(tmp_path):
    touch(tmp_path / "a.json")
    touch(tmp_path / "inner/a.json")
    assert find_base(tmp_path, FILES, "X") == tmp_path


def test_a_folder_with_a_files_name_is_no_file(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(InputError, match="no annotations of X"):
        find_base(tmp_path, FILES, "X")


def test_two_folders_that_could_be_meant_are_an_error(tmp_path):
    touch(tmp_path / "one/a.json")
    touch(tmp_path / "two/a.json")
    with pytest.raises(InputError, match="in 'one' and in 'two'; give one"):
        find_base(tmp_path, FILES, "X")


def test_a_plain_file_wins_over_its_gzipped_twin(tmp_path):
    touch(tmp_path / "a.json.gz")
    plain = touch(tmp_path / "a.json")
    assert find_one_file(tmp_path, "a.json") == plain
    assert find_one_file(tmp_path, "z.json") is None


def test_two_files_that_could_be_meant_are_an_error(tmp_path):
    touch(tmp_path / "a1.json")
    touch(tmp_path / "a2.json.gz")
    with pytest.raises(InputError, match="both match"):
        find_one_file(tmp_path, "a*.json")


def test_files_come_in_natural_order(tmp_path):
    for name in ("10.json", "2.json.gz", "1.json"):
        touch(tmp_path / name)
    assert [p.name for p in find_files(tmp_path, "*.json")] == ["1.json", "2.json.gz", "10.json"]


def test_natural_order_counts():
    names = ["human10", "human2", "human", "2", "a2b10", "a2b9", ""]
    assert sorted(names, key=natural_sort_key) == [
        "",
        "2",
        "a2b9",
        "a2b10",
        "human",
        "human2",
        "human10",
    ]


def test_readers_load_scipy_and_opencv_only_when_needed():
    code = "import sys, smallpose.sources; print({'scipy', 'cv2'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("files_there", "named", "mend"),
    [
        (["x/a.json"], "x/deep", "they are in {}/x: give that folder"),
        (["x/a.json"], "x/deep/deeper", "they are in {}/x: give that folder"),
        (["y/x/w/a.json"], "y", "they are in {}/y/x/w: give that folder"),
        (["x/annotations.zip"], "x", "unpack annotations.zip there first"),
        (["x/part.TAR.GZ", "x/readme"], "x", "unpack part.TAR.GZ there first"),
    ],
)
def test_a_folder_too_high_too_low_or_not_unpacked_says_what_to_do(
    tmp_path, files_there, named, mend
):
    for name in files_there:
        touch(tmp_path / name)
    (tmp_path / named).mkdir(parents=True, exist_ok=True)
    with pytest.raises(InputError) as caught:
        find_base(tmp_path / named, FILES, "X")
    assert caught.value.remedy == mend.format(tmp_path)


def test_a_file_in_place_of_a_folder_is_called_one(tmp_path):
    with pytest.raises(InputError, match="is a file; give the folder that X was unpacked to"):
        find_base(touch(tmp_path / "a.json"), FILES, "X")


def test_paths_of_many_names_are_those_of_each(tmp_path):
    for name in ("a.jpg", "in/b.jpg", "ü.jpg"):
        touch(tmp_path / "base" / "train" / name)
    (tmp_path / "base" / "train" / "link.jpg").symlink_to("a.jpg")
    names = ["a.jpg", "missing.jpg", "in/b.jpg", "ü.jpg", "link.jpg", "a..b.jpg", "x" * 300]
    paths = ImagePaths(tmp_path / "base").list_paths("train", names, str)
    one = ImagePaths(tmp_path / "base")
    assert paths == [one.path("train", name, "") for name in names]


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", "", "a\\b.jpg", "..", "out.jpg"])
def test_a_name_among_many_that_leaves_its_folder_is_refused(tmp_path, name):
    touch(tmp_path / "secret.jpg")
    touch(tmp_path / "base" / "train" / "a.jpg")
    (tmp_path / "base" / "train" / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    names = ["a.jpg", name]
    with pytest.raises(RefusedError) as one:
        ImagePaths(tmp_path / "base").path("train", name, "record 1")
    with pytest.raises(RefusedError) as many:
        ImagePaths(tmp_path / "base").list_paths("train", names, lambda row: f"record {row}")
    assert str(many.value) == str(one.value)
