"""Each layout, read by a small parser of its own, gives back truth.json within its rounding."""

import gzip
import json
from collections import defaultdict
from xml.etree import ElementTree

import numpy as np
import pytest
import scipy.io

from smallpose.core.skeleton import AIC14, COCO17, HIEVE14, MPII16, POSETRACK17, SMALLPOSE

HALF = 0.5 + 1e-6


def in_21(points, skeleton):
    """{joint number in the source: (x, y, v)} to (21, 3)."""
    out = np.zeros((21, 3))
    for number, point in points.items():
        out[SMALLPOSE.joints.index(skeleton.joints[number])] = point
    return out


def compare(found, truth, source, box_slack):
    """Everybody found stands in the truth, labels alike, places within half a px, and back."""
    mine = {name: i for name, i in truth.items() if i["source"] == source}
    assert set(found) == set(mine)
    people = 0
    for name, image in mine.items():
        left = [p for p in image["people"] if p["num_keypoints"]]
        assert len(found[name]) == len(left)
        for keypoints, (x1, y1, x2, y2) in found[name]:
            off = [np.abs(np.reshape(p["keypoints"], (21, 3)) - keypoints).max() for p in left]
            person = left.pop(int(np.argmin(off)))
            assert min(off) <= HALF
            assert person["num_keypoints"] == (keypoints[:, 2] > 0).sum()
            w, h = image["width"], image["height"]
            x, y, wide, high = person["bbox"]
            corners = [max(x1, 0), max(y1, 0), min(x2, w), min(y2, h)]
            assert np.abs(np.array(corners) - [x, y, x + wide, y + high]).max() <= box_slack
            people += 1
    assert people > 3
    return people


def test_coco_is_recovered(speck, truth):
    found = {}
    for split in ("train", "val"):
        path = speck / f"coco/annotations/person_keypoints_{split}2017.json"
        content = json.loads(path.read_text())
        assert content["categories"][0]["keypoints"] == list(COCO17.joints)
        names = {i["id"]: f"coco/{split}2017/{i['file_name']}" for i in content["images"]}
        found |= {name: [] for name in names.values()}
        for a in content["annotations"]:
            flat = np.reshape(a["keypoints"], (17, 3))
            assert all(isinstance(c, int) for c in a["keypoints"])
            if a["num_keypoints"]:
                x, y, w, h = a["bbox"]
                points = in_21(dict(enumerate(flat)), COCO17)
                found[names[a["image_id"]]].append((points, (x, y, x + w, y + h)))
                assert a["area"] >= 32 * 32 and isinstance(a["segmentation"], list)
            if a["iscrowd"]:
                size = a["segmentation"]["size"]
                counts = a["segmentation"]["counts"]
                assert sum(counts) == size[0] * size[1] and sum(counts[1::2]) == a["area"]
    compare(found, truth, "coco", 0.006)


def test_cocos_boxes_are_tight_around_masks_that_fill_half_of_them(truth):
    people = [
        p for i in truth.values() if i["source"] == "coco" for p in i["people"] if not p["iscrowd"]
    ]
    fill = [p["segmentation_area"] / p["area"] for p in people if p["num_keypoints"]]
    assert 0.3 < np.mean(fill) < 0.65
    assert any(p["num_keypoints"] == 0 for p in people)


def test_aic_is_recovered(speck, truth):
    found = {}
    for folder, name, images in (
        (
            "ai_challenger_keypoint_train_20170909",
            "keypoint_train_annotations_20170909.json",
            "keypoint_train_images_20170902",
        ),
        (
            "ai_challenger_keypoint_validation_20170911",
            "keypoint_validation_annotations_20170911.json.gz",
            "keypoint_validation_images_20170911",
        ),
    ):
        data = (speck / "aic" / folder / name).read_bytes()
        for entry in json.loads(gzip.decompress(data) if name.endswith("gz") else data):
            assert (speck / "aic" / folder / images / f"{entry['image_id']}.jpg").is_file()
            assert len(entry["image_id"]) == 40
            people = []
            for human, flat in entry["keypoint_annotations"].items():
                points = {
                    k: (x, y, {1: 2, 2: 1}[v])
                    for k, (x, y, v) in enumerate(np.reshape(flat, (14, 3)).tolist())
                    if v != 3 or (x, y) != (0, 0)
                }
                people.append((in_21(points, AIC14), entry["human_annotations"][human]))
            found[f"aic/{images}/{entry['image_id']}.jpg"] = people
    compare(found, truth, "aic", 1.0)


def test_posetrack_is_recovered(speck, truth):
    found, unlabelled = {}, 0
    for path in (speck / "posetrack/posetrack_data/annotations").glob("*/*.json"):
        content = json.loads(path.read_text())
        by_frame = defaultdict(list)
        for a in content["annotations"]:
            by_frame[a["image_id"]].append(a)
            assert a["scores"] == [] and a["id"] > 2**31
            assert a["keypoints"][9:15] == [0] * 6, "ears"
        for image in content["images"]:
            assert (speck / "posetrack" / image["file_name"]).is_file()
            assert "width" not in image and image["nframes"] == len(content["images"])
            if not image["is_labeled"]:
                unlabelled += 1
                assert image["id"] not in by_frame
                continue
            people = []
            for a in by_frame[image["id"]]:
                flat = np.reshape(a["keypoints"], (17, 3)).tolist()
                points = {k: (x, y, 2) for k, (x, y, v) in enumerate(flat) if v == 1}
                xy = np.array([p[:2] for p in points.values()])
                x, y, w, h = a["bbox"]
                assert [w, h] == pytest.approx((1.3 * np.ptp(xy, axis=0)).tolist())
                people.append((in_21(points, POSETRACK17), (x, y, x + w, y + h)))
            found[f"posetrack/{image['file_name']}"] = people
    assert unlabelled
    compare(found, truth, "posetrack", 1.3)


def test_mpii_is_recovered(speck, truth):
    path = speck / "mpii/mpii_human_pose_v1_u12_1.mat"
    release = scipy.io.loadmat(path)["RELEASE"][0, 0]
    annolist, train = release["annolist"][0], release["img_train"][0]
    assert len(annolist) == len(train) == len(release["act"]) == len(release["single_person"])
    found, kinds = {}, set()
    for image, known in zip(annolist, train, strict=True):
        name = f"mpii/images/{image['image'][0, 0]['name'][0]}"
        assert (speck / name).is_file()
        rects = image["annorect"]
        if not known:
            assert "annopoints" not in (rects.dtype.names or ())
            continue
        found[name] = []
        for rect in rects[0] if rects.size else []:
            if not rect["annopoints"].size:
                continue
            points = {}
            for p in rect["annopoints"][0, 0]["point"][0]:
                flag = p["is_visible"]
                kinds.add(flag.dtype.kind if flag.size else "empty")
                v = 2 if not flag.size else 1 + int(flag.flat[0])
                x, y = float(p["x"][0, 0]) - 1, float(p["y"][0, 0]) - 1
                points[int(p["id"][0, 0])] = (x, y, v)
            xy = np.array([p[:2] for p in points.values()])
            head = np.array(
                [[float(rect[c][0, 0]) - 1 for c in c2] for c2 in (("x1", "y1"), ("x2", "y2"))]
            )
            both = np.concatenate([xy, head])
            low, high = both.min(axis=0), both.max(axis=0)
            grown = 0.15 * (high - low)
            found[name].append((in_21(points, MPII16), (*(low - grown), *(high + grown))))
    assert {"u", "empty"} <= kinds
    compare(found, truth, "mpii", 1.3)


def test_hieve_is_recovered_from_both_forms(speck, truth):
    labels = speck / "hieve/HIE20/labels/train"
    found, forms = {}, set()
    for path in (labels / "track2&3").glob("*.json"):
        for entry in json.loads(path.read_text())["annolist"]:
            people = []
            for a in entry["annorect"]:
                points = {
                    p["id"][0]: (p["x"][0], p["y"][0], 2) for p in a["annopoints"][0]["point"]
                }
                people.append((in_21(points, HIEVE14), [a[c][0] for c in ("x1", "y1", "x2", "y2")]))
            found[f"hieve/{path.stem}/{entry['image'][0]['name']}"] = people
    for path in (labels / "all-track").glob("*/*.xml"):
        text = path.read_text()
        forms.add(text[0])
        if text[0] == "{":
            sheet = json.loads(text)["annotation"]
            boxes = [thing["bndbox"] for thing in sheet["object"]]
            name = sheet["filename"]
        else:
            root = ElementTree.fromstring(text)
            boxes = [{e.tag: e.text for e in box} for box in root.iter("bndbox")]
            name = root.findtext("filename")
        assert name == f"{int(path.stem)}.jpg"
        people = []
        for box in boxes:
            points = {}
            for number, joint in enumerate(HIEVE14.joints):
                key = joint.replace("_", "-").capitalize()
                x, y, flag = (int(c) for c in box[key].split(","))
                if flag >= 0:
                    points[number] = (x, y, 2 - flag)
            corners = [int(box[c]) for c in ("xmin", "ymin", "xmax", "ymax")]
            people.append((in_21(points, HIEVE14), corners))
        found[f"hieve/{path.parent.name}/{path.stem}.jpg"] = people
    assert forms == {"{", "<"}
    compare(found, truth, "hieve", 1.0)
