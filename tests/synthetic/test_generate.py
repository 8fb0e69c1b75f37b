"""The complete synthetic data set: same bytes, atomic writes, groups, videos, mix of sizes."""

import hashlib
import json

import cv2
import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.sizes import classify_sizes
from smallpose.synthetic import generate, make_synthetic_dataset
from smallpose.synthetic.labels.annotators import annotate_people
from smallpose.synthetic.plan import SIZES, plan_jobs
from smallpose.synthetic.rendering.raster import use_one_thread
from smallpose.synthetic.scenes.layout import PROFILES, plan_scene
from smallpose.synthetic.scenes.render import render_scene


def hashes(root):
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


@pytest.mark.slow
def test_two_processes_write_the_same_bytes_as_one(speck, tmp_path):
    make_synthetic_dataset(tmp_path / "again", "speck", seed=5, workers=2)
    assert hashes(tmp_path / "again") == hashes(speck)


def test_another_seed_gives_another_data_set():
    a, b = (plan_jobs("tiny", seed) for seed in (0, 1))
    assert len(a) == len(b) and all(u.seed != w.seed for u, w in zip(a, b, strict=True))


def test_truth_and_exact_have_the_same_people(truth, exact):
    assert list(truth) == list(exact)
    for name, image in truth.items():
        mine, other = image["people"], exact[name]["people"]
        assert [p["id"] for p in mine] == [p["id"] for p in other]
        assert [p["iscrowd"] for p in mine] == [p["iscrowd"] for p in other]


def test_labels_lie_near_the_rendered_joints(truth, exact):
    off = []
    for name, image in truth.items():
        for mine, other in zip(image["people"], exact[name]["people"], strict=True):
            a, b = (np.reshape(p["keypoints"], (21, 3)) for p in (mine, other))
            both = (a[:, 2] > 0) & (b[:, 2] > 0)
            off += (np.linalg.norm(a - b, axis=1)[both] / np.sqrt(mine["area"] or 1)).tolist()
    assert np.median(off) < 0.06


def test_annotations_are_plain_coco_with_ids_from_one(truth):
    people = [p for i in truth.values() for p in i["people"]]
    assert [p["id"] for p in people] == list(range(1, len(people) + 1))
    for p in people:
        x, y, w, h = p["bbox"]
        assert p["area"] == w * h and len(p["keypoints"]) == 63 and p["category_id"] == 1
        assert p["num_keypoints"] == sum(v > 0 for v in p["keypoints"][2::3])
        assert ("segmentation_area" in p) == (p["source"] == "coco")
    for image in truth.values():
        for p in image["people"]:
            x, y, w, h = p["bbox"]
            assert x >= 0 and y >= 0
            assert x + w <= image["width"] + 1e-3 and y + h <= image["height"] + 1e-3


def test_every_image_lies_where_its_name_says(speck, truth):
    for name, image in truth.items():
        if image["source"] in ("coco", "mpii", "posetrack"):
            pixels = cv2.imread(str(speck / name))
            assert pixels.shape[:2] == (image["height"], image["width"])


def test_videos_decode_to_as_many_frames_as_are_labelled(speck, truth):
    for clip in (1, 2, 3):
        (path,) = (speck / "hieve/HIE20/videos/train").glob(f"{clip}.*")
        reader = cv2.VideoCapture(str(path))
        frames = 0
        while reader.read()[0]:
            frames += 1
        labelled = [i for i in truth.values() if i.get("group") == str(clip)]
        assert frames == len(labelled) == 5


def test_some_videos_stand_in_both_mpii_and_posetrack(truth):
    groups = {
        s: {i["group"] for i in truth.values() if i["source"] == s} for s in ("mpii", "posetrack")
    }
    assert groups["mpii"] & groups["posetrack"]
    assert groups["mpii"] - groups["posetrack"]


def test_a_folder_that_is_not_empty_is_refused_and_kept(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not empty"):
        make_synthetic_dataset(tmp_path, "tiny")
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_an_unknown_size_is_an_error_that_names_the_known_ones(tmp_path):
    with pytest.raises(InputError, match="tiny, small, bench"):
        make_synthetic_dataset(tmp_path / "dataset", "huge")


def test_a_run_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(generate, "run_jobs", fail)
    with pytest.raises(KeyboardInterrupt):
        make_synthetic_dataset(tmp_path / "dataset", "tiny")
    assert list(tmp_path.iterdir()) == []


def test_the_plans_hold_the_images_and_shares_they_promise():
    for size, stills in (("tiny", 60), ("small", 2000), ("bench", 20_000)):
        units = [u for u in plan_jobs(size, 0) if u.source != "hieve" and u.split != "test"]
        assert sum(u.count for u in units) == pytest.approx(stills, rel=0.05)
        coco = sum(u.count for u in units if u.source == "coco")
        assert coco / stills == pytest.approx(0.45, abs=0.01)
        pools = {u.plates[0] for u in units if u.split == "train" and u.kind != "shared"}
        if size != "tiny":
            assert pools.isdisjoint(u.plates[0] for u in units if u.split == "val" and u.kind == "")
    assert SIZES["bench"].clips == 19


def test_the_sizes_of_people_are_near_the_papers_mix(monkeypatch):
    from smallpose.synthetic.scenes import render

    grey = np.full((1040, 1152, 3), 128, np.uint8)
    monkeypatch.setattr(render, "paint_background", lambda *_: grey)
    areas = []
    with use_one_thread():
        for source, images in (("coco", 36), ("aic", 16), ("mpii", 12), ("posetrack", 16)):
            for k in range(images):
                rng = np.random.default_rng([23, k, len(source)])
                scene = plan_scene(PROFILES[source], "train", ("train", 8), rng)
                people = annotate_people(render_scene(scene), source, rng)
                areas += [p.box_xywh[2] * p.box_xywh[3] for p in people if p.keypoints.any()]
    share = np.bincount(classify_sizes(areas), minlength=3) / len(areas)
    assert share == pytest.approx([0.53, 0.38, 0.09], abs=0.12)


def test_the_truth_is_json_that_any_reader_takes(speck):
    content = json.loads((speck / "truth.json").read_text())
    assert set(content) == {"info", "images", "annotations", "categories"}
    assert {i["source"] for i in content["images"]} == {"coco", "mpii", "aic", "hieve", "posetrack"}
