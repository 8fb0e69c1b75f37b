"""Results in the forms of other tools give the table of the same COCO results, or are refused."""

import gzip
import json

import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.errors import InputError, RefusedError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.io.coco_results import is_result_file, read_results
from smallpose.io.pose_records import OPENPOSE_JOINTS
from smallpose.io.result_folders import is_result_folder

NAMES = ("000001.jpg", "street/cat.png", "results_7.jpg")
IDS = (3, 4, 9)
# Image, keypoints (17, 3), score, box [x, y, w, h]
POSES = [
    (
        row,
        np.random.default_rng(n).integers(1, 90, (17, 3)) / (1, 1, 100),
        0.25 + n / 8,
        [5, 6, 70, 80],
    )
    for n, row in enumerate((0, 0, 2))
]


def list_coco(**more):
    return [
        {"image_id": IDS[row], "keypoints": xyv.ravel().tolist(), "score": score, "bbox": box}
        | more
        for row, xyv, score, box in POSES
    ]


def list_mmpose(row):
    # The score of MMPose is that of the box times the mean of the scores above .2.
    def divide(score, scores):
        return score / scores[scores > 0.2].mean()

    return [
        {
            "keypoints": xyv[:, :2].tolist(),
            "keypoint_scores": xyv[:, 2].tolist(),
            "bbox": [to_corners(box)],
            "bbox_score": divide(score, xyv[:, 2]),
        }
        for image, xyv, score, box in POSES
        if image == row
    ]


def to_corners(box):
    x, y, width, height = box
    return [x, y, x + width, y + height]


def list_flat(row):
    return [
        {"keypoints": xyv.ravel().tolist(), "bbox": box, "score": score, "category_id": 1}
        for image, xyv, score, box in POSES
        if image == row
    ]


def make_arrays(row):
    poses = [pose for pose in POSES if pose[0] == row]
    return {
        "boxes": [to_corners(box) for *_, box in poses],
        "labels": [1 for _ in poses],
        "scores": [score for _, _, score, _ in poses],
        "keypoints": [
            np.column_stack([xyv[:, :2], np.ones(17)]).tolist() for _, xyv, _, _ in poses
        ],
        "keypoints_scores": [xyv[:, 2].tolist() for _, xyv, _, _ in poses],
    }


def make_key_points(row):
    """The fields of supervision's KeyPoints as RF-DETR fills them."""
    poses = [pose for pose in POSES if pose[0] == row]
    return {
        "xy": [xyv[:, :2].tolist() for _, xyv, _, _ in poses],
        "keypoint_confidence": [xyv[:, 2].tolist() for _, xyv, _, _ in poses],
        "detection_confidence": [score for _, _, score, _ in poses],
        "class_id": [0 for _ in poses],
        "visible": None,
        "data": {"xyxy": [to_corners(box) for *_, box in poses]},
    }


def list_sink_rows():
    """What JSONSink writes of RF-DETR's KeyPoints: its own box is that of the joints."""
    rows = []
    for image, xyv, score, box in POSES:
        own = {"file_name": NAMES[image], "keypoints": xyv[:, :2].tolist()}
        own["keypoint_confidence"] = xyv[:, 2].tolist()
        corners = {"x_min": 1.0, "y_min": 1.0, "x_max": 90.0, "y_max": 90.0}
        data = {"xyxy": to_corners(box)}
        rows.append(corners | {"class_id": 0, "confidence": score, "tracker_id": ""} | data | own)
    return rows


def save_folder(folder, pattern, make):
    folder.mkdir()
    for row, name in enumerate(NAMES):
        file = folder / pattern.format(name=name.split("/")[-1], stem=name.split("/")[-1][:-4])
        file.write_text(json.dumps(make(row)))
    return folder


def save(path, content):
    path.write_text(json.dumps(content))
    return path


def save_lines(path, records):
    path.write_text("\n".join(json.dumps(record) for record in records) + "\n\n")
    return path


def save_single(folder, name, records):
    folder.mkdir()
    (folder / "config.yaml").write_text("a: 1")
    save(folder / name, records)
    return folder


FORMS = {
    "MMPose, a folder": lambda at: save_folder(at / "p", "{stem}.json", list_mmpose),
    "MMPose's demo": lambda at: save_folder(
        at / "p",
        "results_{stem}.json",
        lambda row: {"meta_info": {}, "instance_info": list_mmpose(row)},
    ),
    "OpenPifPaf": lambda at: save_folder(at / "p", "{name}.predictions.json", list_flat),
    "Detectron2, its folder": lambda at: save_single(
        at / "inference", "coco_instances_results.json", list_coco(category_id=1)
    ),
    "AlphaPose, its folder": lambda at: save_single(
        at / "out",
        "alphapose-results.json",
        [
            {k: v for k, v in r.items() if k != "bbox"}
            | {
                "image_id": NAMES[row].split("/")[-1],
                "box": r["bbox"],
                "idx": [0.0],
                "category_id": 1,
            }
            for r, (row, *_) in zip(list_coco(), POSES, strict=True)
        ],
    ),
    "JSON Lines": lambda at: save_lines(at / "f.jsonl", list_coco()),
    "one line": lambda at: save_lines(
        at / "f.jsonl",
        [
            {"file_name": NAMES[0], "poses": list_flat(0)},
            {"file_name": NAMES[2], "poses": list_flat(2)},
        ],
    ),
    "torchvision, a list with images": lambda at: save(
        at / "f.json", [{"image_id": IDS[row]} | make_arrays(row) for row in range(3)]
    ),
    "torchvision, by name": lambda at: save(
        at / "f.json", {name: make_arrays(row) for row, name in enumerate(NAMES)}
    ),
    "RF-DETR's KeyPoints": lambda at: save_lines(
        at / "f.jsonl",
        [{"file_name": name} | make_key_points(row) for row, name in enumerate(NAMES)],
    ),
    "poses by id": lambda at: save(
        at / "f.json", {str(IDS[row]): list_mmpose(row) for row in range(3)}
    ),
    "supervision's JSONSink": lambda at: save(at / "f.json", list_sink_rows()),
    "triples": lambda at: save(
        at / "f.json",
        [r | {"keypoints": np.reshape(r["keypoints"], (17, 3)).tolist()} for r in list_coco()],
    ),
    "poses beside names": lambda at: save(
        at / "f.json",
        [{"file_name": name, "poses": list_mmpose(row)} for row, name in enumerate(NAMES)],
    ),
}


@pytest.fixture
def truth():
    return make_truth(COCO17)


def make_truth(skeleton):
    images = make_images(IDS, NAMES, [640] * 3, [480] * 3)
    k = len(skeleton)
    return make_instances(skeleton, images, [0], [[5, 6, 70, 80]], np.full((1, k, 3), 2.0))


def assert_close(predictions, expected):
    assert predictions.image_ids.tolist() == expected.image_ids.tolist()
    assert predictions.skeleton == expected.skeleton
    for name in ("keypoints", "scores", "boxes_xywh"):
        one, other = getattr(predictions, name), getattr(expected, name)
        np.testing.assert_allclose(one, other, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_read_as_the_same_coco_results(form, tmp_path, truth):
    expected = read_results(save(tmp_path / "coco.json", list_coco()), truth)
    path = FORMS[form](tmp_path)
    predictions = read_results(path, truth)
    assert_close(predictions, expected)
    assert predictions.notes == ()
    assert is_result_folder(path) if path.is_dir() else is_result_file(path)


def list_vitpose(row, keep=None):
    """What the image processor of transformers returns, after `.tolist()`; `keep`: a threshold."""
    poses = []
    for image, xyv, _, box in POSES:
        kept = np.flatnonzero(xyv[:, 2] > (keep or -1))
        if image == row:
            pose = {"keypoints": xyv[kept, :2].tolist(), "scores": xyv[kept, 2].tolist()}
            poses.append(pose | {"labels": kept.tolist(), "bbox": to_corners(box)})
    return poses


def test_vitpose_has_no_score_and_its_box_is_none_of_a_detector(tmp_path, truth):
    path = save(tmp_path / "f.json", {name: list_vitpose(i) for i, name in enumerate(NAMES)})
    predictions = read_results(path, truth)
    assert np.array_equal(predictions.keypoints, [xyv for _, xyv, _, _ in POSES])
    assert predictions.scores.tolist() == [xyv[:, 2].mean() for _, xyv, _, _ in POSES]
    assert np.isnan(predictions.boxes_xywh).all()
    (note,) = predictions.notes
    assert note.startswith("3 of 3 results have no score; it is the mean of their keypoint scores")


def test_a_person_of_whom_vitpose_left_out_every_joint_is_kept(tmp_path, truth):
    content = {NAMES[0]: [{"keypoints": [], "scores": [], "labels": [], "bbox": [1, 2, 3, 4]}]}
    predictions = read_results(save(tmp_path / "f.json", content), truth)
    assert predictions.keypoints.shape == (1, 17, 3) and predictions.scores.tolist() == [0.0]
    assert "17 keypoints below the threshold" in predictions.notes[1]


def test_joints_that_vitpose_left_out_stay_at_their_place_and_are_told(tmp_path, truth):
    content = {name: list_vitpose(i, 0.4) for i, name in enumerate(NAMES)}
    predictions = read_results(save(tmp_path / "f.json", content), truth)
    kept = np.array([xyv[:, 2] > 0.4 for _, xyv, _, _ in POSES])
    expected = np.array([xyv for _, xyv, _, _ in POSES])
    assert np.array_equal(predictions.keypoints[kept], expected[kept])
    assert (predictions.keypoints[~kept] == 0).all()
    assert f"{(~kept).sum()} keypoints below the threshold" in predictions.notes[1]


@pytest.mark.parametrize(
    ("num_joints", "key", "pose"),
    [
        (25, "people", "pose_keypoints_2d"),
        (18, "people", "pose_keypoints_2d"),
        (18, "bodies", "joints"),
    ],
)
def test_openpose_and_cmu_files_are_ordered_by_the_names_of_their_joints(
    tmp_path, truth, num_joints, key, pose
):
    names = OPENPOSE_JOINTS[num_joints]
    xyv = np.random.default_rng(0).random((num_joints, 3)) * (99, 99, 1)
    folder = save_folder(
        tmp_path / "p",
        "{stem}_keypoints.json",
        lambda row: {"version": 1.3, key: [{pose: xyv.ravel().tolist()}] if row == 1 else []},
    )
    predictions = read_results(folder, truth)
    assert predictions.image_ids.tolist() == [IDS[1]]
    order = [names.index(joint) for joint in COCO17.joints]
    assert np.array_equal(predictions.keypoints[0], xyv[order])
    assert predictions.scores[0] == pytest.approx(xyv[:, 2].mean())
    assert "1 of 1 result has no score" in predictions.notes[0]
    assert "neck" in predictions.notes[1]


def test_one_file_of_alphapose_has_the_images_as_keys(tmp_path, truth):
    """`--format cmu` without `--sep`; COCO's 17 joints have no names there."""
    xyv = POSES[0][1]
    bodies = {"version": "AlphaPose v0.3", "bodies": [{"joints": xyv.ravel().tolist()}]}
    path = save(tmp_path / "alphapose-results.json", {"cat.png": bodies})
    predictions = read_results(path, truth)
    assert predictions.image_ids.tolist() == [4]
    assert np.array_equal(predictions.keypoints[0], xyv)
    assert read_results(tmp_path, truth).scores.tolist() == [xyv[:, 2].mean()]


def test_mmpose_names_its_joints_which_may_be_in_another_order(tmp_path, truth):
    reverse = list(COCO17.joints)[::-1]
    meta = {"keypoint_id2name": {str(i): name for i, name in enumerate(reverse)}}
    make = lambda row: {"meta_info": meta, "instance_info": list_mmpose(row)}  # noqa: E731
    folder = save_folder(tmp_path / "p", "results_{stem}.json", make)
    expected = [xyv[::-1] for _, xyv, _, _ in POSES]
    assert np.array_equal(read_results(folder, truth).keypoints, expected)
    # A truth that only numbers its joints has them in the order of the results.
    numbered = make_truth(Skeleton("17 keypoints", tuple(f"joint_{i}" for i in range(17))))
    assert np.array_equal(read_results(folder, numbered).keypoints, [p[1] for p in POSES])


@pytest.mark.parametrize("name", ["results_7.json", "results_results_7.json"])
def test_a_file_of_one_image_goes_to_the_image_of_its_name(tmp_path, truth, name):
    path = save(tmp_path / name, {"meta_info": {}, "instance_info": list_mmpose(2)})
    assert read_results(path, truth).image_ids.tolist() == [9]


def test_the_box_of_alphapose_is_read_whatever_its_images_are_called(tmp_path, truth):
    """With numbers for images, as for COCO, the list is plain but for `box`."""
    records = [r | {"category_id": 1, "box": r["bbox"]} for r in list_coco()]
    records = [change(record, bbox="gone") for record in records]
    predictions = read_results(save(tmp_path / "f.json", records), truth)
    assert predictions.boxes_xywh.tolist() == [[5, 6, 70, 80]] * 3


def test_a_packed_file_and_lines_without_an_end_are_read(tmp_path, truth):
    lines = b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(r).encode() for r in list_coco())
    (tmp_path / "f.jsonl.gz").write_bytes(gzip.compress(lines))
    assert len(read_results(tmp_path / "f.jsonl.gz", truth)) == 3


def change(record, **fields):
    return {key: value for key, value in (record | fields).items() if value != "gone"}


REFUSED = {
    "torchvision's list of images": (
        [make_arrays(0), make_arrays(1)],
        r"entry\[0\]: does not name its image by image_id or file_name; write the image beside "
        r"each: json.dump\(\[{",
    ),
    "a list of lists": ([list_vitpose(0), list_vitpose(1)], r"entry\[0\]: does not name its image"),
    "a list under a key": (
        {"results": list_coco()},
        r"f.json: has its list of results under the key 'results'; write the list alone: "
        r"json.dump\(results\['results'\], file\)",
    ),
    "an unknown name": ({"cow.jpg": list_flat(0)}, r"cow.jpg: image 'cow.jpg' is not in the truth"),
    "id and name differ": (
        [{"image_id": 4, "file_name": NAMES[0]} | make_arrays(0)],
        r"entry\[0\], person\[0\]: image_id 4 is the image 'street/cat.png', but file_name",
    ),
    "MMPose's video": ([{"frame_id": 1, "instances": list_mmpose(0)}], "is of a video"),
    "a sink without keypoints": (
        [change(row, keypoints="gone") for row in list_sink_rows()],
        r"entry\[0\].*sink\.append\(key_points\.as_detections\(\), custom_data=",
    ),
    "a sink without images": (
        [change(row, file_name="gone") for row in list_sink_rows()],
        r"entry\[0\]: does not name its image; write them as well: sink.append",
    ),
    "scores of other people": (
        [{"image_id": 3} | make_arrays(0) | {"scores": [0.5]}],
        r"entry\[0\]: the lengths of keypoints, scores and boxes are wrong",
    ),
    "several classes": (
        [{"image_id": 3} | make_arrays(0) | {"labels": [1, 18]}],
        r"entry\[0\]: its detections are of several classes \(1, 18\); keep those of people",
    ),
    "poses in 3D": (
        [{"image_id": 3, "poses": [{"keypoints": [[1, 2, 3]], "keypoint_scores": [1]}]}],
        "its keypoints are 3D",
    ),
    "a word for a number": (
        [{"image_id": 3, "poses": [{"keypoints": ["a"] * 51, "score": 1}]}],
        r"entry\[0\], person\[0\]: Expected float, got str: keypoints\[0\]; write the pose",
    ),
    "a box of two": (
        [{"image_id": 3, "poses": [list_mmpose(0)[0] | {"bbox": [[1, 2]]}]}],
        r"person\[0\]: the lengths of bbox are wrong",
    ),
    "no pose": ([{"image_id": 3, "poses": [{"skeleton": []}]}], "is no pose of a known form"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_with_one_line(case, tmp_path, truth):
    content, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as raised:
        read_results(save(tmp_path / "f.json", content), truth)
    assert "\n" not in str(raised.value)


LINES = {
    "another image": (change(list_coco()[1], image_id=5), "line 2: image 5 is not in the truth"),
    "no score": (
        change(list_coco()[1], score="gone"),
        "line 2: Object missing required field score",
    ),
    "a list": ([1], "line 2: does not name its image"),
    "a short pose": (change(list_coco()[1], keypoints=[1, 2, 3]), "line 2: 3 keypoint values"),
}


@pytest.mark.parametrize("case", LINES)
def test_a_broken_line_is_named(case, tmp_path, truth):
    line, message = LINES[case]
    with pytest.raises(InputError, match=rf"f\.jsonl, {message}"):
        read_results(save_lines(tmp_path / "f.jsonl", [list_coco()[0], line]), truth)
    (tmp_path / "f.jsonl").write_text(json.dumps(list_coco()[0]) + '\n{"image_id": 3,')
    with pytest.raises(InputError, match=r"f\.jsonl, line 2: broken JSON"):
        read_results(tmp_path / "f.jsonl", truth)


def test_a_folder_with_a_file_of_an_unknown_image_is_refused(tmp_path, truth):
    folder = FORMS["OpenPifPaf"](tmp_path)
    (folder / "cow.jpg.predictions.json").write_text("[]")
    with pytest.raises(
        InputError, match=r"cow\.jpg\.predictions\.json: image 'cow\.jpg' is not in"
    ):
        read_results(folder, truth)


def test_a_sink_without_the_box_of_a_detector_has_that_of_its_joints(tmp_path, truth):
    rows = [change(row, xyxy="gone") for row in list_sink_rows()]
    predictions = read_results(save(tmp_path / "f.json", rows), truth)
    assert predictions.boxes_xywh.tolist() == [[1, 1, 89, 89]] * 3


def test_two_files_of_one_image_are_refused(tmp_path, truth):
    folder = FORMS["MMPose, a folder"](tmp_path)
    (folder / "results_cat.json").write_text("[]")
    with pytest.raises(
        InputError, match=r"results_cat\.json: is of the same image as cat\.json; keep"
    ):
        read_results(folder, truth)


def test_an_image_that_a_list_has_twice_is_told(tmp_path, truth):
    """Samplers of several processes repeat the first images to fill the last batch."""
    content = [{"image_id": IDS[row]} | make_arrays(row) for row in (0, 2, 0)]
    (note,) = read_results(save(tmp_path / "f.json", content), truth).notes
    assert note.startswith("1 image has more than one list of poses, as of a padded sampler; all")


def test_what_torch_saved_is_refused_with_the_way_out(tmp_path, truth):
    (tmp_path / "p.pth").write_bytes(b"PK\x03\x04" + b"\0" * 26 + b"archive/data.pkl" + b"\0" * 99)
    with pytest.raises(RefusedError, match=r"is a pickle.*coco_instances_results.json"):
        read_results(tmp_path / "p.pth", truth)


@pytest.mark.parametrize(
    "content",
    [
        {"images": [], "annotations": []},
        {"images": []},
        {"version": "5.0", "shapes": []},
        {"a": []},
    ],
)
def test_files_of_labels_are_no_results(content, tmp_path):
    assert not is_result_file(save(tmp_path / "f.json", content))


def write_truth(path):
    truth = {
        "images": [
            {"id": i, "file_name": name, "width": 640, "height": 480}
            for i, name in zip(IDS, NAMES, strict=True)
        ],
        "annotations": [
            {
                "id": n,
                "image_id": IDS[row],
                "category_id": 1,
                "bbox": box,
                "area": 5600,
                "iscrowd": 0,
            }
            | {
                "num_keypoints": 17,
                "keypoints": np.column_stack([xyv[:, :2], [2] * 17]).ravel().tolist(),
            }
            for n, (row, xyv, _, box) in enumerate(POSES, 1)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.joints)}],
    }
    return save(path, truth)


@pytest.mark.parametrize("form", ["MMPose's demo", "JSON Lines", "RF-DETR's KeyPoints"])
def test_evaluate_compare_and_check_take_the_forms_as_they_are(form, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    truth = write_truth(tmp_path / "truth.json")
    path = FORMS[form](tmp_path)
    save(tmp_path / "plain.json", list_coco())
    results = []
    for name in (path, "plain.json"):
        assert main(["evaluate", "truth.json", str(name), "--json", "-"]) == 0
        results.append(json.loads(capsys.readouterr().out)["protocols"])
    assert results[0] == results[1]
    assert main(["compare", "truth.json", "plain.json", str(path), "--intervals", "20"]) == 0
    assert main(["check", str(path), "--truth", str(truth)]) == 0
    assert smallpose.read_results(path, smallpose.read_coco(truth)).image_ids.tolist() == [3, 3, 9]


@pytest.mark.parametrize(
    ("form", "what"),
    [
        ("OpenPifPaf", "is a folder of results and has no labels; give the ground truth first"),
        ("JSON Lines", "is a list of results and has no labels; give the ground truth first"),
    ],
)
def test_results_before_the_ground_truth_are_named(form, what, tmp_path, capsys):
    truth, path = write_truth(tmp_path / "truth.json"), FORMS[form](tmp_path)
    assert main(["evaluate", str(path), str(truth)]) == 2
    assert what in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("0 323.1 397.1 310 463 " + "263 249 .6 " * 17, "0 323.1 397.1 …: coordinates in px); wri"),
        ("0 0.5 0.5 0.1 0.2 0.9", "0 0.5 0.5 …, 6 numbers: a box without keypoints); give the la"),
    ],
)
def test_text_files_that_are_no_labels_of_poses_are_named(line, what, tmp_path, capsys):
    truth = write_truth(tmp_path / "truth.json")
    (tmp_path / "yolo" / "labels").mkdir(parents=True)
    (tmp_path / "yolo" / "labels" / "a.txt").write_text("")
    (tmp_path / "yolo" / "labels" / "b.txt").write_text(line)
    for folder in ("yolo", "yolo/labels"):
        assert main(["evaluate", str(truth), str(tmp_path / folder)]) == 2
        path = tmp_path / "yolo" / "labels" / "b.txt"
        assert f"has no labels of poses ({path}: line 1 is {what}" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["images", "data.yaml"])
def test_a_yolo_data_set_is_named_with_what_makes_labels_of_it(part, tmp_path, capsys):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.1 0.2 " + "0.5 0.5 2 " * 17)
    assert main(["evaluate", str(tmp_path), str(tmp_path)]) == 2
    assert "is a folder of results and has no labels" in capsys.readouterr().err
    (tmp_path / part).mkdir()  # a folder's name, or that of the description
    if part == "data.yaml":
        (tmp_path / part).rmdir()
        (tmp_path / part).write_text("names: [person]\n")
    assert main(["evaluate", str(tmp_path), str(tmp_path)]) == 2
    assert f"smallpose build SET --source own={tmp_path}" in capsys.readouterr().err


def make_mmpose_folder(folder):
    """Make the folder of an inferencer, in which CocoMetric has written its results, too."""
    person = {"keypoints": [[1.0, 2.0]] * 17, "keypoint_scores": [0.5] * 17, "bbox_score": 0.8}
    (folder / "predictions").mkdir(parents=True)
    for name in ("cat", "dog"):
        (folder / "predictions" / f"{name}.json").write_text(json.dumps([person]))
    record = {"image_id": 4, "category_id": 1, "keypoints": [1.0, 2.0, 0.5] * 17, "score": 0.9}
    metric = folder / "results.keypoints.json"
    metric.write_text(json.dumps([record] * 3))
    return metric


def save_truth(folder, truth):
    smallpose.write_coco(truth, folder / "truth.json")
    return folder / "truth.json"


def test_of_two_forms_in_one_folder_the_user_names_one(tmp_path):
    images = make_images([4, 9], ["cat.jpg", "dog.jpg"])
    truth = make_instances(COCO17, images, [], np.zeros((0, 4)), [])
    folder = tmp_path / "mmpose"
    metric = make_mmpose_folder(folder)
    with pytest.raises(InputError) as caught:
        read_results(folder, truth)
    assert "has results in results.keypoints.json and in predictions/" in caught.value.what
    assert main(["evaluate", str(save_truth(tmp_path, truth)), str(folder)]) == 2
    for path in caught.value.remedy.removeprefix("name one of them: ").split(" or "):
        assert len(read_results(path, truth)) == (3 if path == str(metric) else 2)


def test_one_form_in_a_folder_is_taken_whatever_its_file_is_called(tmp_path):
    images = make_images([4, 9], ["cat.jpg", "dog.jpg"])
    truth = make_instances(COCO17, images, [], np.zeros((0, 4)), [])
    metric = make_mmpose_folder(tmp_path / "all")
    alone = tmp_path / "alone"
    alone.mkdir()
    metric.rename(alone / metric.name)
    assert len(read_results(tmp_path / "all", truth)) == 2  # of predictions/
    assert len(read_results(alone, truth)) == 3
    # Without records that name their images, it is the poses of an image of that name.
    per_image = tmp_path / "per_image"
    per_image.mkdir()
    (tmp_path / "all" / "predictions" / "cat.json").rename(per_image / "cat.keypoints.json")
    dotted = make_instances(
        COCO17, make_images([1], ["cat.keypoints.jpg"]), [], np.zeros((0, 4)), []
    )
    assert len(read_results(per_image, dotted)) == 1
    # In one folder, both forms are named.
    (alone / "dog.json").write_text((tmp_path / "all" / "predictions" / "dog.json").read_text())
    with pytest.raises(InputError, match=r"results.keypoints.json and in one file per image"):
        read_results(alone, truth)
