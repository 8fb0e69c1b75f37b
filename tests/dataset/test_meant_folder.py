"""Where images lie in a folder near by, every verb with --images names that folder."""

import json
import struct
from pathlib import Path

import pytest

from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.dataset.meant_folder import find_meant_folder, refuse_folder_without

NAMES = [f"clip/{n:03}.png" for n in range(30)]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch) -> Path:
    """Write 30 images into photos/clip, and labels and results of one person in each."""
    cv2 = pytest.importorskip("cv2")
    np = pytest.importorskip("numpy")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "photos" / "clip").mkdir(parents=True)
    images, people = [], []
    for n, name in enumerate(NAMES):
        cv2.imwrite(str(tmp_path / "data" / "photos" / name), np.zeros((40, 40, 3), np.uint8))
        images.append({"id": n + 1, "file_name": name, "width": 40, "height": 40})
        person = {"id": n + 1, "image_id": n + 1, "category_id": 1, "bbox": [5, 5, 20, 30]}
        person |= {"keypoints": [9, 9, 2] * 17, "num_keypoints": 17, "area": 600, "iscrowd": 0}
        people.append(person)
    category = {"id": 1, "name": "person", "keypoints": COCO17.joints, "skeleton": []}
    labels = {"images": images, "annotations": people, "categories": [category]}
    results = [
        {"image_id": n + 1, "category_id": 1, "keypoints": [11, 8, 1] * 17, "score": n / 30}
        for n in range(30)
    ]
    Path("t.json").write_text(json.dumps(labels))
    Path("r.json").write_text(json.dumps(results))
    return tmp_path / "data" / "photos"


def write_run(folder: Path) -> None:
    """Write what a run's files say, without any weight."""
    record = {"name": "coco17", "joints": COCO17.joints, "edges": []}
    card = json.dumps({"method": "simple_baseline_r18_tiny", "skeleton": record})
    header = json.dumps({"__metadata__": {"smallpose": card}}).encode()
    folder.mkdir()
    (folder / "model.json").write_text(card)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


CALLS = {
    "check": "t.json",
    "split": "t.json --out out",
    "stats": "t.json --out out",
    "report": "t.json r.json --out out",
    "resolution": "t.json run --out out",
    "predict": "run --data t.json --out out.json",
    "features": "run --data t.json --out out.png --size small",
    "leaderboard": "training board t.json --name a --training-images data/photos",
}


@pytest.mark.parametrize("given", ["data", ".", "data/photos/clip"])
@pytest.mark.parametrize("verb", CALLS)
def test_every_verb_names_the_folder_that_is_meant(verb, given, photos, capsys):
    if "run" in CALLS[verb]:
        pytest.importorskip("torch")
        write_run(Path("run"))
    if verb == "leaderboard":
        assert main(["leaderboard", "add", "board", "t.json", "r.json", "--name", "b"]) == 0
        capsys.readouterr()
    assert main([verb, *CALLS[verb].split(), "--images", given]) == 2
    captured = capsys.readouterr()
    assert "did you mean --images data/photos?" in captured.out + captured.err
    assert not Path("out").exists()


def test_worst_people_name_the_folder_that_is_meant(photos, capsys):
    """Names are looked for below the folder, so that one above or beside remains."""
    pytest.importorskip("matplotlib")
    (photos / "empty").mkdir()
    words = ["evaluate", "t.json", "r.json", "--worst", "out", "--images", "data/photos/empty"]
    assert main(words) == 2
    assert "did you mean --images data/photos?" in capsys.readouterr().err


def test_the_folder_that_has_the_images_is_kept(photos):
    assert find_meant_folder(photos, NAMES) is None
    assert find_meant_folder(photos.parent, NAMES) == photos
    assert find_meant_folder(photos.parent, ["gone.png"]) is None
    assert find_meant_folder(photos, ["../t.json"]) is None
    assert find_meant_folder(photos, []) is None


def test_one_of_several_folders_of_the_same_names_is_no_guess(photos):
    names = [Path(name).name for name in NAMES]
    assert find_meant_folder(photos, names) == photos / "clip"
    (photos / "clip2").mkdir()
    for name in names:
        (photos / "clip2" / name).touch()
    assert find_meant_folder(photos, names) is None


def test_a_folder_with_half_of_the_images_is_not_replaced_by_the_other_half(photos):
    """Images of train and test are often in two folders, and labels name those of both."""
    names = [Path(name).name for name in NAMES]
    (photos / "clip" / "more").mkdir()
    for name in names[15:]:
        (photos / "clip" / name).rename(photos / "clip" / "more" / name)
    assert find_meant_folder(photos / "clip", names) is None


def test_folders_that_have_no_name_have_folders_above(photos, monkeypatch):
    monkeypatch.chdir(photos / "clip")
    assert find_meant_folder(Path(), NAMES) == Path("..")
    assert find_meant_folder(Path("..") / "clip", NAMES).resolve() == photos


def test_links_to_one_folder_are_no_choice_and_circles_end(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.jpg").touch()
    for name, target in (("b", "a"), ("circle", "."), ("self", "self")):
        (tmp_path / name).symlink_to(target)
    assert find_meant_folder(tmp_path, ["1.jpg"]) == tmp_path / "a"
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "1.jpg").touch()
    assert find_meant_folder(tmp_path, ["1.jpg"]) is None


def test_labels_without_images_lack_none(tmp_path):
    refuse_folder_without(tmp_path, [])
    with pytest.raises(InputError, match=r"has none of the 1 image of the labels \(first: 1.jpg\)"):
        refuse_folder_without(tmp_path, ["1.jpg"])
