"""A doubt that one command states is stated by every command, beside its verdict and its height.

Each doubt is planted in labels or results of 30 images, and `evaluate`, `compare` with its gate,
`report`, `leaderboard` and `budget` are asked for what they say of them.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation import doubts
from smallpose.evaluation.doubts import DOUBTS, Doubt, is_doubt
from smallpose.io.coco_annotations import write_coco
from smallpose.io.coco_results import write_results
from smallpose.io.result_environment import write_environment
from smallpose.report.page.context import build_notes
from smallpose.report.page.summary import summarize_runs
from smallpose.report.report_data import read_report_data
from smallpose.system.files import hash_file

NUM_IMAGES = 30
PER_IMAGE = 2
Content = dict[str, Any]


def write_files(folder: Path) -> None:
    """Write labels of 60 people of 20 to 250 px, and results `a` and, far poorer, `b`."""
    rng = np.random.default_rng(3)
    n = PER_IMAGE * NUM_IMAGES
    names = [f"{index:b}_photo.jpg" for index in range(NUM_IMAGES)]
    ids = np.arange(1, NUM_IMAGES + 1)
    images = make_images(ids, names, [640] * NUM_IMAGES, [480] * NUM_IMAGES)
    rows = np.repeat(np.arange(NUM_IMAGES), PER_IMAGE)
    height = rng.permutation(np.geomspace(20, 250, n))
    corner = np.stack([320.0 * (np.arange(n) % 2) + 20, rng.uniform(5, 200, n)], axis=1)
    boxes = np.concatenate([corner, height[:, None] * (0.6, 1)], axis=1)
    xy = corner[:, None] + rng.uniform(0.05, 0.95, (n, 17, 2)) * boxes[:, None, 2:]
    keypoints = np.concatenate([xy, np.full((n, 17, 1), 2.0)], axis=2)
    write_coco(make_instances(COCO17, images, rows, boxes, keypoints), folder / "labels.json")
    for name, noise in (("a", 0.6), ("b", 6.0)):
        poses = keypoints.copy()
        poses[:, :, :2] += rng.normal(0, noise, xy.shape)
        own_boxes = boxes + rng.uniform(0.5, 1.5, boxes.shape)
        results = make_predictions(COCO17, ids[rows], poses, rng.uniform(0.3, 1, n), own_boxes)
        write_results(results, folder / f"{name}.json")


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def plant_nothing(folder: Path) -> None:
    """Leave the files as they are."""


def plant_equal_scores(folder: Path) -> None:
    edit(folder / "b.json", lambda results: [one | {"score": 1.0} for one in results])


def plant_repeated_detections(folder: Path) -> None:
    edit(folder / "b.json", lambda results: [*results, *results])


def plant_score_limit(folder: Path) -> None:
    edit(folder / "b.json", lambda results: [one for one in results if one["score"] > 0.5])


def plant_missing_images(folder: Path) -> None:
    names = {one["id"]: one["file_name"] for one in read_images(folder)}
    kept = sorted(names)[: 2 * NUM_IMAGES // 3]
    edit(folder / "b.json", lambda results: [one for one in results if one["image_id"] in kept])
    listed = {"images": [{"id": one, "file_name": names[one]} for one in kept]}
    (folder / "b.images.json").write_text(json.dumps(listed))


def plant_fewer_images(folder: Path) -> None:
    """Leave four images out of `b`, which has the people of `a` in the others, a little worse."""
    noise = np.random.default_rng(5).normal(0, 1.5, (PER_IMAGE * NUM_IMAGES, 17, 3)) * (1, 1, 0)
    worse = [
        one | {"keypoints": (np.reshape(one["keypoints"], (17, 3)) + shift).ravel().tolist()}
        for one, shift in zip(json.loads((folder / "a.json").read_text()), noise, strict=True)
        if one["image_id"] % 7
    ]
    (folder / "b.json").write_text(json.dumps(worse))


def read_images(folder: Path) -> list[Content]:
    images: list[Content] = json.loads((folder / "labels.json").read_text())["images"]
    return images


def name_as_frames(folder: Path) -> None:
    def rename(labels: Content) -> Content:
        for number, image in enumerate(labels["images"]):
            image["file_name"] = f"drone/{6 * number:06d}.jpg"
        return labels

    edit(folder / "labels.json", rename)


def list_frames(folder: Path) -> None:
    """Write `frames.json`, by which all images are frames of one video."""
    frames = [{"video": "drone.mp4", "file_name": one["file_name"]} for one in read_images(folder)]
    (folder / "frames.json").write_text(json.dumps(frames))


def plant_label_boxes(folder: Path) -> None:
    labels = json.loads((folder / "labels.json").read_text())["annotations"]
    boxes = [one["bbox"] for one in labels]
    edit(
        folder / "a.json",
        lambda results: [one | {"bbox": box} for one, box in zip(results, boxes, strict=True)],
    )


def plant_other_ids(folder: Path) -> None:
    """Number the images of `b` in another order."""
    order = np.random.default_rng(0).permutation(NUM_IMAGES) + 1
    edit(
        folder / "b.json",
        lambda results: [one | {"image_id": int(order[one["image_id"] - 1])} for one in results],
    )


def plant_unlabelled_images(folder: Path) -> None:
    labelled = [one["id"] for one in read_images(folder)][: NUM_IMAGES * 3 // 5]

    def remove(labels: Content) -> Content:
        rest = [one for one in labels["annotations"] if one["image_id"] in labelled]
        return labels | {"annotations": rest}

    edit(folder / "labels.json", remove)


def plant_regions(folder: Path) -> None:
    """Write a region to ignore in the place of each person, as sleap-io does."""

    def repeat(labels: Content) -> Content:
        people = labels["annotations"]
        regions = [
            one | {"id": 1000 + one["id"], "iscrowd": 1, "num_keypoints": 0, "keypoints": [0] * 51}
            for one in people
        ]
        return labels | {"annotations": [*people, *regions]}

    edit(folder / "labels.json", repeat)


def plant_trained_images(folder: Path) -> None:
    """Record beside `b` a run whose training labels have two thirds of the images."""
    labels = json.loads((folder / "labels.json").read_text())
    images = labels["images"][: 2 * NUM_IMAGES // 3]
    kept = {one["id"] for one in images}
    people = [one for one in labels["annotations"] if one["image_id"] in kept]
    train = folder / "own" / "annotations" / "train.json"
    train.parent.mkdir(parents=True)
    train.write_text(json.dumps(labels | {"images": images, "annotations": people}))
    sets = [{"name": "own", "labels_sha256": hash_file(train)}]
    (folder / "runs").mkdir()
    (folder / "runs" / "model.json").write_text(json.dumps({"sha256": "1", "trained_on": sets}))
    (folder / "runs" / "options.json").write_text(json.dumps({"data": str(folder / "own")}))
    record = {"run": {"folder": "runs", "weights_sha256": "1"}}
    write_environment(folder / "b.json", {"smallpose": "0.1.0"} | record)


# What is planted, and which doubt it is; frames that are known give no interval instead.
PLANTED: dict[str, tuple[Callable[[Path], None], Doubt | None]] = {
    "equal scores": (plant_equal_scores, doubts.WITHOUT_RANKING),
    "detections written twice": (plant_repeated_detections, doubts.REPEATED_DETECTIONS),
    "a limit on scores": (plant_score_limit, doubts.CUT_SCORES),
    "images not predicted": (plant_missing_images, doubts.MISSING_IMAGES),
    "images that another result has": (plant_fewer_images, doubts.UNPREDICTED_IMAGES),
    "frames by their names": (name_as_frames, doubts.POSSIBLE_FRAMES),
    "boxes of the labels": (plant_label_boxes, doubts.OTHER_BOXES),
    "ids of other images": (plant_other_ids, doubts.WRITTEN_OTHERWISE),
    "images without labels": (plant_unlabelled_images, doubts.WITHOUT_LABELS),
    "images of the training": (plant_trained_images, doubts.TRAINED_IMAGES),
    "regions in place of people": (plant_regions, doubts.IGNORED_FALSE_POSITIVES),
}
OF_PAIRS = (
    doubts.OTHER_BOXES,
    doubts.CUT_SCORES,
    doubts.UNPREDICTED_IMAGES,
)  # not known of one result alone
OF_HEIGHTS = (doubts.MISSING_IMAGES, doubts.POSSIBLE_FRAMES, doubts.WRITTEN_OTHERWISE)
# By a leaderboard, with a part of the message.
REFUSED = {
    doubts.WITHOUT_RANKING: "all 60 scores are 1, so that AP depends on the order in the file",
    doubts.REPEATED_DETECTIONS: "60 detections repeat another pose of their image",
    doubts.WRITTEN_OTHERWISE: "results and labels seem to number their images differently",
}
kinds = pytest.mark.parametrize("kind", PLANTED)


def plant(kind: str, folder: Path) -> Doubt:
    write_files(folder)
    change, doubt = PLANTED[kind]
    change(folder)
    assert doubt is not None
    return doubt


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Run a command in the folder of the files; return its code and its output in one line."""
    capsys.readouterr()
    code = main(list(words))
    printed = capsys.readouterr()
    return code, " ".join((printed.out + printed.err).split())


def name_results(doubt: Doubt, *names: str) -> str:
    return doubt.clause.format(names=" and ".join(names))


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_doubt_is_planted_or_of_the_report_alone():
    planted = {doubt for _, doubt in PLANTED.values()}
    assert set(DOUBTS) - planted == {doubts.OTHER_SIGMAS}


@kinds
def test_evaluate_says_it_in_a_note_and_beside_the_height(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    doubt = plant(kind, tmp_path)
    code, text = run(capsys, "evaluate", "labels.json", "b.json", "--intervals", "100")
    assert code == 0
    if doubt not in OF_PAIRS:
        assert doubt.mark in text
    height = text.rpartition("In this file ")[2]
    is_doubted = "(see the notes)" in height
    assert is_doubted == (doubt in OF_HEIGHTS)


@kinds
def test_compare_and_its_gate_say_it_in_the_verdict(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    doubt = plant(kind, tmp_path)
    words = ("compare", "labels.json", "a.json", "b.json", "--intervals", "100")
    _, text = run(capsys, *words, "--max-drop", "AP=.99,AP_S=.99")
    sentence, _, gate = text.rpartition(" verdict: ")
    clause = name_results(doubt, "b")
    assert sentence.endswith(f"; {clause}.")
    assert gate.endswith(f"; {clause}")
    heights = text[text.index(" a: ") : text.index("heights differ in more")]
    assert ("(see the notes)" in heights) == (doubt in OF_HEIGHTS)


@kinds
def test_report_says_it_in_its_first_lines_in_its_table_and_on_the_terminal(
    kind: str, tmp_path: Path
):
    doubt = plant(kind, tmp_path)
    data = read_report_data([tmp_path / f"{name}.json" for name in ("labels", "a", "b")])
    summary = summarize_runs(data, data.scores)
    assert [run.label for run in summary.runs][:1] == ["a"]
    clause = name_results(doubt, "b")
    if doubt is doubts.POSSIBLE_FRAMES:
        clause = "if the images are frames of a video, the intervals here are too narrow"
    assert f"{clause[0].upper()}{clause[1:]}." in " ".join(summary.lines)
    assert summary.table is not None
    verdict = list(summary.table.heads).index("verdict")
    assert "in doubt" in str(summary.table.rows[1][verdict])
    notes = build_notes(data.notes, data.runs, data.scores)
    assert any(doubt.mark in note for note in notes if is_doubt(note))


@kinds
def test_leaderboard_says_it_beside_the_verdict_and_repeats_it(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    doubt = plant(kind, tmp_path)
    add = ("leaderboard", "add", "board", "labels.json")
    code, _ = run(capsys, *add, "a.json", "--name", "a")
    assert code == 0
    code, text = run(capsys, *add, "b.json", "--name", "b")
    if doubt in REFUSED:
        assert code == 2
        assert REFUSED[doubt] in text
        return
    assert code == 0
    _, shown = run(capsys, "leaderboard", "show", "board")
    for one in (text, shown):
        assert "behind (in doubt)" in one
        assert (doubt.mark if doubt is not doubts.OTHER_BOXES else "boxes of the labels") in one
    page = (tmp_path / "board" / "index.html").read_text()
    header = page[: page.index("</header>")]
    assert "; in doubt, see the notes</h1>" in header
    assert '<p class="note">In doubt: ' in header
    _, text = run(capsys, "leaderboard", "show", "board", "--json", "-")
    rows = {row["name"]: row for row in json.loads(text[: text.rindex("]") + 1])}
    assert rows["b"]["doubt"] == name_results(doubt, "b")


@pytest.mark.parametrize("kind", [kind for kind in PLANTED if PLANTED[kind][1] in OF_HEIGHTS])
def test_budget_says_it_beside_the_height_or_names_none(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    plant(kind, tmp_path)
    words = ("--joint", "nose", "--within", "10%height", "--target", "0.5", "--redraws", "100")
    code, text = run(capsys, "budget", "labels.json", "b.json", *words)
    assert code == 0
    answer = text.partition("note:")[0]
    assert "see the notes" in answer or "cannot say" in answer


def test_known_frames_of_one_video_give_no_interval_verdict_or_height(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_files(tmp_path)
    list_frames(tmp_path)
    _, text = run(capsys, "evaluate", "labels.json", "b.json", "--intervals", "100")
    assert "no height can be named" in text
    _, text = run(capsys, "compare", "labels.json", "a.json", "b.json", "--intervals", "100")
    assert "a and b cannot be compared: only 1 group or video has people who" in text
    add = ("leaderboard", "add", "board", "labels.json")
    run(capsys, *add, "a.json", "--name", "a")
    _, text = run(capsys, *add, "b.json", "--name", "b")
    assert "too few images" in text
    assert "intervals resample 1 video instead of 30 images" in text
    assert "behind" not in text
    words = ("--joint", "nose", "--within", "10%height", "--target", "0.5", "--redraws", "100")
    _, text = run(capsys, "budget", "labels.json", "b.json", *words)
    assert "cannot say" in text


def test_a_board_that_resamples_images_refuses_frames_of_a_video(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """And one that resamples videos does so for results without `frames.json`."""
    write_files(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "b.json").rename(tmp_path / "other" / "b.json")
    add = ("leaderboard", "add")
    run(capsys, *add, "images", "labels.json", "other/b.json", "--name", "b")
    list_frames(tmp_path)
    code, text = run(capsys, *add, "images", "labels.json", "a.json", "--name", "a")
    assert code == 2
    assert "frames.json: says that images are frames of one video" in text
    run(capsys, *add, "videos", "labels.json", "a.json", "--name", "a")
    code, text = run(capsys, *add, "videos", "labels.json", "other/b.json", "--name", "b")
    assert code == 0
    assert "too few images" in text


def test_without_a_doubt_nothing_is_doubted(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_files(tmp_path)
    _, text = run(capsys, "evaluate", "labels.json", "b.json", "--intervals", "100")
    assert "see the notes" not in text
    words = ("compare", "labels.json", "a.json", "b.json", "--intervals", "100")
    _, text = run(capsys, *words, "--max-drop", "AP=.5")
    assert "see the notes" not in text
    assert "a is better than b by " in text
    data = read_report_data([tmp_path / f"{name}.json" for name in ("labels", "a", "b")])
    summary = summarize_runs(data, data.scores)
    assert "see the notes" not in " ".join(summary.lines)
    assert summary.table is not None
    assert "in doubt" not in summary.table.to_text()
    for name in ("a", "b"):
        add = ("leaderboard", "add", "board", "labels.json", f"{name}.json", "--name", name)
        _, text = run(capsys, *add)
        assert "in doubt" not in text
    assert "behind" in text


@pytest.mark.parametrize("is_limited", [True, False])
def test_the_record_beside_results_decides_whether_scores_had_a_limit(
    is_limited: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    plant("a limit on scores", tmp_path)
    limit = {"--min-score": {"score": 0.5, "left_out": 20, "detections": 60}}
    record = {"smallpose": "0.1.0"} | ({"score_limits": limit} if is_limited else {})
    write_environment(tmp_path / "b.json", record)
    told = "b was written with a limit on scores (--min-score 0.5 left out 20 of 60 detections)"
    texts = [run(capsys, "compare", "labels.json", "a.json", "b.json", "--intervals", "100")[1]]
    for name in ("a", "b"):
        add = ("leaderboard", "add", "board", "labels.json", f"{name}.json", "--name", name)
        board = run(capsys, *add)[1]
    texts.append(board)
    data = read_report_data([tmp_path / f"{name}.json" for name in ("labels", "a", "b")])
    lines = summarize_runs(data, data.scores).lines
    texts.append(" ".join([*build_notes(data.notes, data.runs, data.scores), *lines]))
    for text in texts:
        assert (told in text) == is_limited
        assert ("limit on scores" in text) == is_limited


def test_check_says_that_all_scores_are_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    plant("equal scores", tmp_path)
    for words in ((), ("--truth", "labels.json")):
        code, text = run(capsys, "check", "b.json", *words)
        assert code == 0
        assert text.count("all 60 scores are 1, so that AP depends on the order in the file") == 1
    _, text = run(capsys, "check", "a.json", "--truth", "labels.json")
    assert "scores are" not in text


def test_equal_scores_are_no_doubt_where_every_order_gives_the_same_ap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_files(tmp_path)

    def copy(labels: Content) -> list[Content]:
        return [
            {key: one[key] for key in ("image_id", "keypoints", "bbox", "category_id")}
            | {"score": 1.0}
            for one in labels["annotations"]
        ]

    labels = json.loads((tmp_path / "labels.json").read_text())
    (tmp_path / "copy.json").write_text(json.dumps(copy(labels)))
    _, text = run(capsys, "evaluate", "labels.json", "copy.json")
    assert "scores are 1" not in text
