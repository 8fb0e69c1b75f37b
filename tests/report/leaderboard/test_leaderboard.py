"""A leaderboard has the scores of `evaluate`, the verdicts of `compare`, and refuses nonsense."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, POSETRACK17
from smallpose.evaluation.analysis.comparison import compare
from smallpose.evaluation.evaluate import evaluate
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.io.coco_results import read_results, write_results

NUM_IMAGES = 40
NOISE = {"fine": 0.02, "coarse": 0.06, "fine too": 0.0201}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write labels of 80 people in 40 images, and a result file per kind of noise."""
    folder = tmp_path_factory.mktemp("leaderboard")
    rng = np.random.default_rng(0)
    n = 2 * NUM_IMAGES
    ids = np.arange(1, NUM_IMAGES + 1)
    files = [f"{i}.jpg" for i in ids]
    images = make_images(ids, files, [640] * NUM_IMAGES, [480] * NUM_IMAGES)
    height = rng.uniform(40, 300, n)
    corner = rng.uniform(0, 1, (n, 2)) * (np.array([640, 480]) - height[:, None] * (0.5, 1))
    boxes = np.concatenate([corner, height[:, None] * (0.5, 1)], axis=1)
    share = rng.uniform(0.05, 0.95, (n, 17, 2))
    xy = corner[:, None] + share * boxes[:, None, 2:]
    keypoints = np.concatenate([xy, np.full((n, 17, 1), 2.0)], axis=2)
    rows = np.repeat(np.arange(NUM_IMAGES), 2)
    truth = make_instances(COCO17, images, rows, boxes, keypoints)
    write_coco(truth, folder / "labels.json")
    for name, noise in NOISE.items():
        noisy = np.random.default_rng(int(1e4 * noise))
        poses = keypoints.copy()
        poses[:, :, :2] += noisy.normal(0, noise, xy.shape) * height[:, None, None]
        results = make_predictions(COCO17, ids[rows], poses, noisy.random(n), boxes)
        write_results(results, folder / f"{name}.json")
    return folder


def add(board: Path, folder: Path, name: str, *options: str, file: str = "") -> int:
    words = [str(folder / "labels.json"), str(folder / (file or f"{name}.json"))]
    return main(["leaderboard", "add", str(board), *words, "--name", name, *options])


@pytest.fixture(scope="module")
def board(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    board = tmp_path_factory.mktemp("boards") / "board"
    speed = ("--ms-per-image", "12.5", "--device", "one core")
    assert add(board, folder, "coarse", "--by", "A <b>", *speed) == 0
    assert add(board, folder, "fine", "--trained-on", "COCO", "--trained-on", "MPII") == 0
    assert add(board, folder, "fine too", "--trained-on", "unknown") == 0
    return board


def read_rows(board: Path) -> dict[str, dict[str, Any]]:
    content = json.loads((board / "board.json").read_text())
    return {row["name"]: row for row in content["rows"]}


def test_scores_and_intervals_are_those_of_evaluate(folder: Path, board: Path):
    truth = read_coco(folder / "labels.json")
    for name, row in read_rows(board).items():
        results = read_results(folder / f"{name}.json", truth)
        expected = evaluate(truth, results, protocols=("coco", "owned"), intervals=1000)
        for protocol in ("coco", "owned"):
            for metric, value in row["scores"][protocol].items():
                assert value == expected[protocol][metric]
                interval = expected.intervals[protocol][metric]
                ends = None if interval is None else [interval.low, interval.high]
                assert row["intervals"][protocol][metric] == ends


def test_differences_and_verdicts_are_those_of_compare(
    folder: Path, board: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["leaderboard", "show", str(board), "--json", "-"]) == 0
    rows = json.loads(capsys.readouterr().out)
    leader, *others = rows
    truth = read_coco(folder / "labels.json")
    results = {row["name"]: read_results(folder / f"{row['name']}.json", truth) for row in rows}
    differences = compare(truth, results, protocols=("coco",)).differences
    of_ap = {one.other: one for one in differences if one.name == "AP"}
    assert leader["verdict"] == "leader"
    assert {row["name"] for row in others} == set(of_ap)
    for row in others:
        expected = of_ap[row["name"]]
        assert row["difference"] == pytest.approx(expected.difference, abs=1e-12)
        assert expected.interval is not None
        ends = [expected.interval.low, expected.interval.high]
        assert row["difference_interval"] == pytest.approx(ends, abs=1e-12)
    verdicts = {row["name"]: row["verdict"] for row in rows}
    assert verdicts["coarse"] == "behind"
    assert sorted(verdicts.values()) == ["behind", "cannot tell", "leader"]
    # Two p-values are corrected here, and all cells of the table there.
    p = sorted(expected.p for expected in of_ap.values() if expected.p is not None)
    assert sorted(row["p"] for row in others) == pytest.approx([2 * p[0], max(2 * p[0], p[1])])


def test_the_page_is_one_file_with_escaped_names_and_what_was_declared(board: Path):
    page = (board / "index.html").read_text()
    assert "A &lt;b&gt;" in page
    assert "A <b>" not in page
    assert not re.search(r"https?:|@import|url\(", page)
    rows = {
        row["name"]: row
        for row in csv.DictReader((board / "leaderboard.csv").read_text().splitlines())
    }
    assert rows["fine"]["trained on"] == "COCO, MPII"
    # No declaration is never shown as clean.
    assert rows["coarse"]["trained on"] == rows["fine too"]["trained on"] == "not declared"
    assert (rows["coarse"]["ms per image"], rows["coarse"]["device"]) == ("12.5", "one core")
    assert (rows["fine"]["ms per image"], rows["fine"]["device"]) == ("", "")


def test_the_order_of_adding_changes_nothing(folder: Path, board: Path, tmp_path: Path):
    for name in ("fine too", "fine", "coarse"):
        assert add(tmp_path / "other", folder, name) == 0
    orders = [
        re.findall(r'<span class="name">([^<]+)', (path / "index.html").read_text())
        for path in (board, tmp_path / "other")
    ]
    assert orders[0] == orders[1]
    assert len(orders[0]) == 3


def write_yolo_labels(folder: Path, name: str) -> None:
    """Write a result file as Ultralytics does, one label file per image, below `NAME/labels`."""
    labels = folder / name / "labels"
    labels.mkdir(parents=True)
    lines: dict[int, list[str]] = {}
    for one in json.loads((folder / f"{name}.json").read_text()):
        xy = np.array(one["keypoints"]).reshape(-1, 3)[:, :2]
        low, size = xy.min(0), np.ptp(xy, axis=0)
        box = np.concatenate([low + size / 2, size]) / (640, 480, 640, 480)
        points = np.column_stack([xy / (640, 480), np.ones(len(xy))])
        numbers = [0, *box.tolist(), *points.ravel().tolist(), one["score"]]
        lines.setdefault(one["image_id"], []).append(" ".join(map(str, numbers)))
    for image, text in lines.items():
        (labels / f"{image}.txt").write_text("\n".join(text) + "\n")


def test_folders_of_label_files_are_told_apart(folder: Path, tmp_path: Path, capsys):
    for name in ("coarse", "fine"):
        write_yolo_labels(folder, name)
        assert add(tmp_path / "board", folder, name, file=f"{name}/labels") == 0
        assert add(tmp_path / "board2", folder, name, file=name) == 0
    for board in ("board", "board2"):
        rows = read_rows(tmp_path / board)
        assert rows["coarse"]["sha256"] != rows["fine"]["sha256"]
    capsys.readouterr()
    assert add(tmp_path / "board", folder, "again", file="fine/labels") == 2
    assert "the same results are on the board as 'fine'" in capsys.readouterr().err


def test_a_row_is_replaced_and_removed(folder: Path, tmp_path: Path):
    board = tmp_path / "board"
    assert add(board, folder, "mine", file="coarse.json") == 0
    assert add(board, folder, "mine", "--replace", file="fine.json") == 0
    assert add(board, folder, "other", file="coarse.json") == 0
    assert main(["leaderboard", "remove", str(board), "--name", "other"]) == 0
    (row,) = read_rows(board).values()
    assert (row["name"], row["file"]) == ("mine", "fine.json")
    assert len(list((board / "draws").iterdir())) == 1


def test_a_board_can_rank_by_small_people(folder: Path, tmp_path: Path):
    board = tmp_path / "board"
    for name in ("coarse", "fine"):
        assert add(board, folder, name, "--rank-by", "AP_S", "--protocol", "owned") == 0
    assert "leads with" in (board / "index.html").read_text()
    assert "fine" in re.findall(r"<h1>(.+?) leads", (board / "index.html").read_text())[0]


Records = list[dict[str, Any]]


def change_each(**values: Any) -> Callable[[Records], Records]:
    return lambda records: [record | values for record in records]


def change_first(**values: Any) -> Callable[[Records], Records]:
    return lambda records: [records[0] | values, *records[1:]]


def map_points(change: Callable[[list[float]], list[float]]) -> Callable[[Records], Records]:
    return lambda records: [r | {"keypoints": change(r["keypoints"])} for r in records]


def scale_to_unit(k: list[float]) -> list[float]:
    return [
        v for x, y, s in zip(k[::3], k[1::3], k[2::3], strict=True) for v in (x / 640, y / 480, s)
    ]


def copy_labels(records: Records, labels: Path) -> Records:
    people = json.loads(labels.read_text())["annotations"]
    return [
        record | {"keypoints": person["keypoints"], "image_id": person["image_id"]}
        for record, person in zip(records, people, strict=True)
    ]


def reorder_joints(k: list[float]) -> list[float]:
    """Return the order of PoseTrack's 17 joints; what COCO has not is at the nose."""
    indices = [COCO17.joints.index(j) if j in COCO17.joints else 0 for j in POSETRACK17.joints]
    return [v for j in indices for v in k[3 * j : 3 * j + 3]]


NONSENSE: dict[str, tuple[Callable[[Records], Any], str]] = {
    "unknown image": (change_first(image_id=9999), "9999"),
    "image of another set": (change_each(image_id=7_000_000), "7000000"),
    "no image": (lambda r: [{k: v for k, v in r[0].items() if k != "image_id"}], "image_id"),
    "score that is no number": (change_first(score=float("nan")), "nan is not a number"),
    "infinite score": (change_first(score=float("inf")), "inf is not"),
    "score as text": (change_first(score="high"), "score"),
    "keypoint that is no number": (
        map_points(lambda k: [float("nan"), *k[1:]]),
        "nan is not a number",
    ),
    "too few joints": (map_points(lambda k: k[:-3]), "48 keypoint values"),
    "too many joints": (map_points(lambda k: [*k, 0.0, 0.0, 0.0]), "54 keypoint values"),
    "joints that differ in number": (
        lambda r: [r[0], r[1] | {"keypoints": r[1]["keypoints"][:-3]}],
        "48 keypoint values",
    ),
    "another category": (change_each(category_id=3), "of other categories"),
    "repeated detections": (lambda r: [*r, *r], "repeat another pose"),
    "repeated poses with other scores": (
        lambda r: [*r, *({**one, "score": 0.01} for one in r)],
        "repeat another pose",
    ),
    "too many in an image": (
        lambda r: [
            r[0] | {"keypoints": [v + n / 1000 for v in r[0]["keypoints"]], "score": n / 101}
            for n in range(101)
        ],
        "101 detections",
    ),
    "nothing": (lambda r: [], "has no detection"),
    "the labels themselves": (copy_labels, "are their labels"),
    "all at zero": (map_points(lambda k: [0.0] * len(k)), "are at 0, 0"),
    "shares of the image": (map_points(scale_to_unit), "between 0 and 1"),
    "pixels of a larger image": (
        map_points(lambda k: [v * 10 + 4000 for v in k]),
        "entirely outside",
    ),
    "joints in the order of another data set": (map_points(reorder_joints), "posetrack17"),
    "one score for all": (change_each(score=1.0), "all 80 scores are 1"),
    "boxes of negative size": (change_first(bbox=[5, 5, -10, 20]), "negative width or height"),
    "box of three numbers": (change_first(bbox=[1, 2, 3]), "bbox has 3 values"),
    "no list": (lambda r: {"results": r}, "has its list of results under the key 'results'"),
    "the file of labels": (
        lambda r: {"images": [], "annotations": r, "categories": []},
        "list",
    ),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_refused_in_one_line_and_changes_nothing(
    kind: str, folder: Path, board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    change, words = NONSENSE[kind]
    records = json.loads((folder / "coarse.json").read_text())
    is_copy = change is copy_labels
    changed = copy_labels(records, folder / "labels.json") if is_copy else change(records)
    (tmp_path / "bad.json").write_text(json.dumps(changed))
    before = {p: p.read_bytes() for p in board.rglob("*") if p.is_file()}
    assert main(
        [
            "leaderboard",
            "add",
            str(board),
            str(folder / "labels.json"),
            str(tmp_path / "bad.json"),
            "--name",
            "bad",
        ]
    ) in (2, 3)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
    assert "; " in error  # a remedy
    assert {p: p.read_bytes() for p in board.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("options", "file", "words"),
    [
        (["--name", "fine"], "coarse.json", "is on the board already"),
        (["--name", "stolen"], "coarse.json", "the same results are on the board as 'coarse'"),
        (["--name", ""], "coarse.json", "has no name"),
        (["--name", "x" * 61], "coarse.json", "is no name"),
        (["--name", "new", "--rank-by", "AP_S"], "coarse.json", "started with AP"),
        (["--name", "new", "--ms-per-image", "3"], "coarse.json", "needs both"),
        (["--name", "new", "--trained-on", "unknown", "--trained-on", "COCO"], "coarse.json", "or"),
        (["--name", "new"], "missing.json", "no such file"),
        (["--name", "new"], "labels.json", "list"),
    ],
)
def test_rows_that_do_not_belong_on_the_board_are_refused(
    options: list[str],
    file: str,
    words: str,
    folder: Path,
    board: Path,
    capsys: pytest.CaptureFixture[str],
):
    before = (board / "board.json").read_bytes()
    files = [str(folder / "labels.json"), str(folder / file)]
    assert main(["leaderboard", "add", str(board), *files, *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
    assert (board / "board.json").read_bytes() == before


def test_another_ground_truth_and_a_folder_that_is_no_board_are_refused(
    folder: Path, board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    labels = json.loads((folder / "labels.json").read_text())
    labels["annotations"][0]["bbox"][2] += 1
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    words = [str(tmp_path / "labels.json"), str(folder / "fine.json"), "--name", "new"]
    assert main(["leaderboard", "add", str(board), *words]) == 2
    assert "is not the ground truth of this board" in capsys.readouterr().err
    words[0] = str(folder / "labels.json")
    assert main(["leaderboard", "add", str(tmp_path), *words]) == 2
    assert "is no leaderboard" in capsys.readouterr().err
    (tmp_path / "left" / "draws").mkdir(parents=True)  # by an `add` that ended on a full disk
    assert main(["leaderboard", "add", str(tmp_path / "left"), *words]) == 0
    assert main(["leaderboard", "show", str(tmp_path / "none")]) == 2
    assert "is no leaderboard yet" in capsys.readouterr().err


def test_predictions_in_place_of_the_labels_are_answered(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = [str(folder / "fine.json"), str(folder / "coarse.json"), "--name", "new"]
    assert main(["leaderboard", "add", str(tmp_path / "board"), *words]) == 2
    assert "holds predictions, not labels" in capsys.readouterr().err
    assert not (tmp_path / "board").exists()


def test_a_board_of_real_files_refuses_those_of_other_images(
    real: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    coco = real / "coco"
    words = [str(coco / "val_subset250" / "val_subset.json.gz")]
    words += [str(coco / "val_subset250" / "detections_C.json.gz"), "--name", "C"]
    assert main(["leaderboard", "add", str(tmp_path / "board"), *words]) == 0
    words[1] = str(coco / "example4" / "example_coco_preds.json")
    words[-1] = "HRNet"
    assert main(["leaderboard", "add", str(tmp_path / "board"), *words]) == 2
    assert "is not in the truth" in capsys.readouterr().err


@pytest.fixture(scope="module")
def own_joints(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same labels and results with joints of which no sigma is known."""
    out = tmp_path_factory.mktemp("own_joints")
    names = [f"corner_{i}" for i in range(17)]
    labels = json.loads((folder / "labels.json").read_text())
    labels["categories"][0] |= {"keypoints": names, "skeleton": []}
    (out / "labels.json").write_text(json.dumps(labels))
    for name in NOISE:
        (out / f"{name}.json").write_text((folder / f"{name}.json").read_text())
    (out / "sigmas.json").write_text(json.dumps([0.05] * 17))
    (out / "others.json").write_text(json.dumps([0.06] * 17))
    return out


def test_a_board_of_own_joints_has_the_sigmas_of_its_first_row(
    own_joints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    board = tmp_path / "board"
    assert add(board, own_joints, "fine") == 2
    assert "no OKS sigma is known" in capsys.readouterr().err and not board.exists()
    assert add(board, own_joints, "fine", "--sigmas", str(own_joints / "sigmas.json")) == 0
    assert add(board, own_joints, "coarse") == 0
    truth = read_coco(own_joints / "labels.json")
    for name, row in read_rows(board).items():
        results = read_results(own_joints / f"{name}.json", truth)
        expected = evaluate(truth, results, protocols=("coco",), sigmas=[0.05] * 17)
        assert row["scores"]["coco"]["AP"] == expected["coco"]["AP"]
    assert "0.05, 0.05" in (board / "index.html").read_text()
    capsys.readouterr()
    others = ("--sigmas", str(own_joints / "others.json"))
    assert add(board, own_joints, "fine too", *others) == 2
    assert "was started with other OKS sigmas" in capsys.readouterr().err
    # Copies of the labels are refused by these sigmas, too.
    truth_as_results = make_predictions(
        truth.skeleton,
        truth.images.ids[truth.image_rows],
        truth.keypoints,
        np.random.default_rng(0).random(len(truth)),
        truth.boxes_xywh,
    )
    write_results(truth_as_results, own_joints / "copied.json")
    assert add(board, own_joints, "copied") == 2
    assert "are their labels" in capsys.readouterr().err


@pytest.mark.parametrize("of_run", [True, False])
def test_a_board_says_which_of_its_sigmas_nobody_measured(
    own_joints: Path, tmp_path: Path, of_run: bool
):
    joints = [f"corner_{i}" for i in range(17)]
    borrowed = {"corner_3": "that of corner_4, its neighbour"}
    content = {"joints": joints, "sigmas": [0.05] * 17, "not_measured": borrowed}
    (own_joints / "borrowed.json").write_text(json.dumps(content))
    run = own_joints / "of borrowed"
    run.mkdir(exist_ok=True)
    (run / "found.json").write_text((own_joints / "fine.json").read_text())
    (run / "model.json").write_text(json.dumps({"skeleton": content}))
    given = () if of_run else ("--sigmas", str(own_joints / "borrowed.json"))
    board = tmp_path / "board"
    file = "of borrowed/found.json" if of_run else "fine.json"
    assert add(board, own_joints, "fine", *given, file=file) == 0
    assert add(board, own_joints, "coarse") == 0
    assert json.loads((board / "board.json").read_text())["rules"]["not_measured"] == borrowed
    assert "not measured, but borrowed: corner_3" in (board / "index.html").read_text()


def test_the_first_row_of_a_run_brings_the_sigmas_it_was_trained_with(
    own_joints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = own_joints / "run"
    run.mkdir()
    (run / "found.json").write_text((own_joints / "fine.json").read_text())
    joints = [f"corner_{i}" for i in range(17)]
    card = {"skeleton": {"joints": joints[::-1], "sigmas": [0.01 * (i + 1) for i in range(17)]}}
    (run / "model.json").write_text(json.dumps(card))
    assert add(tmp_path / "board", own_joints, "run", file="run/found.json") == 0
    rules = json.loads((tmp_path / "board" / "board.json").read_text())["rules"]
    assert rules["sigmas"] == pytest.approx([0.01 * (17 - i) for i in range(17)])
    assert "trained with" in capsys.readouterr().err
