"""`smallpose audit` answers wrong calls and broken exports in one line, and writes nothing."""

import json
import zipfile

import pytest

from smallpose.cli.main import main
from smallpose.core.skeleton import COCO17

K = 17
SKELETON = '<skeleton label="person">{}<attribute name="annotation_id">{}</attribute></skeleton>'
POINT = '<points label="{}" outside="0" occluded="0" points="{}"/>'


def make_xml(*people, image="1.jpg"):
    """Return CVAT's form of (id, joint, position) of people with one joint."""
    skeletons = "".join(SKELETON.format(POINT.format(j, p), own_id) for own_id, j, p in people)
    return f'<annotations><image id="0" name="{image}">{skeletons}</image></annotations>'


def make_task(regions, **data):
    return json.dumps([{"data": data, "annotations": [{"result": regions}]}])


def make_region(kind, label, **fields):
    value = {"x": 1, "y": 1, "width": 2, "height": 2, kind: [label], **fields.pop("value", {})}
    return {"id": label, "original_width": 100, "original_height": 100, "value": value, **fields}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    keypoints = [value for k in range(K) for value in (10 + k, 20 + 3 * k, 2)]
    person = {"image_id": 1, "category_id": 1, "bbox": [5, 5, 40, 90], "area": 3600, "iscrowd": 0}
    person |= {"keypoints": keypoints, "num_keypoints": K}
    content = {
        "images": [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "2.jpg"}],
        "annotations": [{"id": 1, **person}, {"id": 2, **person}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.joints)}],
    }
    files = {
        "t.json": json.dumps(content),
        "broken.json": '{"images": [',
        "results.json": json.dumps([{"image_id": 7, "keypoints": keypoints, "score": 1}]),
        "full/x": "",
        "wide.xml": '<!DOCTYPE a><annotations version="1"/>',
        "cut.xml": "<annotations><image>",
        "html.xml": "<html/>",
        "track.xml": "<annotations><track/></annotations>",
        "strangers.xml": make_xml((-5, "nose", "1,2")),
        "twice.xml": make_xml((1, "nose", "1,2"), (1, "nose", "1,2")),
        "joint.xml": make_xml((1, "tail", "1,2")),
        "place.xml": make_xml((1, "nose", "here")),
        "nan.xml": make_xml((1, "nose", "nan,2")),
        "word.xml": make_xml(("x1", "nose", "1,2")),
        "image.xml": make_xml((1, "nose", "1,2"), image="2.jpg"),
        "unknown.xml": make_xml((1, "nose", "1,2"), image="9.jpg"),
        "empty.xml": make_xml(("", "nose", "1,2")).replace(POINT.format("nose", "1,2"), ""),
        "min.json": json.dumps([{"image": "1.jpg", "joints": []}]),
        "loose.json": make_task([make_region("keypointlabels", "nose")], image_id=1),
        "turned.json": make_task(
            [make_region("rectanglelabels", "a", value={"rotation": 30})], image_id=1
        ),
        "sizeless.json": make_task(
            [make_region("rectanglelabels", "a", original_width=None)], image_id=1
        ),
        "coco.json": json.dumps({"images": [], "annotations": [], "categories": [{"name": 1}]}),
        "torn.zip": "PK\x03\x04torn",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.json", "[]")
        archive.writestr("b.xml", "<a/>")
    monkeypatch.chdir(tmp_path)
    return tmp_path


CALLS = {
    "none.json": "none.json: no such file",
    "broken.json": "broken.json: ",
    "results.json": "is a list of results",
    "full": "full",
    "t.json --to cvat": "--to cvat: needs a folder; add --out DIR",
    "t.json --out o": "--out o: has nothing to write; add --to cvat|label-studio|coco",
    "t.json --to coco --corrected joint.xml --out o": "are two steps",
    "t.json --predictions results.json --corrected joint.xml --out o": "leave out --predictions",
    "t.json --corrected joint.xml": "--corrected joint.xml: needs a file to write",
    "t.json --delete-missing full": "--delete-missing full: is for merging",
    "t.json --max-suspects 0 --to coco --out o": "--max-suspects 0: is no number of people",
    "t.json --max-suspects 5": "--max-suspects: is for a correction list",
    "t.json --image-prefix x --to cvat --out o": "--image-prefix: is for Label Studio",
    "t.json --labels-only": "--labels-only with t.json: is for a built set",
    "t.json --sheet o": "--sheet with t.json: is for a built set",
    "full --to coco --out o": "--to with full: is for a file of annotations",
    "t.json --to coco --out full": "full: exists and is not an empty folder; name a new folder",
    "t.json --to cvat --out o": "image 1.jpg: has no width and height",
    "t.json --to label-studio --out o": "image 1.jpg: has no width and height",
    "t.json --predictions results.json": "results.json",
    "t.json --category dog": "t.json",
    "t.json --corrected twice.xml --out t.json": "is an input of this command",
}
EXPORTS = {
    "wide.xml": "<!DOCTYPE",
    "cut.xml": "broken XML",
    "html.xml": "XML with <html>",
    "track.xml": "tracks of a video",
    "strangers.xml": "t.json: has none of the corrected people, such as -5",
    "twice.xml": "skeleton 2: the person 1 comes twice; keep one of them",
    "joint.xml": "'tail' is no joint of t.json; use its joints: nose",
    "place.xml": "joint 'nose' is at 'here'",
    "nan.xml": "joint 'nose' is at 'nan,2'",
    "word.xml": "annotation_id is 'x1'; leave that attribute as it was imported",
    "image.xml": "the person 1 is in image '1.jpg'",
    "unknown.xml": "no image of t.json called '9.jpg'",
    "empty.xml": "a new person without a joint",
    "min.json": 'has no data.image_id, which the correction list had; export "JSON"',
    "loose.json": "the keypoint 'nose' belongs to none of 0 rectangles",
    "turned.json": "rectangle a is turned by 30°; draw it upright",
    "sizeless.json": "no original_width",
    "coco.json": "coco.json",
    "torn.zip": "torn.zip: a zip that cannot be read; unpack it",
    "two.zip": "two.zip: a zip with 2 files of labels; unpack it",
    "none.xml": "none.xml: no such file; check the path",
}


@pytest.mark.parametrize("words", CALLS)
def test_wrong_calls_get_one_line(folder, capsys, words):
    assert main(["audit", *words.split()]) == 2
    error = capsys.readouterr().err
    assert CALLS[words] in error and error.count("\n") == 1
    assert not (folder / "o").exists() and list((folder / "full").iterdir()) == [folder / "full/x"]


@pytest.mark.parametrize("name", EXPORTS)
def test_broken_exports_get_one_line_and_no_merged_file(folder, capsys, name):
    before = (folder / "t.json").read_bytes()
    code = main(["audit", "t.json", "--corrected", name, "--out", "merged.json"])
    error = capsys.readouterr().err
    assert code == (3 if name == "wide.xml" else 2)
    assert EXPORTS[name] in error and error.count("\n") == 1
    assert not (folder / "merged.json").exists() and (folder / "t.json").read_bytes() == before


def test_a_folder_without_a_list_cannot_tell_who_was_deleted(folder, capsys):
    (folder / "ok.xml").write_text(make_xml((1, "nose", "1,2")))
    words = ["--corrected", "ok.xml", "--out", "m.json", "--delete-missing", "full"]
    assert main(["audit", "t.json", *words]) == 2
    assert "full/list.json: no such file" in capsys.readouterr().err
