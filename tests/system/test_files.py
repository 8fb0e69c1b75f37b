"""Files are whole or not there, paths stay inside, errors are one line."""

import gzip
import pickle
from pathlib import Path

import pytest

from smallpose.core.errors import InputError, RefusedError, RunError
from smallpose.system.files import path_inside, read_bytes, sha256, write_whole, write_whole_with


def test_a_message_is_one_line_even_for_a_name_with_line_breaks():
    error = InputError("a\nb.json", "what\tis\n wrong", "mend it")
    assert str(error) == "a b.json: what is wrong; mend it"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.exit_code) == (InputError, str(error), 2)


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_else(tmp_path):
    target = tmp_path / "results.json"
    write_whole(target, "old")

    def full_disk(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match=r"no space left while writing; the previous file is kept"):
        write_whole_with(target, full_disk)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_an_interrupted_write_leaves_nothing(tmp_path):
    def interrupted(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole_with(tmp_path / "new.json", interrupted)
    assert not list(tmp_path.iterdir())


BAD_NAMES = {
    "climbs": "../../etc/passwd",
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
        path_inside(tmp_path, name)
    assert caught.value.exit_code == 3
    assert len(str(caught.value)) < 400


def test_a_link_that_leads_out_is_refused_unless_its_target_is_known(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "a.jpg").write_text("x")
    (root / "a.jpg").symlink_to(outside / "a.jpg")
    (root / "folder").symlink_to(outside)
    for name in ("a.jpg", "folder/a.jpg"):
        with pytest.raises(RefusedError, match="a link leads out"):
            path_inside(root, name)
        assert path_inside(root, name, also=[outside]) == root / name


def test_a_root_that_is_itself_a_link_is_the_users_choice(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    assert path_inside(tmp_path / "root", "a.jpg") == tmp_path / "root" / "a.jpg"


def test_a_sibling_with_the_roots_name_as_beginning_is_outside(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root2").mkdir()
    (tmp_path / "root" / "a").symlink_to(tmp_path / "root2")
    with pytest.raises(RefusedError):
        path_inside(tmp_path / "root", "a/x.jpg")


def test_gzip_is_unpacked_and_a_broken_one_named(tmp_path):
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


def test_sha256_of_abc(tmp_path):
    path = Path(tmp_path / "abc")
    path.write_bytes(b"abc")
    assert sha256(path).startswith("ba7816bf8f01cfea")
