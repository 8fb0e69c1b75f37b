"""Prediction in shards, here and on Ray, is that of one process; what is done is not done again."""

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
from smallpose.inference.large_jobs.shards import Worker
from smallpose.io.coco_annotations import write_coco
from smallpose.training.checkpoint import save_model

CROPS, WHOLE = "simple_baseline_r18_tiny", "cid_hrnet_w8_tiny"
PICTURES, EACH = 11, 3


@pytest.fixture(scope="module")
def there(tmp_path_factory) -> Path:
    """Weights of both kinds, pictures, their people, and a detector's boxes, some of them twice."""
    folder = tmp_path_factory.mktemp("shards")
    torch.manual_seed(0)
    for name in (CROPS, WHOLE):
        method = create_method(name)
        if name == CROPS:
            torch.nn.init.normal_(method.head.final_layer.weight, std=0.3)
        save_model(method, folder / name, method.recipes["quick"])
    rng = np.random.default_rng(0)
    names = [f"{n:02d}.png" for n in range(PICTURES)]
    (folder / "p").mkdir()
    for name in names:
        cv2.imwrite(str(folder / "p" / name), rng.integers(0, 255, (60, 80, 3), np.uint8))
    images = make_images(range(7, 7 + PICTURES), names, [80] * PICTURES, [60] * PICTURES)
    rows = np.repeat(np.arange(PICTURES), EACH)
    boxes = np.concatenate(
        [rng.uniform(0, 30, (len(rows), 2)), rng.uniform(10, 30, (len(rows), 2))], 1
    )
    people = make_instances(COCO17, images, rows, boxes, np.full((len(rows), 17, 3), 2.0))
    write_coco(people, folder / "truth.json")
    twice = [
        {"image_id": int(7 + row), "bbox": box.tolist(), "score": float(score), "category_id": 1}
        for row, box in zip(rows, boxes, strict=True)
        for score in rng.uniform(0.2, 1, 1 + row % 2)
    ]
    (folder / "boxes.json").write_text(json.dumps(twice))
    return folder


def call(there: Path, out: Path, method: str, *more) -> int:
    words = ("predict", method, "--weights", there / method, "--out", out, *more)
    return main([str(word) for word in words])


def of_file(there: Path, *more) -> tuple:
    return ("--data", there / "truth.json", "--images", there / "p", *more)


def same_people(one: Path, other: Path) -> int:
    """Holds two result files equal; how many people are in them."""
    a, b = json.loads(one.read_text()), json.loads(other.read_text())
    assert [f["image_id"] for f in a] == [f["image_id"] for f in b]
    for key in ("keypoints", "score", "bbox"):
        # Networks round a little otherwise in batches of another size.
        np.testing.assert_allclose([f[key] for f in a], [f[key] for f in b], rtol=1e-4, atol=1e-3)
    return len(a)


@pytest.mark.parametrize("kind", ["truth's boxes", "a detector's", "whole", "by another", "bare"])
def test_shards_end_to_end_are_what_one_process_writes(there, tmp_path, kind):
    boxes_by = ("--boxes-from", WHOLE, "--box-weights", there / WHOLE, "--score-above", 0)
    method, *how = {
        "truth's boxes": (CROPS, *of_file(there)),
        "a detector's": (CROPS, *of_file(there, "--boxes", there / "boxes.json")),
        "whole": (WHOLE, *of_file(there)),
        "by another": (CROPS, *of_file(there), *boxes_by, "--max-people", 4),
        "bare": (CROPS, there / "p"),
    }[kind]
    plain, sharded = tmp_path / "plain.json", tmp_path / "sharded.json"
    assert call(there, plain, method, *how) == 0
    shards = ("--shards", tmp_path / "shards", "--shard-images", 4)
    assert call(there, sharded, method, *how, *shards) == 0
    assert len(list((tmp_path / "shards").glob("*.jsonl"))) == 3
    assert same_people(plain, sharded) > 0
    if kind == "a detector's":
        assert same_people(plain, sharded) == PICTURES * EACH  # those found twice are one
    if kind == "bare":
        said = json.loads((tmp_path / "sharded.images.json").read_text())["images"]
        plainly = json.loads((tmp_path / "plain.images.json").read_text())["images"]
        assert said == plainly and (said[0]["width"], said[0]["height"]) == (80, 60)


def test_what_is_done_is_kept_and_what_lacks_is_done(there, tmp_path, capsys):
    how = of_file(there, "--shards", tmp_path / "s", "--shard-images", 4)
    assert call(there, tmp_path / "first.json", CROPS, *how) == 0
    kept, lost = (tmp_path / "s" / f"found-{n:06d}.jsonl" for n in (1, 2))
    head, person, *rest = kept.read_text().splitlines()
    kept.write_text("\n".join([head, person.replace('"score":', '"score":7e3,"was":'), *rest]))
    lost.unlink()
    (tmp_path / "s" / ".found-000002.jsonl.x.part").write_text("half of")
    assert call(there, tmp_path / "again.json", CROPS, *how) == 0
    assert "2 of 3 shards are there already" in capsys.readouterr().err
    first, again = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("first", "again"))
    mine = again[4 * EACH]
    assert mine["score"] == 7000 and mine.pop("was") == first[4 * EACH]["score"]
    mine["score"] = first[4 * EACH]["score"]
    assert again == first


def test_shards_of_another_job_are_refused(there, tmp_path, capsys):
    how = ("--shards", tmp_path / "s", "--shard-images", 4)
    assert call(there, tmp_path / "f.json", CROPS, *of_file(there), *how) == 0
    others = {
        "options": (CROPS, *of_file(there, "--no-flip-test"), *how),
        "method": (WHOLE, *of_file(there), *how),
        "per_shard": (CROPS, *of_file(there), *how[:2], "--shard-images", 5),
        "images": (CROPS, there / "p" / "00.png", *how),
        "pictures and boxes": (CROPS, *of_file(there, "--boxes", there / "boxes.json"), *how),
    }
    for name, (method, *words) in others.items():
        capsys.readouterr()
        assert call(there, tmp_path / "g.json", method, *words) == 2
        assert f"another job, whose {name} differ" in capsys.readouterr().err
    # More threads, larger batches and more patience do not make it another.
    more = ("--batch-size", 5, "--max-unreadable", 0.5)
    assert call(there, tmp_path / "g.json", CROPS, *of_file(there, *more), *how) == 0


def test_jobs_share_the_shards_and_the_last_one_merges(there, tmp_path, capsys):
    assert call(there, tmp_path / "plain.json", CROPS, *of_file(there)) == 0
    out = tmp_path / "found.json"
    how = (*of_file(there), "--shards", tmp_path / "s", "--shard-images", 2)
    for number, lack in ((3, 5), (1, 3), (2, 1)):
        assert call(there, out, CROPS, *how, "--part", f"{number}/4") == 0
        assert f"{lack} of 6 shards are left to other jobs" in capsys.readouterr().out
        assert not out.exists()
    assert call(there, out, CROPS, *how, "--part", "4/4") == 0
    assert same_people(tmp_path / "plain.json", out) == PICTURES * EACH
    for text in ("0/4", "5/4", "4", "a/b", "-1/2"):
        assert call(there, out, CROPS, *how, f"--part={text}") == 2
    assert call(there, out, CROPS, *of_file(there), "--part", "1/2") == 2


def test_jobs_that_share_the_shards_at_the_same_time_leave_a_result(there, tmp_path):
    """The other job does its part after this one has looked what is there, and before it ends."""
    assert call(there, tmp_path / "plain.json", CROPS, *of_file(there)) == 0
    out = tmp_path / "found.json"
    how = (*of_file(there), "--shards", tmp_path / "s", "--shard-images", 2)
    work = Worker.work

    def meanwhile(self: Worker, shard: int) -> Any:
        Worker.work = work
        assert call(there, out, CROPS, *how, "--part", "2/2") == 0
        assert not out.exists()
        return work(self, shard)

    Worker.work = meanwhile
    try:
        assert call(there, out, CROPS, *how, "--part", "1/2") == 0
    finally:
        Worker.work = work
    assert same_people(tmp_path / "plain.json", out) == PICTURES * EACH


def test_a_image_that_is_refused_is_one_that_cannot_be_read(there, tmp_path, capsys):
    how = broken(there, tmp_path / "p", ())
    (tmp_path / "p" / "03.png").write_bytes(b"GIF89a" + bytes(50))
    for n, more in enumerate(((), ("--shards", tmp_path / "s"))):
        out = tmp_path / f"{n}.json"
        assert call(there, out, CROPS, *how, *more, "--max-unreadable", 0.1) == 0
        assert "03.png: format GIF not allowed" in capsys.readouterr().err
        seen = {f["image_id"] for f in json.loads(out.read_text())}
        assert seen == set(range(7, 7 + PICTURES)) - {10}
    assert call(there, tmp_path / "f.json", CROPS, *how) == 3
    assert "1 of 11 pictures cannot be read" in capsys.readouterr().err


def broken(there: Path, folder: Path, which: tuple[int, ...]) -> tuple:
    """The same call on pictures some of which are cut off."""
    folder.mkdir()
    for n, path in enumerate(sorted((there / "p").iterdir())):
        data = path.read_bytes()
        (folder / path.name).write_bytes(data[:900] if n in which else data)
    return ("--data", there / "truth.json", "--images", folder)


@pytest.mark.parametrize("method", [CROPS, WHOLE])
def test_images_that_cannot_be_read_are_named_and_the_others_looked_at(
    there, tmp_path, capsys, method
):
    how = broken(there, tmp_path / "p", (1, 5, 6))
    plain, sharded = tmp_path / "plain.json", tmp_path / "sharded.json"
    assert call(there, plain, method, *how, "--max-unreadable", 0.5) == 0
    shards = ("--shards", tmp_path / "s", "--shard-images", 4)
    capsys.readouterr()
    # Two are more than a tenth: stopped, and the shards that were done before are there.
    assert call(there, sharded, method, *how, *shards, "--max-unreadable", 0.1) == 2
    told = capsys.readouterr().err
    assert "3 of 11 pictures cannot be read, more than 10.0%" in told and "06.png" in told
    assert not sharded.exists() and len(list((tmp_path / "s").glob("*.jsonl"))) == 2
    assert call(there, sharded, method, *how, *shards, "--max-unreadable", 0.5) == 0
    same_people(plain, sharded)
    seen = {f["image_id"] for f in json.loads(sharded.read_text())}
    assert seen == set(range(7, 7 + PICTURES)) - {8, 12, 13} or method == WHOLE


@pytest.fixture
def ray_ends():
    yield
    importlib.import_module("ray").shutdown()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    find_spec("ray") is None, reason="ray is optional: pip install 'smallpose[ray]'"
)
@pytest.mark.filterwarnings("ignore")  # Ray's own
@pytest.mark.usefixtures("ray_ends")
def test_actors_of_ray_find_what_one_process_finds(there, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else the rest of the tests go first
    how = broken(there, tmp_path / "p", (5,))
    more = ("--max-unreadable", 0.2, "--device", "cpu")
    assert call(there, tmp_path / "plain.json", CROPS, *how, *more) == 0
    ray = ("--engine", "ray", "--shard-images", 4, "--actors", 2)
    assert call(there, tmp_path / "ray.json", CROPS, *how, *more, *ray) == 0
    assert "not predicted: " in capfd.readouterr().err
    assert same_people(tmp_path / "plain.json", tmp_path / "ray.json") == (PICTURES - 1) * EACH
    # What lacks is done again, and an actor's error comes back as ours.
    for number in (0, 2):
        (tmp_path / "ray.shards" / f"found-{number:06d}.jsonl").unlink()
    cv2.imwrite(str(tmp_path / "p" / "09.png"), np.zeros((9, 9, 3), np.uint8))
    assert call(there, tmp_path / "ray.json", CROPS, *how, *more, *ray) == 2
    said = capfd.readouterr().err
    assert "1 of 3 shards are there already" in said and "09.png: the picture is 9 × 9" in said
