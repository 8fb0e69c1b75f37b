"""What a tool gets of the suspects comes back as it was sent, and merges without a trace."""

import gzip
import json
import re
import xml.etree.ElementTree as ET
import zipfile

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.skeleton import COCO17
from smallpose.dataset.corrections.read_corrected import read_corrected

FILES = {"cvat": "annotations.xml", "label-studio": "tasks.json", "coco": "suspects.json"}
JOINTS = COCO17.joints
# A person who stands and faces the camera, in units of their height.
FRONT = {
    "nose": (0, 0.06),
    "left_eye": (0.02, 0.04),
    "right_eye": (-0.02, 0.04),
    "left_ear": (0.04, 0.05),
    "right_ear": (-0.04, 0.05),
    "left_shoulder": (0.1, 0.18),
    "right_shoulder": (-0.1, 0.18),
    "left_elbow": (0.13, 0.33),
    "right_elbow": (-0.13, 0.33),
    "left_wrist": (0.14, 0.47),
    "right_wrist": (-0.14, 0.47),
    "left_hip": (0.07, 0.5),
    "right_hip": (-0.07, 0.5),
    "left_knee": (0.075, 0.72),
    "right_knee": (-0.075, 0.72),
    "left_ankle": (0.08, 0.95),
    "right_ankle": (-0.08, 0.95),
}


def make_person(number, exchanged=()):
    """Return an annotation whose joints lie where only exact decimals keep them."""
    x0, y0, height = 60.5 + 3 * number, 10.25 + number, 150.1
    places = dict(FRONT)
    for a, b in exchanged:
        places[a], places[b] = places[b], places[a]
    keypoints = []
    for index, joint in enumerate(JOINTS):
        x, y = places[joint]
        v = 1 if index % 5 == 3 else 2
        keypoints += [round(x0 + x * height, 3), round(y0 + y * height, 3), v]
    ear = 3 * JOINTS.index("right_ear")
    keypoints[ear : ear + 3] = [0, 0, 0]
    return {
        "id": 100 + number,
        "image_id": number,
        "category_id": 7,
        "bbox": [x0 - 30, y0, 60.0, height],
        "area": 4321.5,
        "iscrowd": 0,
        "num_keypoints": 16,
        "keypoints": keypoints,
        "segmentation": [[1.0, 2.0, 3.5, 4, 5, 6.25]],
        "own": {"é": [1e-3, None, True]},
    }


ERRORS = {
    2: [("left_elbow", "left_wrist")],
    4: [("left_knee", "right_knee"), ("left_ankle", "right_ankle")],
}


@pytest.fixture
def file(tmp_path):
    """Write eight people in eight images, two of them with an error, as another program would."""
    content = {
        "info": {"note": 'with "annotations": [] in its text', "version": 1.10},
        "images": [
            {"id": n, "file_name": f"a/{n}.jpg", "width": 320, "height": 240} for n in range(8)
        ],
        "annotations": [make_person(n, ERRORS.get(n, ())) for n in range(8)],
        "categories": [{"id": 7, "name": "person", "keypoints": list(JOINTS), "skeleton": []}],
    }
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False).replace("1.1\n", "1.10\n"))
    return path


def run(*words):
    assert main([str(word) for word in ("audit", *words)]) == 0


def send(file, form, *words):
    out = file.parent / form
    run(file, "--to", form, "--out", out, *words)
    return out / FILES[form]


@pytest.mark.parametrize("form", FILES)
def test_a_list_has_the_suspects_alone_and_merges_back_byte_for_byte(file, form):
    sent = send(file, form)
    people = read_corrected(sent)
    assert sorted(person.id for person in people) == [102, 104]
    original = {a["id"]: a for a in json.loads(file.read_text())["annotations"]}
    for person in people:
        triples = np.reshape(original[person.id]["keypoints"], (17, 3))
        labelled = {j: t for j, t in zip(JOINTS, triples, strict=True) if t[2] > 0}
        assert person.joints.keys() == labelled.keys()
        for joint, triple in labelled.items():
            assert person.joints[joint] == pytest.approx(triple.tolist(), abs=1e-9)
    merged = file.parent / "merged.json"
    run(file, "--corrected", sent, "--out", merged)
    assert merged.read_bytes() == file.read_bytes()


def repair_cvat(sent):
    """Exchange elbow and wrist back and hide the nose, with CVAT's two decimals."""
    tree = ET.parse(sent)
    for skeleton in tree.iter("skeleton"):
        points = {point.get("label"): point for point in skeleton.iter("points")}
        for point in points.values():
            x, y = (float(value) for value in point.get("points").split(","))
            point.set("points", f"{x:.2f},{y:.2f}")
        if skeleton.find("attribute[@name='annotation_id']").text == "102":
            a, b = points["left_elbow"], points["left_wrist"]
            first, second = a.get("points"), b.get("points")
            a.set("points", second)
            b.set("points", first)
            points["nose"].set("occluded", "1")
    tree.write(sent)


def repair_label_studio(sent):
    tasks = json.loads(sent.read_text())
    for task in tasks:
        if 102 not in task["data"]["people"].values():
            continue
        regions = task["annotations"][0]["result"]
        point = {r["value"].get("keypointlabels", [""])[0]: r for r in regions}
        for key in ("x", "y"):
            a, b = point["left_elbow"]["value"], point["left_wrist"]["value"]
            a[key], b[key] = b[key], a[key]
        hidden = {"id": point["nose"]["id"], "type": "choices", "value": {"choices": ["hidden"]}}
        regions.append(hidden)
    sent.write_text(json.dumps(tasks))


def repair_coco(sent):
    content = json.loads(sent.read_text())
    for one in content["annotations"]:
        if one["id"] == 102:
            k = np.reshape(one["keypoints"], (17, 3))
            rows = [JOINTS.index("left_elbow"), JOINTS.index("left_wrist")]
            k[rows, :2] = k[rows[::-1], :2]
            k[0, 2] = 1
            one["keypoints"] = k.ravel().tolist()
    sent.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("form", "repair"),
    [("cvat", repair_cvat), ("label-studio", repair_label_studio), ("coco", repair_coco)],
)
def test_only_what_was_corrected_changes(file, form, repair, capsys):
    sent = send(file, form)
    repair(sent)
    merged = file.parent / "merged.json"
    run(file, "--corrected", sent, "--out", merged)
    assert "1 person changed (3 joints, 0 boxes), 1 as they were" in capsys.readouterr().out
    before, after = json.loads(file.read_text()), json.loads(merged.read_text())
    changed = np.reshape(after["annotations"][2].pop("keypoints"), (17, 3))
    wanted = np.reshape(make_person(2)["keypoints"], (17, 3))
    wanted[0, 2] = 1
    original = np.reshape(before["annotations"][2].pop("keypoints"), (17, 3))
    exchanged = [JOINTS.index("left_elbow"), JOINTS.index("left_wrist")]
    assert changed[:, :2] == pytest.approx(wanted[:, :2], abs=0.006)
    # The flags of visibility go with the place in the list, as the annotator did not touch them.
    others = np.setdiff1d(np.arange(17), [0, *exchanged])
    assert (changed[others] == original[others]).all() and changed[0, 2] == 1
    assert before == after
    untouched = re.split(r'\{\s*"id": 10[23]', file.read_text())
    assert merged.read_text().startswith(untouched[0])
    assert merged.read_text().endswith(untouched[2])
    # The corrected person is suspect no more.
    assert [p["id"] for p in audit_json(merged)["labels"]] == [104]


def audit_json(file):
    out = file.parent / "audit.json"
    run(file, "--json", out)
    return json.loads(out.read_text())


def test_a_zip_of_cvat_and_a_gzipped_original_are_read(file):
    sent = send(file, "cvat")
    packed, original = file.parent / "export.zip", file.parent / "labels.json.gz"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(sent, "annotations.xml")
    original.write_bytes(gzip.compress(file.read_bytes()))
    merged = file.parent / "merged.json"
    run(original, "--corrected", packed, "--out", merged)
    assert merged.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("form", FILES)
def test_new_people_are_added_and_deleted_ones_removed_only_when_asked(file, form):
    sent = send(file, form)
    if form == "cvat":
        tree = ET.parse(sent)
        first, _ = tree.iter("skeleton")
        first.find("attribute[@name='annotation_id']").text = ""
        tree.write(sent)
    elif form == "label-studio":
        tasks = json.loads(sent.read_text())
        tasks[0]["data"]["people"] = {}
        sent.write_text(json.dumps(tasks))
    else:
        content = json.loads(sent.read_text())
        gone = read_corrected(sent)[0].id
        next(a for a in content["annotations"] if a["id"] == gone)["id"] = 9999
        sent.write_text(json.dumps(content))
    merged = file.parent / "merged.json"
    before = json.loads(file.read_text())["annotations"]
    run(file, "--corrected", sent, "--out", merged)
    after = json.loads(merged.read_text())["annotations"]
    assert after[:-1] == before and after[-1]["id"] == 108
    copied = next(a for a in before if a["image_id"] == after[-1]["image_id"])
    assert after[-1]["keypoints"] == pytest.approx(copied["keypoints"], abs=1e-3)
    assert after[-1]["num_keypoints"] == 16 and after[-1]["category_id"] == 7
    run(file, "--corrected", sent, "--out", merged, "--delete-missing", sent.parent)
    after = json.loads(merged.read_text())["annotations"]
    assert [a["id"] for a in after] == [a["id"] for a in before if a != copied] + [108]


@pytest.mark.parametrize("form", FILES)
def test_people_of_images_that_did_not_come_back_are_kept(file, form, capsys):
    sent = send(file, form)
    if form == "cvat":
        tree = ET.parse(sent)
        tree.getroot().remove(next(tree.iter("image")))
        tree.write(sent)
    elif form == "label-studio":
        tasks = json.loads(sent.read_text())
        tasks[0]["annotations"] = [one | {"was_cancelled": True} for one in tasks[0]["annotations"]]
        sent.write_text(json.dumps(tasks))
    else:
        content = json.loads(sent.read_text())
        gone = content["images"].pop(0)["id"]
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] != gone]
        sent.write_text(json.dumps(content))
    merged = file.parent / "merged.json"
    run(file, "--corrected", sent, "--out", merged, "--delete-missing", sent.parent)
    assert merged.read_bytes() == file.read_bytes()
    printed = capsys.readouterr().out
    assert "0 removed" in printed and "missing person is kept" in printed


def test_readers_of_sources_read_the_lists_alike(file):
    """`smallpose build --source` has readers of its own for both tools."""
    cvat_xml = pytest.importorskip("smallpose.sources.tools.cvat_xml")
    label_studio = pytest.importorskip("smallpose.sources.tools.label_studio")
    for form, read in (
        ("cvat", cvat_xml.read_cvat_xml),
        ("label-studio", label_studio.read_label_studio),
    ):
        sent = send(file, form)
        (sent.parent / "list.json").unlink()
        people = read("own", sent.parent, {}).people
        listed = read_corrected(sent)
        assert len(people) == len(listed) == 2
        for row, person in enumerate(listed):
            for joint, point in person.joints.items():
                got = people.keypoints[row, people.skeleton.joints.index(joint)]
                assert got == pytest.approx(point, abs=1e-6)
