"""`build --leaks`: what is planted is found, told, and on request put on one side."""

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
from smallpose.dataset.duplicates import near_duplicates
from smallpose.dataset.duplicates.image_alignment import DuplicatePair
from smallpose.dataset.duplicates.leaks import (
    balance_leaking_images,
    find_leaking_pairs,
    move_leaking_images,
)
from smallpose.dataset.duplicates.near_duplicates import find_near_duplicates
from smallpose.dataset.verify import check_set
from smallpose.io.coco_annotations import read_coco
from smallpose.report.images.leak_sheet import draw_leak_pairs
from smallpose.sources.source import ImageFile, Source

SIDE = (320, 240)


def drawn(seed: int) -> np.ndarray:
    """A picture unlike any other."""
    rng = np.random.default_rng(seed)
    canvas = np.full((SIDE[1], SIDE[0], 3), rng.integers(60, 190), np.uint8)
    for _ in range(40):
        x, y, w, h = (int(v) for v in rng.integers(4, (320, 240, 70, 60)))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        angle = float(rng.uniform(0, 180))
        cv2.fillPoly(canvas, [cv2.boxPoints(((x, y), (w, h), angle)).astype(np.int32)], colour)
    return canvas


ALTERED = {
    "recompressed": lambda p: cv2.imdecode(
        cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 1
    ),
    "mirrored": lambda p: p[:, ::-1],
    "cropped": lambda p: p[20:225, 15:300],
    "scaled": lambda p: cv2.resize(p, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA),
}


def source(name: str, root: Path, pictures: list[np.ndarray], splits, groups=None) -> Source:
    """A small person in each picture."""
    names = [f"{name}/{i:03d}.png" for i in range(len(pictures))]
    for file_name, picture in zip(names, pictures, strict=True):
        (root / file_name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / file_name), picture)
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
    """COCO with its own split; MPII, whose videos of two frames hold altered copies of COCO's."""
    root = tmp_path_factory.mktemp("leaks")
    coco = [drawn(seed) for seed in range(40)]
    mpii, copies = [], {}
    for number in range(30):
        if number % 2 == 0 and number < 24:
            how = list(ALTERED)[number // 2 % 4]
            mpii.append(ALTERED[how](coco[number]))
            copies[f"mpii/{number:03d}.png"] = f"coco/{number:03d}.png"
        else:
            mpii.append(drawn(1000 + number))
    made = {
        "coco": source("coco", root, coco, [("train", "test")[i % 4 == 0] for i in range(40)]),
        "mpii": source("mpii", root, mpii, [""] * 30, [f"v{i // 2}" for i in range(30)]),
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


def side_of(folder: Path) -> dict[str, str]:
    parts = {s: read_coco(folder / "annotations" / f"{s}.json") for s in ("train", "test")}
    return {n: s for s, part in parts.items() for n in part.images.file_names}


def test_every_planted_copy_is_found_and_nothing_else(build, planted):
    copies = planted[2]
    found = json.loads((build() / "leaks.json").read_text())
    pairs = {(p["second"], p["first"]) for p in found["pairs"]} | {
        (p["first"], p["second"]) for p in found["pairs"]
    }
    assert {p for p in pairs if p[0].startswith("mpii")} == set(copies.items())
    assert len(found["pairs"]) == len(copies)


def test_a_report_names_the_leaks_and_changes_nothing(build):
    off, told = build("off", leaks="off"), build("told")
    for name in ("train", "test"):
        file = f"annotations/{name}.json"
        assert (off / file).read_bytes() == (told / file).read_bytes()
    side = side_of(told)
    found = json.loads((told / "leaks.json").read_text())
    for pair in found["pairs"]:
        sides = [side[pair["first"]], side[pair["second"]]]
        assert pair["sides"] == sides
        assert pair["leak"] == (sides[0] != sides[1])
    counts = json.loads((told / "manifest.json").read_text())["leaks"]
    leaks = sum(p["leak"] for p in found["pairs"])
    assert leaks > 0
    assert (counts["leaks"], counts["leaks_left"], counts["moved_to_test"]) == (leaks, leaks, 0)
    card = (told / "README.md").read_text()
    assert f"{leaks:,} of the pairs stood on both sides" in card
    assert "Nobody looked" in (off / "README.md").read_text()
    assert not (off / "leaks.json").exists()
    assert check_set(told, 1)[0] == []


@pytest.mark.parametrize("split", ["grouped", "paper"])
def test_moving_removes_leaks_and_keeps_videos_and_official_test_sets_together(
    build, planted, split
):
    _, made, _ = planted
    before, after = (
        side_of(build(how, leaks=how, split=split, seed=1)) for how in ("report", "move")
    )
    assert before.keys() == after.keys()
    manifest = json.loads(
        (build("again", leaks="move", split=split, seed=1) / "manifest.json").read_text()
    )["leaks"]
    assert manifest["leaks"] > 0 and manifest["leaks_left"] == 0
    found = json.loads((build("third", leaks="move", split=split) / "leaks.json").read_text())
    assert found["pairs"]
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
    tests = [sum(s == "test" for s in sides.values()) for sides in (before, after)]
    assert abs(tests[0] - tests[1]) <= 10


def test_a_build_that_moves_leaks_is_reproducible(build):
    one, two = (build(n, leaks="move", seed=2, jobs=j) for n, j in (("one", 1), ("two", 4)))
    for name in ("train.json", "test.json"):
        assert (one / "annotations" / name).read_bytes() == (
            two / "annotations" / name
        ).read_bytes()
    for name in ("leaks.json", "README.md", "manifest.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_an_image_that_cannot_be_decoded_is_counted_and_in_no_pair(build, planted):
    root, _, copies = planted
    victim = root / "mpii" / "000.png"
    whole = victim.read_bytes()
    head, packed = whole[:33], whole[whole.index(b"IDAT") :][:200]
    check = struct.pack(">I", zlib.crc32(packed))
    # Its checksums are right and its header and end too; only its pixels end early.
    victim.write_bytes(head + struct.pack(">I", 196) + packed + check + whole[-12:])
    try:
        folder = build()
    finally:
        victim.write_bytes(whole)
    found = json.loads((folder / "leaks.json").read_text())
    assert found["not_looked_at"] == ["mpii/000.png"]
    assert len(found["pairs"]) == len(copies) - 1
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


def pair(first: int, second: int) -> DuplicatePair:
    return DuplicatePair(first, second, False, 0.9, 1.0, False)


@pytest.mark.parametrize("seed", range(20))
def test_the_test_split_keeps_its_size_as_far_as_components_allow(seed):
    """Against trying every way of placing the components that may go to either side."""
    rng = np.random.default_rng(seed)
    m = 40
    sides = tuple(rng.choice(["train", "test"], m).tolist())
    kept = [bool(s == "test" and rng.random() < 0.1) for s in sides]
    pairs = [pair(int(min(a, b)), int(max(a, b))) for a, b in rng.integers(0, m, (22, 2)) if a != b]
    groups = [f"g{i // 3}" if i < 12 else "" for i in range(m)]
    after = balance_leaking_images(sides, pairs, groups, kept, np.random.default_rng(0))
    assert find_leaking_pairs(after, pairs) == []
    assert all(after[n] == "test" for n in range(m) if kept[n] and sides[n] == "test")
    offenders = {
        n
        for n, s in enumerate(sides)
        if move_leaking_images(sides, pairs, groups, "test")[n] != s
        or move_leaking_images(sides, pairs, groups, "train")[n] != s
    }
    assert all(after[n] == sides[n] for n in range(m) if n not in offenders)
    label = list(range(m))
    for _ in range(m):
        for p in pairs:
            label[p.first] = label[p.second] = min(label[p.first], label[p.second])
        for name in set(groups) - {""}:
            of = [n for n in range(m) if groups[n] == name]
            for n in of:
                label[n] = min(label[k] for k in of)
    parts = [[n for n in offenders if label[n] == c] for c in {label[n] for n in offenders}]
    free = [len(p) for p in parts if not any(kept[n] for n in p)]
    rest = sum(sides[n] == "test" for n in range(m) if n not in offenders)
    rest += sum(len(p) for p in parts if any(kept[n] for n in p))
    wanted = sum(s == "test" for s in sides)
    reachable = {rest}
    for size in free:
        reachable |= {r + size for r in reachable}
    best = min(abs(r - wanted) for r in reachable)
    assert abs(sum(s == "test" for s in after) - wanted) == best


def test_an_unknown_leak_mode_is_refused(tmp_path):
    with pytest.raises(InputError, match="choose report, move, off"):
        build_dataset({"coco": tmp_path}, tmp_path / "set", BuildOptions(leaks="hide"))


def test_the_number_of_images_per_part_does_not_change_the_pairs(monkeypatch):
    rng = np.random.default_rng(3)
    pictures = []
    for _ in range(12):
        picture = cv2.resize(rng.integers(0, 256, (24, 32), np.uint8), (320, 240))
        pictures += [picture, picture[20:220, 30:290], picture[:, ::-1]]
    together = find_near_duplicates([np.ascontiguousarray(p) for p in pictures])
    monkeypatch.setattr(near_duplicates, "IMAGES_PER_PART", 5)
    assert find_near_duplicates([np.ascontiguousarray(p) for p in pictures]) == together
    assert len(together) >= 24


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
        cv2.imwrite(str(paths[row]), drawn(seed))
    chosen = {
        split: describe_selection(people, np.array(rows), split)
        for split, rows in (("train", [0, 1, 2]), ("test", [3]))
    }
    official = ["", "", "", "test"]
    rng = np.random.default_rng(0)
    after, _ = find_and_fix_leaks(people, chosen, official, paths, move=True, rng=rng, workers=1)
    assert {s: part.rows.tolist() for s, part in after.items()} == {
        "train": [],
        "test": [0, 1, 2, 3],
    }


def test_a_sheet_of_leaks_requires_a_search(build, tmp_path, capsys):
    words = ["build", str(tmp_path / "s"), "--leaks", "off", "--leaks-sheet", "s.png"]
    assert main(words) == 2
    assert "with --leaks off nobody looks" in capsys.readouterr().err
