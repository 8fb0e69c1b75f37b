"""What all five readers refuse alike: names that lead out, and text that is no sound JSON."""

import gzip
import json

import numpy as np
import pytest
from scipy.io import savemat

from smallpose.core.errors import InputError, RefusedError
from smallpose.sources import READERS

# MPII's file is read in a process of its own.
pytestmark = pytest.mark.usefixtures("warm_executable")

NUMBER = 12345.5  # stands once in every file, where a test may put something else


def coco(root, name):
    record = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "num_keypoints": 17}
    record |= {"bbox": [1, 2, 3, NUMBER], "keypoints": [1, 1, 2] * 17, "area": 5.0}
    images = [{"id": 1, "file_name": name, "width": 9, "height": 9}]
    data = {"images": images, "annotations": [record]}
    return save(root / "annotations/person_keypoints_val2017.json", data)


def aic(root, name):
    people = {"human1": [1, 1, 1] * 14}
    entry = {"image_id": name.removesuffix(".jpg"), "keypoint_annotations": people}
    entry["human_annotations"] = {"human1": [1, 2, 3, NUMBER]}
    folder = "keypoint_validation_20170911/keypoint_validation_annotations_20170911.json"
    return save(root / folder, [entry])


def hieve(root, name):
    point = {"id": [0], "x": [1.0], "y": [NUMBER], "score": [1]}
    person = {"x1": [1], "y1": [1], "x2": [9], "y2": [9], "annopoints": [{"point": [point]}]}
    frame = {"image": [{"name": name}], "annorect": [person], "ignore_regions": []}
    return save(root / "HIE20/labels/train/track2&3/1.json", {"annolist": [frame]})


def posetrack(root, name):
    image = {"id": 7, "file_name": f"images/val/000001_mpii_test/{name}", "is_labeled": True}
    person = {"id": 1, "image_id": 7, "bbox": [1, 2, 3, NUMBER], "keypoints": [1, 1, 1] * 17}
    data = {"images": [image], "annotations": [person], "categories": []}
    return save(root / "annotations/val/000001_mpii_test.json", data)


def mpii(root, name):
    point = {"id": 5.0, "x": 3.0, "y": NUMBER, "is_visible": 1.0}
    person = {"x1": 1.0, "y1": 1.0, "x2": 2.0, "y2": 2.0, "annopoints": {"point": point}}
    entry = {"image": {"name": name}, "annorect": person, "vididx": 1.0, "frame_sec": 1.0}
    root.mkdir(parents=True, exist_ok=True)
    path = root / "mpii_human_pose_v1_u12_1.mat"
    savemat(path, {"RELEASE": {"annolist": entry, "img_train": 1.0}})
    return path


def save(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, ensure_ascii=False))
    return path


WRITERS = {"coco": coco, "mpii": mpii, "aic": aic, "hieve": hieve, "posetrack": posetrack}
PLAIN = {"hieve": "000000.jpg"}  # HiEve's names are numbers
PICTURES = {
    "coco": "val2017",
    "mpii": "images",
    "aic": "keypoint_validation_20170911/keypoint_validation_images_20170911",
    "hieve": "HIE20/videos/train/images/1",
    "posetrack": "images/val/000001_mpii_test",
}
OUT = {
    "climbs": "../../../../../../etc/passwd",
    "climbs later": "a/../../../../../../b.jpg",
    "absolute": "/etc/passwd",
    "drive": "C:/x.jpg",
    "backslash": "a\\..\\..\\b.jpg",
    "NUL": "a\0b.jpg",
    "very long": "x" * 5000 + ".jpg",
}


def test_these_are_all_readers_and_sound_files_are_read(tmp_path):
    assert set(WRITERS) == set(READERS)
    for name, write in WRITERS.items():
        write(tmp_path / name, PLAIN.get(name, "a.jpg"))
        source = READERS[name](tmp_path / name)
        assert len(source.people) == 1
        assert NUMBER in (
            *np.asarray(source.people.keypoints).ravel() + 1,
            *np.asarray(source.people.keypoints).ravel(),
        ) or ((source.people.boxes_xywh > NUMBER - 3).any())


@pytest.mark.parametrize("name", OUT.values(), ids=OUT.keys())
@pytest.mark.parametrize("reader", WRITERS)
def test_a_name_that_leads_out_is_refused(reader, name, tmp_path):
    path = WRITERS[reader](tmp_path, name)
    if (reader, name) == ("mpii", OUT["NUL"]):  # MATLAB's text has no NUL: it is read as a blank
        assert READERS[reader](tmp_path).image_files[0].path == tmp_path / "images/a b.jpg"
        return
    if reader == "posetrack":  # whose names begin at the root
        folder = "images/val/000001_mpii_test/"
        path.write_text(path.read_text().replace(folder, ""))
    with pytest.raises(RefusedError, match="path leaves the data root") as caught:
        READERS[reader](tmp_path)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reader", WRITERS)
def test_a_link_that_leads_out_is_refused(reader, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    name = PLAIN.get(reader, "a.jpg")
    WRITERS[reader](tmp_path / "root", name)
    link = tmp_path / "root" / PICTURES[reader] / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(RefusedError, match=r"path leaves the data root \(a link leads out\)"):
        READERS[reader](tmp_path / "root")


@pytest.mark.parametrize("reader", WRITERS)
def test_a_folder_of_links_that_lead_out_is_refused(reader, tmp_path):
    """A link in the layout's folder, to a folder elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    name = PLAIN.get(reader, "a.jpg")
    inner = name if reader in ("hieve", "aic") else f"inner/{name}"
    WRITERS[reader](tmp_path / "root", inner)
    folder = tmp_path / "root" / PICTURES[reader]
    folder.mkdir(parents=True, exist_ok=True)
    if inner == name:
        pytest.skip(f"{reader}'s names have no folders")
    (folder / "inner").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match="path leaves the data root"):
        READERS[reader](tmp_path / "root")


JSON = [name for name in WRITERS if name != "mpii"]
SPOILED = {
    "NaN": (lambda t: t.replace("12345.5", "NaN"), "nan is not a number"),
    "Infinity": (lambda t: t.replace("12345.5", "Infinity"), "inf is not a number"),
    "-Infinity": (lambda t: t.replace("12345.5", "-Infinity"), "-inf is not a number"),
    "1e400": (lambda t: t.replace("12345.5", "1e400"), "inf is not a number"),
    "cut off at 90 %": (lambda t: t[: len(t) * 9 // 10], "broken JSON at byte"),
    "cut off in the middle": (lambda t: t[: len(t) // 2], "broken JSON at byte"),
    "nested too deep": (lambda t: t.replace("12345.5", "[" * 10**5 + "]" * 10**5), "nested too"),
    "two at once": (lambda t: t + t, "broken JSON at byte"),
    "empty": (lambda t: " ", "the file is empty"),
}


@pytest.mark.parametrize("spoil", SPOILED)
@pytest.mark.parametrize("reader", JSON)
@pytest.mark.parametrize("packed", [False, True])
def test_text_that_is_no_sound_json_is_refused(reader, spoil, packed, tmp_path):
    change, words = SPOILED[spoil]
    if (reader, spoil) == ("coco", "1e400"):
        words = "annotations[0]: Number out of range: bbox[3]"
    path = WRITERS[reader](tmp_path, PLAIN.get(reader, "a.jpg"))
    data = change(path.read_text()).encode()
    path.unlink()
    path = path.with_name(path.name + ".gz") if packed else path
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(InputError) as caught:
        READERS[reader](tmp_path)
    line = str(caught.value)
    assert words in line
    assert path.name.removesuffix(".gz") in line
    assert caught.value.exit_code == 2
    assert "\n" not in line


@pytest.mark.parametrize("reader", JSON)
def test_a_key_that_stands_twice_is_refused(reader, tmp_path):
    path = WRITERS[reader](tmp_path, PLAIN.get(reader, "a.jpg"))
    key = {"coco": "bbox", "aic": "human1", "hieve": "annorect", "posetrack": "bbox"}[reader]
    value = {"hieve": "[]", "aic": "[1, 2, 3, 4]"}.get(reader, "[0, 0, 1, 1]")
    text = path.read_text()
    at = text.rindex(f'"{key}"')
    path.write_text(f'{text[:at]}"{key}": {value}, {text[at:]}')
    with pytest.raises(InputError, match=f"key '{key}' occurs twice"):
        READERS[reader](tmp_path)


@pytest.mark.parametrize("reader", JSON)
def test_a_byte_order_mark_is_accepted(reader, tmp_path):
    path = WRITERS[reader](tmp_path, PLAIN.get(reader, "a.jpg"))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(READERS[reader](tmp_path).people) == 1


@pytest.mark.parametrize("reader", ["coco", "aic", "posetrack"])
def test_latin_1_is_refused_and_utf_8_read(reader, tmp_path):
    path = WRITERS[reader](tmp_path, "é.jpg")
    source = READERS[reader](tmp_path)
    assert source.people.images.file_names[0].endswith("é.jpg")
    path.write_bytes(path.read_text().encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8 at byte"):
        READERS[reader](tmp_path)
