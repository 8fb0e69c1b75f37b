"""An index makes the same set again on another machine, or says which picture is not the same."""

import json
import shutil

import pytest

from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.dataset.builder.build import build_dataset
from smallpose.dataset.options import BuildOptions
from smallpose.dataset.verify import check_set
from smallpose.synthetic.generate import make_synthetic_dataset

pytestmark = pytest.mark.slow
SOURCES = ("coco", "mpii", "aic", "hieve", "posetrack")
FILES = ("annotations/train.json", "annotations/test.json")


def roots_of(world):
    return {name: world / name for name in SOURCES}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The tiny world in the five published layouts."""
    folder = tmp_path_factory.mktemp("index") / "world"
    make_synthetic_dataset(folder, "tiny", 3)
    return folder


@pytest.fixture(scope="module")
def built(world, tmp_path_factory):
    """A set whose builder lacked two pictures and left them out."""
    gone = sorted((world / "aic").rglob("*.jpg"))[:2]
    kept = [(path, path.read_bytes()) for path in gone]
    for path in gone:
        path.unlink()
    out = tmp_path_factory.mktemp("built") / "set"
    options = BuildOptions(seed=11, missing_images="drop", derive=("chest",), images="none")
    build_dataset(roots_of(world), out, options)
    for path, data in kept:
        path.write_bytes(data)
    return out


@pytest.fixture
def other(world, tmp_path):
    """Another machine's copies, with all the pictures."""
    shutil.copytree(world, tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


def same_files(a, b):
    return all((a / name).read_bytes() == (b / name).read_bytes() for name in FILES)


def test_an_index_and_other_copies_give_the_same_data_set(built, other, tmp_path):
    again = tmp_path / "again"
    options = BuildOptions(seed=99, split="paper", images="copy", workers=3)
    build_dataset(roots_of(other), again, options, built / "index.json")
    assert same_files(built, again)
    assert check_set(again, 2)[0] == []
    one, two = (json.loads((f / "manifest.json").read_text()) for f in (built, again))
    for key in ("seed", "split", "derive", "derived", "leaks"):
        assert one[key] == two[key], key
    for split in ("train", "test"):
        assert one["selection"][split] == two["selection"][split]
    # Whoever gets the second set can pass its index on.
    assert (built / "index.json").read_bytes() == (again / "index.json").read_bytes()


def test_without_the_index_the_data_set_differs(built, other, tmp_path):
    build_dataset(roots_of(other), tmp_path / "plain", BuildOptions(seed=99))
    assert not same_files(built, tmp_path / "plain")


def test_the_index_has_no_path_and_no_label(built, world):
    text = (built / "index.json").read_text()
    assert str(world) not in text
    assert str(built) not in text
    assert "keypoints" not in text


def test_missing_and_differing_images_are_named_by_hash(built, other, tmp_path, capsys):
    wanted = json.loads((built / "index.json").read_text())["pictures"]
    victims = [n for n, r in wanted.items() if n.startswith("coco/") and "sha256" in r][:2]
    files = [next((other / "coco").rglob(name.rsplit("/", 1)[1])) for name in victims]
    files[0].unlink()
    data = bytearray(files[1].read_bytes())
    data[len(data) // 2] ^= 1
    files[1].write_bytes(data)
    with pytest.raises(InputError, match=r"2 of [0-9,]+ pictures are missing or differ"):
        build_dataset(roots_of(other), tmp_path / "again", BuildOptions(), built / "index.json")
    told = capsys.readouterr().err
    assert f"{victims[0]} is missing (SHA-256 {wanted[victims[0]]['sha256'][:16]}" in told
    assert f"{victims[1]} differs" in told
    assert not (tmp_path / "again").exists()


def test_the_error_for_a_lacking_source_names_its_flag(built, other, tmp_path):
    roots = {n: r for n, r in roots_of(other).items() if n != "mpii"}
    with pytest.raises(InputError, match=r"images are in none of the sources .*mpii/.*--mpii"):
        build_dataset(roots, tmp_path / "again", BuildOptions(), built / "index.json")


def test_different_annotations_are_detected(built, other, tmp_path):
    path = other / "coco/annotations/person_keypoints_train2017.json"
    data = json.loads(path.read_text())
    moved = next(a for a in data["annotations"] if a["num_keypoints"] > 3)
    moved["keypoints"][0] += 1
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"annotations/train.json: differs from the index"):
        build_dataset(roots_of(other), tmp_path / "again", BuildOptions(), built / "index.json")


@pytest.mark.parametrize("text", ["{}", "[]", '{"kind": "smallpose index 1"}', "{"])
def test_a_file_that_is_no_index_is_named(text, other, tmp_path):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(InputError, match=r"index\.json"):
        build_dataset(roots_of(other), tmp_path / "again", BuildOptions(), tmp_path / "index.json")


def test_build_from_index_gives_the_same_data_set(built, other, tmp_path, capsys):
    flags = [x for n in SOURCES for x in (f"--{n}", str(other / n))]
    index = ["--from-index", str(built / "index.json")]
    assert main(["build", str(tmp_path / "again"), *flags, *index]) == 0
    assert same_files(built, tmp_path / "again")
    capsys.readouterr()
