"""Prediction in shards, locally and on Ray, equals that of one process, and resumes."""

import importlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from smallpose import create_method
from smallpose.cli.main import main
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.inference.large_jobs.shards import ShardWorker
from smallpose.io.coco_annotations import write_coco
from smallpose.training.checkpoint import save_model

CROPS, FULL_IMAGE = "simple_baseline_r18_tiny", "cid_hrnet_w8_tiny"
NUM_IMAGES, PER_IMAGE = 11, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder of weights of both kinds, images, their people, and detected boxes."""
    folder = tmp_path_factory.mktemp("shards")
    torch.manual_seed(0)
    for name in (CROPS, FULL_IMAGE):
        method = create_method(name)
        if name == CROPS:
            torch.nn.init.normal_(method.head.final_layer.weight, std=0.3)
        save_model(method, folder / name, method.recipes["quick"])
    rng = np.random.default_rng(0)
    names = [f"{n:02d}.png" for n in range(NUM_IMAGES)]
    (folder / "p").mkdir()
    for name in names:
        cv2.imwrite(str(folder / "p" / name), rng.integers(0, 255, (60, 80, 3), np.uint8))
    images = make_images(range(7, 7 + NUM_IMAGES), names, [80] * NUM_IMAGES, [60] * NUM_IMAGES)
    rows = np.repeat(np.arange(NUM_IMAGES), PER_IMAGE)
    boxes = np.concatenate(
        [rng.uniform(0, 30, (len(rows), 2)), rng.uniform(10, 30, (len(rows), 2))], 1
    )
    people = make_instances(COCO17, images, rows, boxes, np.full((len(rows), 17, 3), 2.0))
    write_coco(people, folder / "truth.json")
    boxes_file = [
        {"image_id": int(7 + row), "bbox": box.tolist(), "score": float(score), "category_id": 1}
        for row, box in zip(rows, boxes, strict=True)
        for score in rng.uniform(0.2, 1, 1 + row % 2)
    ]
    (folder / "boxes.json").write_text(json.dumps(boxes_file))
    return folder


def run_predict(folder: Path, out: Path, method: str, *more) -> int:
    command = ("predict", method, "--weights", folder / method, "--out", out, *more)
    return main([str(word) for word in command])


def data_arguments(folder: Path, *more) -> tuple:
    return ("--data", folder / "truth.json", "--images", folder / "p", *more)


def compare_results(one: Path, other: Path) -> int:
    """Check that two result files are equal; return how many people are in them."""
    a, b = json.loads(one.read_text()), json.loads(other.read_text())
    assert [f["image_id"] for f in a] == [f["image_id"] for f in b]
    for key in ("keypoints", "score", "bbox"):
        # Networks round slightly differently in batches of another size.
        np.testing.assert_allclose([f[key] for f in a], [f[key] for f in b], rtol=1e-4, atol=1e-3)
    return len(a)


@pytest.mark.parametrize(
    "kind", ["annotated boxes", "detected boxes", "full images", "boxes from", "image files"]
)
def test_merged_shards_equal_the_result_of_one_process(folder, tmp_path, kind):
    boxes_by = (
        "--boxes-from",
        FULL_IMAGE,
        "--box-weights",
        folder / FULL_IMAGE,
        "--score-above",
        0,
    )
    method, *arguments = {
        "annotated boxes": (CROPS, *data_arguments(folder)),
        "detected boxes": (CROPS, *data_arguments(folder, "--boxes", folder / "boxes.json")),
        "full images": (FULL_IMAGE, *data_arguments(folder)),
        "boxes from": (CROPS, *data_arguments(folder), *boxes_by, "--max-people", 4),
        "image files": (CROPS, folder / "p"),
    }[kind]
    plain = tmp_path / "plain.json"
    sharded = tmp_path / "sharded.json"
    assert run_predict(folder, plain, method, *arguments) == 0
    shards = ("--shards", tmp_path / "shards", "--shard-images", 4)
    assert run_predict(folder, sharded, method, *arguments, *shards) == 0
    assert len(list((tmp_path / "shards").glob("*.jsonl"))) == 3
    assert compare_results(plain, sharded) > 0
    if kind == "detected boxes":
        assert compare_results(plain, sharded) == NUM_IMAGES * PER_IMAGE  # duplicates are dropped
    if kind == "image files":
        images = json.loads((tmp_path / "sharded.images.json").read_text())["images"]
        plain_images = json.loads((tmp_path / "plain.images.json").read_text())["images"]
        assert images == plain_images and (images[0]["width"], images[0]["height"]) == (80, 60)


def test_finished_shards_are_kept_and_missing_ones_are_processed(folder, tmp_path, capsys):
    arguments = data_arguments(folder, "--shards", tmp_path / "s", "--shard-images", 4)
    assert run_predict(folder, tmp_path / "first.json", CROPS, *arguments) == 0
    kept, lost = (tmp_path / "s" / f"found-{n:06d}.jsonl" for n in (1, 2))
    head, person, *rest = kept.read_text().splitlines()
    kept.write_text("\n".join([head, person.replace('"score":', '"score":7e3,"was":'), *rest]))
    lost.unlink()
    (tmp_path / "s" / ".found-000002.jsonl.x.part").write_text("half of")
    assert run_predict(folder, tmp_path / "resumed.json", CROPS, *arguments) == 0
    assert "2 of 3 shards exist already" in capsys.readouterr().err
    first, resumed = (
        json.loads((tmp_path / f"{n}.json").read_text()) for n in ("first", "resumed")
    )
    changed = resumed[4 * PER_IMAGE]
    assert changed["score"] == 7000 and changed.pop("was") == first[4 * PER_IMAGE]["score"]
    changed["score"] = first[4 * PER_IMAGE]["score"]
    assert resumed == first


def test_shards_of_another_job_are_refused(folder, tmp_path, capsys):
    arguments = ("--shards", tmp_path / "s", "--shard-images", 4)
    assert run_predict(folder, tmp_path / "f.json", CROPS, *data_arguments(folder), *arguments) == 0
    others = {
        "options": (CROPS, *data_arguments(folder, "--no-flip-test"), *arguments),
        "method": (FULL_IMAGE, *data_arguments(folder), *arguments),
        "per_shard": (CROPS, *data_arguments(folder), *arguments[:2], "--shard-images", 5),
        "images": (CROPS, folder / "p" / "00.png", *arguments),
        "pictures and boxes": (
            CROPS,
            *data_arguments(folder, "--boxes", folder / "boxes.json"),
            *arguments,
        ),
    }
    for name, (method, *command) in others.items():
        capsys.readouterr()
        assert run_predict(folder, tmp_path / "g.json", method, *command) == 2
        assert f"another job, whose {name} differ" in capsys.readouterr().err
    # Larger batches and another limit of unreadable images are no other job.
    more = ("--batch-size", 5, "--max-unreadable", 0.5)
    assert (
        run_predict(folder, tmp_path / "g.json", CROPS, *data_arguments(folder, *more), *arguments)
        == 0
    )


def test_the_job_file_of_an_older_version_is_read(folder, tmp_path):
    arguments = data_arguments(folder, "--shards", tmp_path / "s", "--score-rule")
    new_rule = (*arguments, "box_times_confident_mean")
    assert run_predict(folder, tmp_path / "f.json", CROPS, *new_rule) == 0
    path = tmp_path / "s" / "job.json"
    text = path.read_text()
    for new, old in (
        ("oks_threshold", "nms_above"),
        ("max_unreadable", "most_bad"),
        ("max_people", "most"),
        ("score_threshold", "score_above"),
        ("box_times_confident_mean", "box_times_sure"),
    ):
        assert f'"{new}"' in text
        text = text.replace(f'"{new}"', f'"{old}"')
    path.write_text(text)
    assert run_predict(folder, tmp_path / "f.json", CROPS, *new_rule) == 0
    assert run_predict(folder, tmp_path / "f.json", CROPS, *arguments, "box_times_mean") == 2


def test_jobs_share_the_shards_and_the_last_one_merges(folder, tmp_path, capsys):
    assert run_predict(folder, tmp_path / "plain.json", CROPS, *data_arguments(folder)) == 0
    out = tmp_path / "found.json"
    arguments = (*data_arguments(folder), "--shards", tmp_path / "s", "--shard-images", 2)
    for number, missing in (
        (3, "5 of 6 shards are"),
        (1, "3 of 6 shards are"),
        (2, "1 of 6 shards is"),
    ):
        assert run_predict(folder, out, CROPS, *arguments, "--part", f"{number}/4") == 0
        assert f"{missing} left to other jobs" in capsys.readouterr().out
        assert not out.exists()
    assert run_predict(folder, out, CROPS, *arguments, "--part", "4/4") == 0
    assert compare_results(tmp_path / "plain.json", out) == NUM_IMAGES * PER_IMAGE
    for text in ("0/4", "5/4", "4", "a/b", "-1/2"):
        assert run_predict(folder, out, CROPS, *arguments, f"--part={text}") == 2
    assert run_predict(folder, out, CROPS, *data_arguments(folder), "--part", "1/2") == 2


def test_jobs_that_share_the_shards_at_the_same_time_write_a_result(folder, tmp_path):
    """The other job does its part after this one listed existing shards, and before it ends."""
    assert run_predict(folder, tmp_path / "plain.json", CROPS, *data_arguments(folder)) == 0
    out = tmp_path / "found.json"
    arguments = (*data_arguments(folder), "--shards", tmp_path / "s", "--shard-images", 2)
    process_shard = ShardWorker.process_shard

    def process_other_part(self: ShardWorker, shard: int) -> Any:
        ShardWorker.process_shard = process_shard
        assert run_predict(folder, out, CROPS, *arguments, "--part", "2/2") == 0
        assert not out.exists()
        return process_shard(self, shard)

    ShardWorker.process_shard = process_other_part
    try:
        assert run_predict(folder, out, CROPS, *arguments, "--part", "1/2") == 0
    finally:
        ShardWorker.process_shard = process_shard
    assert compare_results(tmp_path / "plain.json", out) == NUM_IMAGES * PER_IMAGE


def test_a_refused_image_counts_as_unreadable(folder, tmp_path, capsys):
    arguments = copy_with_broken_images(folder, tmp_path / "p", ())
    (tmp_path / "p" / "03.png").write_bytes(b"8BPS" + bytes(50))
    for n, more in enumerate(((), ("--shards", tmp_path / "s"))):
        out = tmp_path / f"{n}.json"
        assert run_predict(folder, out, CROPS, *arguments, *more, "--max-unreadable", 0.1) == 0
        assert "03.png: images of format PSD are not opened" in capsys.readouterr().err
        seen = {f["image_id"] for f in json.loads(out.read_text())}
        assert seen == set(range(7, 7 + NUM_IMAGES)) - {10}
    assert run_predict(folder, tmp_path / "f.json", CROPS, *arguments) == 3
    assert "1 of 11 images cannot be read" in capsys.readouterr().err


def copy_with_broken_images(source: Path, folder: Path, broken: tuple[int, ...]) -> tuple:
    """Return the arguments for a copy of the images, some of which are truncated."""
    folder.mkdir()
    for n, path in enumerate(sorted((source / "p").iterdir())):
        data = path.read_bytes()
        (folder / path.name).write_bytes(data[:900] if n in broken else data)
    return ("--data", source / "truth.json", "--images", folder)


@pytest.mark.parametrize("method", [CROPS, FULL_IMAGE])
def test_unreadable_images_are_reported_and_the_others_processed(folder, tmp_path, capsys, method):
    arguments = copy_with_broken_images(folder, tmp_path / "p", (1, 5, 6))
    plain = tmp_path / "plain.json"
    sharded = tmp_path / "sharded.json"
    assert run_predict(folder, plain, method, *arguments, "--max-unreadable", 0.5) == 0
    shards = ("--shards", tmp_path / "s", "--shard-images", 4)
    capsys.readouterr()
    # Two are more than a tenth: the job stops and keeps the shards it finished.
    assert run_predict(folder, sharded, method, *arguments, *shards, "--max-unreadable", 0.1) == 2
    message = capsys.readouterr().err
    assert "3 of 11 images cannot be read, more than 10.0%" in message and "06.png" in message
    assert not sharded.exists() and len(list((tmp_path / "s").glob("*.jsonl"))) == 2
    assert run_predict(folder, sharded, method, *arguments, *shards, "--max-unreadable", 0.5) == 0
    compare_results(plain, sharded)
    seen = {f["image_id"] for f in json.loads(sharded.read_text())}
    assert seen == set(range(7, 7 + NUM_IMAGES)) - {8, 12, 13} or method == FULL_IMAGE


@pytest.fixture
def ray_ends():
    yield
    importlib.import_module("ray").shutdown()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(find_spec("ray") is None, reason="ray is optional: pip install '.[ray]'")
@pytest.mark.filterwarnings("ignore")  # Ray's own
@pytest.mark.usefixtures("ray_ends")
def test_actors_of_ray_predict_what_one_process_predicts(folder, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("RAY_worker_niceness", "0")  # otherwise other processes have priority
    arguments = copy_with_broken_images(folder, tmp_path / "p", (5,))
    more = ("--max-unreadable", 0.2, "--device", "cpu")
    assert run_predict(folder, tmp_path / "plain.json", CROPS, *arguments, *more) == 0
    ray = ("--backend", "ray", "--shard-images", 4, "--actors", 2)
    assert run_predict(folder, tmp_path / "ray.json", CROPS, *arguments, *more, *ray) == 0
    assert "not predicted: " in capfd.readouterr().err
    assert (
        compare_results(tmp_path / "plain.json", tmp_path / "ray.json")
        == (NUM_IMAGES - 1) * PER_IMAGE
    )
    # Missing shards are processed, and an error in an actor is raised here.
    for number in (0, 2):
        (tmp_path / "ray.shards" / f"found-{number:06d}.jsonl").unlink()
    cv2.imwrite(str(tmp_path / "p" / "09.png"), np.zeros((9, 9, 3), np.uint8))
    assert run_predict(folder, tmp_path / "ray.json", CROPS, *arguments, *more, *ray) == 2
    status = capfd.readouterr().err
    assert "1 of 3 shards exists already" in status and "09.png: the image is 9 × 9" in status
