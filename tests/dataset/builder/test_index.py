"""Tests of `builder/index.py`: the same data set on another machine, or the image that differs."""

import json
import shutil

import pytest

from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.dataset.builder.build import build_dataset
from smallpose.dataset.options import BuildOptions
from smallpose.dataset.verify import check_set

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_executable")]
SOURCES = ("coco", "mpii", "aic", "hieve", "posetrack")
FILES = ("annotations/train.json", "annotations/test.json")


def get_roots(folder):
    return {name: folder / name for name in SOURCES}


@pytest.fixture(scope="module")
def synthetic(tiny_synthetic, tmp_path_factory):
    """Copy the synthetic data set, of which a test removes images for some time."""
    folder = tmp_path_factory.mktemp("index") / "synthetic"
    shutil.copytree(tiny_synthetic, folder)
    return folder


@pytest.fixture(scope="module")
def built(synthetic, tmp_path_factory):
    """A data set that was built without two missing images."""
    gone = sorted((synthetic / "aic").rglob("*.jpg"))[:2]
    kept = [(path, path.read_bytes()) for path in gone]
    for path in gone:
        path.unlink()
    out = tmp_path_factory.mktemp("built") / "set"
    options = BuildOptions(seed=11, missing_images="drop", derive=("chest",), images="none")
    build_dataset(get_roots(synthetic), out, options)
    for path, data in kept:
        path.write_bytes(data)
    return out


@pytest.fixture
def copies(synthetic, tmp_path):
    """Copies of the sources on another machine, with all images."""
    shutil.copytree(synthetic, tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


def same_files(a, b):
    return all((a / name).read_bytes() == (b / name).read_bytes() for name in FILES)


def test_an_index_and_other_copies_give_the_same_data_set(built, copies, tmp_path):
    rebuilt = tmp_path / "again"
    options = BuildOptions(seed=99, split="paper", images="copy", workers=3)
    build_dataset(get_roots(copies), rebuilt, options, built / "index.json")
    assert same_files(built, rebuilt)
    assert check_set(rebuilt, 2)[0] == []
    one, two = (json.loads((f / "manifest.json").read_text()) for f in (built, rebuilt))
    for key in ("seed", "split", "derive", "derived", "leaks"):
        assert one[key] == two[key], key
    for split in ("train", "test"):
        assert one["selection"][split] == two["selection"][split]
    # The second data set has the same index, so it can be published in turn.
    assert (built / "index.json").read_bytes() == (rebuilt / "index.json").read_bytes()


def test_without_the_index_the_data_set_differs(built, copies, tmp_path):
    build_dataset(get_roots(copies), tmp_path / "plain", BuildOptions(seed=99))
    assert not same_files(built, tmp_path / "plain")


def test_the_index_has_no_path_and_no_label(built, synthetic):
    text = (built / "index.json").read_text()
    assert str(synthetic) not in text
    assert str(built) not in text
    assert "keypoints" not in text


def test_missing_and_differing_images_are_named_by_hash(built, copies, tmp_path, capsys):
    wanted = json.loads((built / "index.json").read_text())["pictures"]
    changed = [n for n, r in wanted.items() if n.startswith("coco/") and "sha256" in r][:2]
    files = [next((copies / "coco").rglob(name.rsplit("/", 1)[1])) for name in changed]
    files[0].unlink()
    data = bytearray(files[1].read_bytes())
    data[len(data) // 2] ^= 1
    files[1].write_bytes(data)
    with pytest.raises(InputError, match=r"2 of [0-9,]+ images are missing or differ"):
        build_dataset(get_roots(copies), tmp_path / "again", BuildOptions(), built / "index.json")
    printed = capsys.readouterr().err
    assert f"{changed[0]} is missing (SHA-256 {wanted[changed[0]]['sha256'][:16]}" in printed
    assert f"{changed[1]} differs" in printed
    assert not (tmp_path / "again").exists()


def test_the_error_for_a_lacking_source_names_its_flag(built, copies, tmp_path):
    roots = {n: r for n, r in get_roots(copies).items() if n != "mpii"}
    with pytest.raises(InputError, match=r"the sources lack .*mpii/.*--mpii"):
        build_dataset(roots, tmp_path / "again", BuildOptions(), built / "index.json")


def test_different_annotations_are_detected(built, copies, tmp_path):
    path = copies / "coco/annotations/person_keypoints_train2017.json"
    data = json.loads(path.read_text())
    moved = next(a for a in data["annotations"] if a["num_keypoints"] > 3)
    moved["keypoints"][0] += 1
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"annotations/train.json: differs from the index"):
        build_dataset(get_roots(copies), tmp_path / "again", BuildOptions(), built / "index.json")


@pytest.mark.parametrize("text", ["{}", "[]", '{"kind": "smallpose index 1"}', "{"])
def test_a_file_that_is_no_index_is_named(text, copies, tmp_path):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(InputError, match=r"index\.json"):
        build_dataset(
            get_roots(copies), tmp_path / "again", BuildOptions(), tmp_path / "index.json"
        )


def test_build_from_index_gives_the_same_data_set(built, copies, tmp_path, capsys):
    flags = [x for n in SOURCES for x in (f"--{n}", str(copies / n))]
    index = ["--from-index", str(built / "index.json")]
    assert main(["build", str(tmp_path / "again"), *flags, *index]) == 0
    assert same_files(built, tmp_path / "again")
    capsys.readouterr()
