"""Results of images that the ground truth does not have are refused, or left out and counted."""

import json

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.evaluate import evaluate
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.io.coco_results import read_results
from smallpose.io.coco_results_fast import read_results_fast
from smallpose.io.coco_results_slow import read_results_slow
from smallpose.io.track_records import read_result_tracks

RNG = np.random.default_rng(0)
# All photos, and those of the test set under ids of their own, as `build` numbers them.
PHOTOS = [f"photos/{name}.jpg" for name in ("ant", "bee", "cow", "dog", "elk", "fox")]
TEST_IDS = {"photos/bee.jpg": 1, "photos/elk.jpg": 2, "photos/fox.jpg": 9}
LEFT_OUT = "6 results of 3 images that the labels do not have are left out: "
POSES = RNG.uniform(1, 90, (len(PHOTOS), 2, 17, 3)).round(3)


@pytest.fixture
def truth():
    sizes = [100] * len(TEST_IDS)
    images = make_images([*TEST_IDS.values()], [*TEST_IDS], sizes, sizes)
    return make_instances(COCO17, images, [], np.zeros((0, 4)), [])


def list_records(name_image):
    """Return two results in each photo; `name_image` gives the fields that name the image."""
    return [
        name_image(number, name)
        | {"category_id": 1, "keypoints": pose.ravel().tolist(), "score": 0.5}
        for number, name in enumerate(PHOTOS)
        for pose in POSES[number]
    ]


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def write_ids(folder, truth):
    """Write ids of the truth, and others for further images, which are no names either."""
    return write(
        folder / "ids.json",
        list_records(lambda number, name: {"image_id": TEST_IDS.get(name, 100 + number)}),
    )


def write_names(folder, truth):
    return write(folder / "names.json", list_records(lambda _, name: {"file_name": name}))


def write_stems(folder, truth):
    records = list_records(lambda _, name: {"image_id": name.split("/")[1].removesuffix(".jpg")})
    return write(folder / "stems.json", records)


def write_other_ids(folder, truth):
    """Write what `predict photos` writes: its own numbers, which are ids of other test images."""
    records = list_records(lambda number, name: {"image_id": number + 1, "file_name": name})
    return write(folder / "numbered.json", records)


def write_named_joints(folder, truth):
    content = {
        "keypoint_names": list(COCO17.joints),
        "predictions": list_records(
            lambda number, name: {"image_id": TEST_IDS.get(name, 100 + number)}
        ),
    }
    return write(folder / "joints.json", content)


def write_object(folder, truth):
    content = {
        name: [{"keypoints": pose.ravel().tolist(), "score": 0.5} for pose in POSES[number]]
        for number, name in enumerate(PHOTOS)
    }
    return write(folder / "object.json", content)


def write_openpose(folder, truth):
    (folder / "openpose").mkdir()
    for number, name in enumerate(PHOTOS):
        people = [{"pose_keypoints_2d": pose.ravel().tolist()} for pose in POSES[number]]
        stem = name.split("/")[1].removesuffix(".jpg")
        write(folder / "openpose" / f"{stem}_keypoints.json", {"people": people})
    return folder / "openpose"


def write_yolo(folder, truth):
    (folder / "labels").mkdir()
    for number, name in enumerate(PHOTOS):
        lines = [
            "0 .5 .5 .2 .2 " + " ".join(map(str, (pose / [100, 100, 1]).ravel()))
            for pose in POSES[number]
        ]
        stem = name.split("/")[1].removesuffix(".jpg")
        (folder / "labels" / f"{stem}.txt").write_text("\n".join(lines))
    return folder / "labels"


FORMS = (
    write_ids,
    write_names,
    write_stems,
    write_other_ids,
    write_named_joints,
    write_object,
    write_openpose,
    write_yolo,
)


@pytest.mark.parametrize("write_form", FORMS)
def test_in_every_form_the_results_of_the_labelled_images_are_kept(tmp_path, truth, write_form):
    path = write_form(tmp_path, truth)
    with pytest.raises(InputError, match="--unknown-images drop"):
        read_results(path, truth)
    kept = read_results(path, truth, unknown_images="drop")
    wanted = [(name, pose) for name in TEST_IDS for pose in POSES[PHOTOS.index(name)]]
    assert sorted(kept.image_ids.tolist()) == [1, 1, 2, 2, 9, 9]
    order = np.argsort(kept.image_ids, kind="stable")
    np.testing.assert_allclose(kept.keypoints[order], [pose for _, pose in wanted])
    (note,) = [note for note in kept.notes if "left out" in note]
    assert note.startswith(LEFT_OUT)
    assert note.count(", ") == 2


@pytest.mark.parametrize("write_form", [write_ids, write_named_joints])
def test_the_fast_reader_drops_as_the_slow_one(tmp_path, truth, write_form):
    path = write_form(tmp_path, truth)
    fast = read_results_fast(path, truth, unknown_images="drop")
    slow = read_results_slow(path, truth, unknown_images="drop")
    assert fast is not None
    assert np.array_equal(fast.keypoints, slow.keypoints)
    assert fast.image_ids.tolist() == slow.image_ids.tolist()
    assert fast.notes == slow.notes


def test_a_number_that_is_no_id_but_the_name_of_a_file_is_kept(tmp_path):
    images = make_images([1, 2], ["000785.jpg", "000786.jpg"])
    truth = make_instances(COCO17, images, [], np.zeros((0, 4)), [])
    records = [
        {"image_id": number, "category_id": 1, "keypoints": [1] * 51, "score": 1}
        for number in (785, 786, 787)
    ]
    kept = read_results(write(tmp_path / "r.json", records), truth, unknown_images="drop")
    assert kept.image_ids.tolist() == [1, 2]
    assert kept.notes == (
        "1 result of 1 image that the labels do not have is left out: image_id 787",
    )


def test_results_of_other_images_alone_are_refused_all_the_same(tmp_path, truth):
    for write_form in (write_ids, write_names, write_openpose, write_yolo):
        path = write_form(tmp_path, truth)
        images = make_images([50], ["yak.jpg"], [100], [100])
        other = make_instances(COCO17, images, [], np.zeros((0, 4)), [])
        with pytest.raises(InputError, match="all 12 results are of images that are not in the"):
            read_results(path, other, unknown_images="drop")


@pytest.mark.parametrize("read", [read_results, read_results_slow])
def test_the_id_0_is_named_as_others(tmp_path, truth, read):
    records = list_records(lambda number, name: {"image_id": TEST_IDS.get(name, 0)})
    path = write(tmp_path / "zero.json", records)
    with pytest.raises(InputError, match="image 0 is not in the truth"):
        read(path, truth, path.read_bytes(), "refuse")
    notes = read(path, truth, path.read_bytes(), "drop").notes
    assert notes[0] == "6 results of 1 image that the labels do not have are left out: image_id 0"


def test_results_of_the_same_names_in_another_folder_are_told_so(tmp_path, truth):
    records = [
        {"file_name": f"other/{name[7:]}", "category_id": 1, "keypoints": [1.0] * 51, "score": 0.5}
        for name in PHOTOS
    ]
    (tmp_path / "r.json").write_text(json.dumps(records))
    with pytest.raises(InputError, match=r"in their folders: write the same folders into file_"):
        read_results(tmp_path / "r.json", truth, unknown_images="drop")


def test_a_name_in_another_folder_beside_an_id_is_told_so(tmp_path, truth):
    """Tracked frames of a folder were refused with the advice of `--data`, which tracks refuse."""
    records = [
        {"image_id": int(image_id), "file_name": f"other/{name[7:]}", "category_id": 1}
        | {"keypoints": [1.0] * 51, "score": 0.5}
        for image_id, name in zip(truth.images.ids, truth.images.file_names, strict=True)
    ]
    path = write(tmp_path / "r.json", records)
    with pytest.raises(InputError, match=r"in other folders; write the same folders into file_n"):
        read_results(path, truth)


def test_names_that_fit_several_images_are_refused_all_the_same(tmp_path):
    images = make_images([1, 2], ["a/ant.jpg", "b/ant.jpg"])
    truth = make_instances(COCO17, images, [], np.zeros((0, 4)), [])
    records = list_records(lambda _, name: {"file_name": name.split("/")[1]})
    with pytest.raises(InputError, match="several images are called"):
        read_results(write(tmp_path / "r.json", records), truth, unknown_images="drop")


def write_labels(folder):
    """Write labels of two of six photos, and results of all and of those two."""
    images = [
        {"id": i, "file_name": name, "width": 100, "height": 100}
        for name, i in list(TEST_IDS.items())[:2]
    ]
    people = [
        {
            "id": 2 * image["id"] + index,
            "image_id": image["id"],
            "category_id": 1,
            "keypoints": [value for x, y, _ in pose.tolist() for value in (x, y, 2)],
            "num_keypoints": 17,
            "bbox": [0, 0, 95, 95],
            "area": 9025,
            "iscrowd": 0,
        }
        for image in images
        for index, pose in enumerate(POSES[PHOTOS.index(image["file_name"])])
    ]
    category = {"id": 1, "name": "person", "keypoints": list(COCO17.joints), "skeleton": []}
    truth = {"images": images, "annotations": people, "categories": [category]}
    records = list_records(lambda number, name: {"image_id": number + 1, "file_name": name})
    for record in records:
        record["keypoints"] = (np.array(record["keypoints"]) + RNG.normal(0, 2, 51)).tolist()
    known = {image["file_name"] for image in images}
    ids = {image["file_name"]: image["id"] for image in images}
    ours = [
        record | {"image_id": ids[record["file_name"]]}
        for record in records
        if record["file_name"] in known
    ]
    return (
        write(folder / "truth.json", truth),
        write(folder / "all.json", records),
        write(folder / "ours.json", ours),
    )


def test_scores_are_those_of_the_labelled_images_and_the_note_is_printed(tmp_path, capsys):
    labels, everything, ours = map(str, write_labels(tmp_path))
    assert main(["evaluate", labels, everything]) == 2
    assert "--unknown-images drop" in capsys.readouterr().err
    drop = ["--unknown-images", "drop"]
    assert main(["evaluate", labels, ours, "--json", "-"]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert main(["evaluate", labels, everything, *drop, "--json", "-"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["protocols"] == expected["protocols"]
    (note,) = set(result["notes"]) - set(expected["notes"])
    assert note.startswith("8 results of 4 images that the labels do not have are left out")
    assert main(["evaluate", labels, everything, *drop]) == 0
    assert "8 results of 4 images" in capsys.readouterr().out
    assert main(["compare", labels, ours, everything, *drop, "--intervals", "100"]) == 0
    assert "8 results of 4 images" in capsys.readouterr().out
    board = ["leaderboard", "add", str(tmp_path / "board"), labels, everything, "--name", "A"]
    assert main(board) == 2
    assert main([*board, *drop]) == 0
    assert "8 results of 4 images" in (tmp_path / "board" / "index.html").read_text()


@pytest.mark.usefixtures("unrendered_figures")
def test_the_report_counts_what_was_left_out(tmp_path):
    labels, everything, ours = map(str, write_labels(tmp_path))
    out = tmp_path / "report"
    words = ["report", labels, everything, ours, "--out", str(out)]
    assert main(words) == 2
    assert main([*words, "--unknown-images", "drop"]) == 0
    assert "8 results of 4 images" in (out / "index.html").read_text()


def test_leaving_results_out_keeps_the_other_fields_of_those_that_stay(tmp_path):
    """Identities are read in a pass of their own, and boxes with the poses."""
    truth_path, everything, _ = write_labels(tmp_path)
    truth = read_coco(truth_path)
    records = json.loads(everything.read_text())
    for number, record in enumerate(records):
        record |= {"track_id": f"track {number % 2}", "bbox": [number, 2, 30, 40]}
    path = write(tmp_path / "tracked.json", records)
    kept = read_results(path, truth, unknown_images="drop")
    is_kept = [record["file_name"] in truth.images.file_names for record in records]
    numbers = np.flatnonzero(is_kept)
    assert kept.boxes_xywh[:, 0].tolist() == numbers.tolist()
    assert read_result_tracks(path, truth, kept).tolist() == [0, 1] * (len(numbers) // 2)
    for record in records:
        record["image_id"] = TEST_IDS.get(record["file_name"], 100)
        del record["file_name"]
    path = write(tmp_path / "ids.json", records)
    kept = read_results(path, truth, unknown_images="drop")
    assert read_result_tracks(path, truth, kept).tolist() == [0, 1] * (len(kept) // 2)


def test_the_message_shows_a_name_of_the_labels(tmp_path):
    """CVAT calls frames frame_000000, predict calls them by their video and number."""
    images = make_images([10, 11], ["frame_000000.jpg", "frame_000001.jpg"])
    truth = make_instances(COCO17, images, [], np.zeros((0, 4)), [])
    records = list_records(lambda _, name: {"file_name": "drone/000001.jpg"})
    path = write(tmp_path / "r.json", records)
    own = r"where an image is called 'frame_000001.jpg' \(id 11\); "
    with pytest.raises(InputError, match=f"image 'drone/000001.jpg' is not in the truth, {own}"):
        read_results(path, truth)
    with pytest.raises(InputError, match=rf"\(drone/000001.jpg\), {own}if these are frames of one"):
        read_results(path, truth, unknown_images="drop")
    unnamed = make_instances(COCO17, make_images([7], [""]), [], np.zeros((0, 4)), [])
    with pytest.raises(InputError, match="is not in the truth, where the image is called id 7; "):
        read_results(path, unnamed)
    none = make_instances(COCO17, make_images([], []), [], np.zeros((0, 4)), [])
    with pytest.raises(InputError, match="is not in the truth, which has no images; "):
        read_results(path, none)


def test_detections_of_unknown_ids_are_answered_with_the_ids_that_there_are(truth):
    predictions = make_predictions(COCO17, [77], np.ones((1, 17, 3)), [0.5])
    with pytest.raises(InputError, match="image 77 is not in the truth, whose images have ids fr"):
        evaluate(truth, predictions)


@pytest.mark.parametrize(
    ("labels", "results", "remedy"),
    [
        (
            ["frame_0000.jpg", "frame_0006.jpg", "frame_0012.jpg"],
            [f"drone/{number:06d}.jpg" for number in range(10)],
            "file_name 'drone/000006.jpg' in place of 'frame_0006.jpg' in the labels, as long as "
            "the number is that of the frame in the video in both, from 0 on (ffmpeg numbers from "
            "1, and with fps=1 one frame of each second)",
        ),
        (  # Most labels are of other numbers.
            ["frame_0006.jpg", "frame_0090.jpg", "frame_0120.jpg"],
            [f"drone/{number:06d}.jpg" for number in range(10)],
            "give the labels of these images",
        ),
        (  # Names of several sequences do not tell which frame is meant.
            ["frame_0000.jpg", "frame_0006.jpg"],
            [f"{video}/{number:06d}.jpg" for number in range(10) for video in ("a", "b")],
            "give the labels of these images",
        ),
    ],
)
def test_frames_that_labels_and_results_call_otherwise_are_named(labels, results, remedy, tmp_path):
    images = make_images(range(1, len(labels) + 1), labels)
    truth = make_instances(COCO17, images, [], np.zeros((0, 4)), [])
    records = [
        {
            "image_id": 100 + number,
            "file_name": name,
            "category_id": 1,
            "keypoints": POSES[0, 0].ravel().tolist(),
            "score": 0.5,
        }
        for number, name in enumerate(results)
    ]
    (tmp_path / "found.json").write_text(json.dumps(records))
    with pytest.raises(InputError) as error:
        read_results(tmp_path / "found.json", truth, unknown_images="drop")
    assert remedy in str(error.value)


def test_both_ways_out_of_other_numbers_are_commands_that_work(tmp_path, capsys):
    """Labels of every tenth frame have ids 1 to 10, and results of all frames ids 1 to 100."""
    names = [f"{10 * index:06d}.jpg" for index in range(10)]
    boxes = np.array([[10.0, 10, 60, 80]] * 10)
    points = np.full((10, 17, 3), 2.0)
    points[:, :, :2] = RNG.uniform(10, 70, (10, 17, 2))
    images = make_images(range(1, 11), names, [100] * 10, [100] * 10)
    truth = make_instances(COCO17, images, range(10), boxes, points)
    write_coco(truth, tmp_path / "labels.json")
    frames = [
        {"image_id": frame + 1, "file_name": f"{frame:06d}.jpg", "category_id": 1, "score": 0.5}
        | {"keypoints": points[frame // 10].ravel().tolist()}
        for frame in range(100)
    ]
    words = [str(tmp_path / "labels.json"), str(write(tmp_path / "all.json", frames))]
    assert main(["evaluate", *words]) == 2
    error = capsys.readouterr().err
    assert "--unknown-images drop; ids that predict numbered itself" in error
    assert "smallpose predict METHOD --data TRUTH.json --images DIR --out RESULTS.json" in error
    for verb, more in (("evaluate", ()), ("compare", (words[1] + ".2", "--intervals", "20"))):
        if more:
            write(tmp_path / "all.json.2", frames)
        call = [verb, *words, *more, "--unknown-images", "drop", "--json", "-"]
        assert main(call) == 0
        printed = json.loads(capsys.readouterr().out)
        if verb == "evaluate":
            assert printed["protocols"]["coco"]["AP"] == pytest.approx(1)
    # With the ids of the labels, as `predict --data` writes them.
    own = [one | {"image_id": row + 1} for row, one in enumerate(frames[::10])]
    write(tmp_path / "all.json", own)
    assert main(["evaluate", *words, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["protocols"]["coco"]["AP"] == pytest.approx(1)
