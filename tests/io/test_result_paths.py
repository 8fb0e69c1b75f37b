"""Python and the commands take the same folders of results and labels."""

import json
import shutil
from pathlib import Path

import pytest

import smallpose
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.io.result_folders import name_result_file
from smallpose.io.result_paths import find_label_path, find_result_path
from smallpose.report.inputs.result_files import describe_result_file

LABEL = "0 0.5 0.5 0.2 0.4 " + "0.5 0.5 0.9 " * 17 + "0.8\n"
IMAGES = ("a", "b")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Make labels of two images, a built set and a file of results, and go to their folder."""
    monkeypatch.chdir(tmp_path)
    points = [value for j in range(17) for value in (10.0 + 3 * j, 20.0 + 2 * j, 2)]
    images = [
        {"id": i, "file_name": f"{name}.jpg", "width": 100, "height": 100}
        for i, name in enumerate(IMAGES, 1)
    ]
    person = {"category_id": 1, "keypoints": points, "bbox": [5, 15, 60, 60]}
    more = {"num_keypoints": 17, "area": 3000, "iscrowd": 0}
    people = [person | more | {"id": i, "image_id": i} for i in (1, 2)]
    category = {"id": 1, "name": "person", "keypoints": list(COCO17.joints)}
    labels = json.dumps({"images": images, "categories": [category], "annotations": people})
    Path("truth.json").write_text(labels)
    Path("set/annotations").mkdir(parents=True)
    Path("set/annotations/test.json").write_text(labels)
    results = [person | {"image_id": i, "score": 0.5} for i in (1, 2)]
    Path("results.json").write_text(json.dumps(results))
    return tmp_path


def make_run(folder: str) -> None:
    Path(folder).mkdir(parents=True)
    shutil.copy("results.json", f"{folder}/found.json")


def make_ultralytics(folder: str) -> None:
    Path(folder, "labels").mkdir(parents=True)
    for name in IMAGES:
        Path(folder, "labels", f"{name}.txt").write_text(LABEL)


def make_mmpose(folder: str) -> None:
    Path(folder, "predictions").mkdir(parents=True)
    pose = {"keypoints": [[10 + j, 20 + j] for j in range(17)], "keypoint_scores": [0.9] * 17}
    pose |= {"bbox": [[5, 15, 65, 75]], "bbox_score": 0.9}
    for name in IMAGES:
        Path(folder, "predictions", f"{name}.json").write_text(json.dumps([pose]))


def read(path: str) -> smallpose.Predictions:
    return smallpose.read_results(path, smallpose.read_coco("truth.json"))


@pytest.mark.parametrize("make", [make_run, make_ultralytics, make_mmpose])
def test_read_results_takes_the_folders_that_evaluate_takes(folder, make, capsys):
    make("out/model")
    assert len(read("out/model")) == 2
    assert capsys.readouterr().err == ""
    # The folder above, and which one was taken.
    assert len(read("out")) == 2
    assert capsys.readouterr().err == "out: the results are those in out/model\n"


def test_a_folder_with_one_file_of_results_means_that_file(folder, capsys):
    Path("out").mkdir()
    shutil.copy("results.json", "out/model_a.json")
    Path("out/settings.json").write_text('{"model": "a"}')
    assert len(read("out")) == 2
    assert "out/model_a.json" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["results.json", "results.jsonl"])
def test_files_of_two_models_are_not_scored_as_one(folder, name):
    """They were read as MMPose's: a file per image, each with the detections of all images."""
    Path("out").mkdir()
    for model in ("a", "b"):
        shutil.copy("results.json", f"out/{model}_{name}")
    with pytest.raises(InputError) as refused:
        read("out")
    message = f"out: has results in 2 places; pass one of them: out/a_{name}, out/b_{name}"
    assert str(refused.value) == message


@pytest.mark.parametrize("others", [(make_ultralytics,), (make_mmpose, make_ultralytics)])
def test_a_folder_with_results_of_several_kinds_is_refused(folder, others):
    make_run("out")
    for make in others:
        make("out")
    with pytest.raises(InputError, match=r"out: has results in \d places; pass one of them: out/"):
        read("out")


@pytest.mark.parametrize("make", [make_ultralytics, make_mmpose])
@pytest.mark.parametrize("below", ["", "/run"])
def test_a_file_of_results_beside_those_of_a_tool_or_a_run_is_not_passed_over(folder, make, below):
    """The file was left aside without a word, and other numbers came out."""
    make(f"out{below}")
    shutil.copy("results.json", "out/predictions.json")
    Path("out/boxes.json").write_text('[{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]')
    with pytest.raises(InputError) as refused:
        read("out")
    assert "has results in 2 places; pass one of them: out/" in str(refused.value)
    assert "out/predictions.json" in str(refused.value)


def test_many_candidates_are_counted(folder):
    for i in range(9):
        make_run(f"runs/{i}")
    with pytest.raises(InputError, match=r"9 places; pass one of them: runs/0, .*/5 and 3 more$"):
        read("runs")


def test_read_coco_takes_a_built_set(folder):
    assert len(smallpose.read_coco("set")) == 2
    make_run("run")
    with pytest.raises(InputError, match="is the folder of a run and has no labels"):
        smallpose.read_coco("run")


@pytest.mark.parametrize(
    ("contents", "num_people"),
    [
        ({"a": [], "b": [1, 2]}, None),  # the first file was what told
        ({"a": [1], "b": [1, 2]}, None),
        ({"A": [1], "B": [1]}, None),  # two models on the one image of a set
        ({"A": [1]}, 1),
        ({"A": []}, 0),
        ({"b": [2]}, 1),
        ({"a": [1], "b": [2]}, 2),  # a file per image, which names it
        ({"a": [], "b": []}, 0),
    ],
)
def test_lists_with_the_ids_of_images_are_told_from_those_of_one_image(
    folder, contents, num_people
):
    person = json.loads(Path("results.json").read_text())[0]
    Path("out").mkdir()
    for name, ids in contents.items():
        records = [person | {"image_id": image} for image in ids]
        Path("out", f"{name}.json").write_text(json.dumps(records))
    if num_people is not None:
        assert len(read("out")) == num_people
        return
    with pytest.raises(InputError, match=r"out: has results in 2 places; pass one of them: out/"):
        read("out")


@pytest.mark.parametrize("name", ["found.images.json", "found.environment.json"])
def test_what_predict_writes_beside_its_results_is_named_as_such(tmp_path, name):
    (tmp_path / name).write_text('{"images": []}')
    assert find_result_path(tmp_path / name) == tmp_path / name  # it may be anything
    (tmp_path / "found.json").write_text("[]")
    with pytest.raises(InputError, match=r"has no results; pass the results: .*found\.json"):
        find_result_path(tmp_path / name)
    with pytest.raises(InputError, match="has no labels; give the ground truth first"):
        find_label_path(tmp_path / name)
    if name == "found.images.json":
        assert find_label_path(tmp_path / name, allow_frames=True) == tmp_path / name


def test_results_are_named_with_their_folder_where_their_own_name_is_usual(tmp_path):
    """A report called one result `yolo`, another `labels`, and two `predictions.json`."""
    labels = tmp_path / "yolo" / "labels"
    labels.mkdir(parents=True)
    (labels / "a.txt").write_text("0 .5 .5 .2 .2" + " .5 .5 1" * 17 + " .9\n")
    (tmp_path / "mmpose" / "predictions").mkdir(parents=True)
    names = {
        labels.parent: "yolo/labels",
        labels: "yolo/labels",
        tmp_path / "mmpose" / "predictions": "mmpose/predictions",
        tmp_path / "b" / "predictions.json.gz": "b/predictions.json.gz",
        tmp_path / "b" / "hrnet.json": "hrnet.json",
    }
    assert {path: name_result_file(path) for path in names} == names


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("det", "det/coco_instances_results.json"),
        ("det/coco_instances_results.json", "coco_instances_results.json"),
        ("mm", "mm/predictions"),
        ("mm/predictions", "mm/predictions"),
        ("run", "run/labels"),
        ("results.json", "results.json"),
    ],
)
def test_results_are_named_by_what_is_read_and_not_by_the_folder_that_was_given(
    folder, given, read
):
    """The page of a report named the folder `det`, and had no hash of the file in it."""
    Path("det").mkdir()
    shutil.copy("results.json", "det/coco_instances_results.json")
    make_mmpose("mm")
    make_ultralytics("run")
    results = find_result_path(Path(given))
    assert name_result_file(results) == read
    truth = smallpose.read_coco("truth.json")
    run = describe_result_file(
        results, "a", smallpose.read_results(results, truth), Path("truth.json")
    )
    assert run.file_facts["file"] == read
    assert ("sha256" in run.file_facts) == read.endswith(".json")


@pytest.mark.parametrize("form", ["file_name", "number", "name"])
def test_the_file_of_a_run_of_ultralytics_is_taken_where_it_has_what_the_labels_have(
    folder, form, capsys
):
    make_ultralytics("out")
    records = json.loads(Path("results.json").read_text())
    named = {"file_name": {"file_name": "{}.jpg"}, "number": {}, "name": {"image_id": "{}"}}[form]
    for name, record in zip(IMAGES, records, strict=True):
        record |= {key: value.format(name) for key, value in named.items()}
    if form == "number":
        for number, name in enumerate(IMAGES, 1):
            Path(f"out/labels/{name}.txt").rename(f"out/labels/{number:012d}.txt")
    results = Path("out/predictions.json")
    results.write_text(json.dumps(records))
    assert find_result_path(Path("out")) == results
    expected = "out: the results are those in out/predictions.json, as in out/labels\n"
    assert capsys.readouterr().err == expected
    results.write_text(json.dumps([*records, records[0]]))  # of another run
    with pytest.raises(InputError, match="has results in 2 places"):
        find_result_path(Path("out"))


def test_label_folders_further_below_are_named(folder):
    """Ultralytics writes runs/pose/predict/labels, and runs was given."""
    make_ultralytics("runs/pose/predict")
    with pytest.raises(InputError, match="results in 1 place further below") as refusal:
        find_result_path(Path("runs"))
    assert str(refusal.value).endswith("pass one: runs/pose/predict/labels")
