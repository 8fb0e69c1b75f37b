"""Tests of `build --leaks`: planted near-duplicates are found, reported, and moved on request."""

import json
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCE_SKELETONS, SOURCES, make_images, make_instances
from smallpose.core.skeleton import SKELETONS
from smallpose.dataset.builder import build as build_module
from smallpose.dataset.builder.build import BuildOptions, build_dataset
from smallpose.dataset.builder.leak_step import find_and_fix_leaks
from smallpose.dataset.builder.select_images import describe_selection
from smallpose.dataset.verify import check_set
from smallpose.io.coco_annotations import read_coco
from smallpose.report.images.leak_sheet import draw_leak_pairs
from smallpose.sources.source import ImageFile, Source

WIDTH, HEIGHT = 320, 240


def draw_image(seed: int) -> np.ndarray:
    """Draw an image unlike any other."""
    rng = np.random.default_rng(seed)
    canvas = np.full((HEIGHT, WIDTH, 3), rng.integers(60, 190), np.uint8)
    for _ in range(40):
        x, y, w, h = (int(v) for v in rng.integers(4, (320, 240, 70, 60)))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        angle = float(rng.uniform(0, 180))
        cv2.fillPoly(canvas, [cv2.boxPoints(((x, y), (w, h), angle)).astype(np.int32)], colour)
    return canvas


ALTERATIONS = {
    "recompressed": lambda p: cv2.imdecode(
        cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 1
    ),
    "mirrored": lambda p: p[:, ::-1],
    "cropped": lambda p: p[20:225, 15:300],
    "scaled": lambda p: cv2.resize(p, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA),
}


def make_source(name: str, root: Path, images: list[np.ndarray], splits, groups=None) -> Source:
    """Make a source with a small person in each image."""
    names = [f"{name}/{i:03d}.png" for i in range(len(images))]
    for file_name, image in zip(names, images, strict=True):
        (root / file_name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / file_name), image)
    skeleton = SKELETONS[SOURCE_SKELETONS[SOURCES.index(name)]]
    keypoints = np.full((len(names), len(skeleton), 3), 2.0) + np.arange(len(skeleton))[:, None]
    keypoints[:, :, 2] = 2
    code = SOURCES.index(name)
    images = make_images(range(len(names)), names, source=code, source_ids=names, groups=groups)
    boxes = np.tile([2.0, 3.0, 40.0, 60.0], (len(names), 1))
    people = make_instances(skeleton, images, range(len(names)), boxes, keypoints, source=code)
    return Source(name, root, people, tuple(ImageFile(root / n) for n in names), tuple(splits))


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """COCO with its own split; MPII, whose two-frame videos contain altered copies of COCO's."""
    root = tmp_path_factory.mktemp("leaks")
    coco = [draw_image(seed) for seed in range(40)]
    mpii, copies = [], {}
    for number in range(30):
        if number % 2 == 0 and number < 24:
            how = list(ALTERATIONS)[number // 2 % 4]
            mpii.append(ALTERATIONS[how](coco[number]))
            copies[f"mpii/{number:03d}.png"] = f"coco/{number:03d}.png"
        else:
            mpii.append(draw_image(1000 + number))
    made = {
        "coco": make_source("coco", root, coco, [("train", "test")[i % 4 == 0] for i in range(40)]),
        "mpii": make_source("mpii", root, mpii, [""] * 30, [f"v{i // 2}" for i in range(30)]),
    }
    return root, made, copies


@pytest.fixture
def build(planted, monkeypatch, tmp_path):
    """Build the planted sources: options in, folder out."""
    root, made, _ = planted
    readers = {n: (lambda _, n=n: made[n]) for n in made}
    monkeypatch.setattr(build_module, "READERS", readers)

    def run(name: str = "set", **options) -> Path:
        build_dataset(dict.fromkeys(made, root), tmp_path / name, BuildOptions(**options))
        return tmp_path / name

    return run


def read_splits(folder: Path) -> dict[str, str]:
    parts = {s: read_coco(folder / "annotations" / f"{s}.json") for s in ("train", "test")}
    return {n: s for s, part in parts.items() for n in part.images.file_names}


def test_every_planted_copy_is_found_and_nothing_else(build, planted):
    copies = planted[2]
    leaks = json.loads((build() / "leaks.json").read_text())
    pairs = {(p["second"], p["first"]) for p in leaks["pairs"]} | {
        (p["first"], p["second"]) for p in leaks["pairs"]
    }
    assert {p for p in pairs if p[0].startswith("mpii")} == set(copies.items())
    assert len(leaks["pairs"]) == len(copies)


def test_a_report_names_the_leaks_and_changes_nothing(build):
    off, reported = build("off", leaks="off"), build("reported")
    for name in ("train", "test"):
        file = f"annotations/{name}.json"
        assert (off / file).read_bytes() == (reported / file).read_bytes()
    split_of = read_splits(reported)
    leaks = json.loads((reported / "leaks.json").read_text())
    for pair in leaks["pairs"]:
        splits = [split_of[pair["first"]], split_of[pair["second"]]]
        assert pair["sides"] == splits
        assert pair["leak"] == (splits[0] != splits[1])
    counts = json.loads((reported / "manifest.json").read_text())["leaks"]
    num_leaks = sum(p["leak"] for p in leaks["pairs"])
    assert num_leaks > 0
    assert (counts["leaks"], counts["leaks_left"], counts["moved_to_test"]) == (
        num_leaks,
        num_leaks,
        0,
    )
    card = (reported / "README.md").read_text()
    assert f"{num_leaks:,} of the pairs had one image in train and one in test" in card
    assert "Near-duplicates were not searched for" in (off / "README.md").read_text()
    assert not (off / "leaks.json").exists()
    assert check_set(reported, 1)[0] == []


@pytest.mark.parametrize("split", ["grouped", "paper"])
def test_moving_removes_leaks_and_keeps_videos_and_official_test_sets_together(
    build, planted, split
):
    _, made, _ = planted
    before, after = (
        read_splits(build(mode, leaks=mode, split=split, seed=1)) for mode in ("report", "move")
    )
    assert before.keys() == after.keys()
    manifest = json.loads(
        (build("counted", leaks="move", split=split, seed=1) / "manifest.json").read_text()
    )["leaks"]
    assert manifest["leaks"] > 0 and manifest["leaks_left"] == 0
    leaks = json.loads((build("third", leaks="move", split=split) / "leaks.json").read_text())
    assert leaks["pairs"]
    for name, split_of_source in zip(
        made["coco"].people.images.file_names, made["coco"].splits, strict=True
    ):
        if split_of_source == "test":
            assert after[name] == "test"
    for copy, original in planted[2].items():
        assert after[copy] == after[original]
    if split == "grouped":
        for number in range(0, 30, 2):
            assert after[f"mpii/{number:03d}.png"] == after[f"mpii/{number + 1:03d}.png"]
    num_test = [sum(s == "test" for s in splits.values()) for splits in (before, after)]
    assert abs(num_test[0] - num_test[1]) <= 10


def test_a_build_that_moves_leaks_is_reproducible(build):
    one, two = (build(n, leaks="move", seed=2, workers=w) for n, w in (("one", 1), ("two", 4)))
    for name in ("train.json", "test.json"):
        assert (one / "annotations" / name).read_bytes() == (
            two / "annotations" / name
        ).read_bytes()
    for name in ("leaks.json", "README.md", "manifest.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_an_image_that_cannot_be_decoded_is_counted_and_in_no_pair(build, planted):
    root, _, copies = planted
    damaged = root / "mpii" / "000.png"
    content = damaged.read_bytes()
    head, packed = content[:33], content[content.index(b"IDAT") :][:200]
    check = struct.pack(">I", zlib.crc32(packed))
    # Checksums, header and end are correct; only the pixels are incomplete.
    damaged.write_bytes(head + struct.pack(">I", 196) + packed + check + content[-12:])
    try:
        folder = build()
    finally:
        damaged.write_bytes(content)
    leaks = json.loads((folder / "leaks.json").read_text())
    assert leaks["not_looked_at"] == ["mpii/000.png"]
    assert len(leaks["pairs"]) == len(copies) - 1
    assert json.loads((folder / "manifest.json").read_text())["leaks"]["not_looked_at"] == 1


def test_a_sheet_of_pairs_is_drawn_outside_the_data_set(build, planted, tmp_path):
    folder = build()
    draw_leak_pairs(folder, tmp_path / "pairs.png")
    sheet = cv2.imread(str(tmp_path / "pairs.png"))
    original = cv2.imread(str(planted[0] / "coco" / "000.png"))
    small = cv2.resize(original, (300, 225), interpolation=cv2.INTER_AREA)
    match = cv2.matchTemplate(sheet, small, cv2.TM_CCOEFF_NORMED)
    assert match.max() > 0.98
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "annotations",
        "croissant.json",
        "images",
        "index.json",
        "leaks.json",
        "manifest.json",
    ]


def test_an_unknown_leak_mode_is_refused(tmp_path):
    with pytest.raises(InputError, match="choose report, move, off"):
        build_dataset({"coco": tmp_path}, tmp_path / "set", BuildOptions(leaks="hide"))


def test_a_video_is_moved_with_its_frames_that_were_not_compared(tmp_path):
    images = make_images(
        range(4),
        [f"{n}.png" for n in range(4)],
        [320] * 4,
        [240] * 4,
        groups=["v", "v", "v", ""],
    )
    skeleton = SKELETONS["coco17"]
    keypoints = np.full((4, 17, 3), 2.0)
    boxes = np.tile([2.0, 3.0, 40.0, 60.0], (4, 1))
    people = make_instances(skeleton, images, range(4), boxes, keypoints)
    paths = {0: tmp_path / "0.png", 1: tmp_path / "1.png", 3: tmp_path / "3.png"}
    for row, seed in ((0, 5), (1, 6), (3, 5)):
        cv2.imwrite(str(paths[row]), draw_image(seed))
    selections = {
        split: describe_selection(people, np.array(rows), split)
        for split, rows in (("train", [0, 1, 2]), ("test", [3]))
    }
    official = ["", "", "", "test"]
    rng = np.random.default_rng(0)
    after, _ = find_and_fix_leaks(
        people, selections, official, paths, move=True, rng=rng, workers=1
    )
    assert {s: part.rows.tolist() for s, part in after.items()} == {
        "train": [],
        "test": [0, 1, 2, 3],
    }


def test_a_sheet_of_leaks_requires_a_search(build, tmp_path, capsys):
    words = ["build", str(tmp_path / "s"), "--leaks", "off", "--leaks-sheet", "s.png"]
    assert main(words) == 2
    assert "--leaks off" in capsys.readouterr().err
