"""Tests of builds from real files of all five sources, most of whose images are missing."""

import json
import shutil

import numpy as np
import pytest

import smallpose
from smallpose.core.instances import SOURCES
from smallpose.dataset.builder.build import BuildOptions, build_dataset
from smallpose.dataset.verify import check_set

# Each start of a process is a fork.
pytestmark = pytest.mark.usefixtures("warm_executable")


@pytest.fixture
def roots(real, tmp_path):
    """The published layouts, rebuilt where the real files have other names."""
    coco = tmp_path / "coco"
    (coco / "annotations").mkdir(parents=True)
    annotations = coco / "annotations"
    shutil.copyfile(
        real / "coco/annotations/person_keypoints_val2017.subset538.json.gz",
        annotations / "person_keypoints_val2017.json.gz",
    )
    shutil.copyfile(
        real / "coco/coco-mini/annotations/person_keypoints_train2017.json",
        annotations / "person_keypoints_train2017.json",
    )
    # Users may keep their images elsewhere and link the folders.
    (coco / "train2017").symlink_to(real / "coco/coco-mini/train2017")
    (coco / "val2017").symlink_to(real / "coco/coco-mini/val2017")
    return {
        "coco": coco,
        "mpii": real / "mpii",
        "aic": real / "aic",
        "hieve": real / "hieve/derived_layout_example",
        "posetrack": real / "posetrack/posetrack18",
    }


def read_counts(manifest):
    return {n: (s["images_read"], s["people_read"]) for n, s in manifest["sources"].items()}


READ = {
    "coco": (538 + 40, 1354 + 86),
    "mpii": (1367, 1471),
    "aic": (502, 1416),
    "hieve": (1, 4),
    "posetrack": (2, 12),
}


def test_five_real_sources_are_built_without_their_images(roots, tmp_path):
    out = tmp_path / "set"
    manifest = build_dataset(roots, out, BuildOptions(missing_images="keep"))
    assert read_counts(manifest) == READ
    parts = [smallpose.read_coco(out / "annotations" / f"{s}.json") for s in ("train", "test")]
    small = sum(int((p.size_class[p.is_counted] == 0).sum()) for p in parts)
    # COCO's 613 + 44 small people, MPII's and PoseTrack's; AI Challenger has none.
    per_source = {
        SOURCES[s]: sum(
            int(((p.size_class == 0) & p.is_counted & (p.source == s)).sum()) for p in parts
        )
        for s in range(1, 6)
    }
    assert per_source["coco"] == 613 + 44
    assert per_source["aic"] == 0
    assert small == sum(per_source.values())
    densities = np.zeros(3, dtype=int)
    for part in parts:
        of_coco = part.is_counted & (part.source == 1)
        densities += [int((part.density_class[of_coco] == c).sum()) for c in range(3)]
    assert densities.tolist() == [86 + 6, 527 + 38, 0]


def test_real_images_are_built_and_checked(roots, tmp_path):
    out = tmp_path / "set"
    manifest = build_dataset(roots, out, BuildOptions(missing_images="drop"))
    assert read_counts(manifest) == READ
    assert manifest["sources"]["aic"]["images_missing"] == 499
    assert manifest["sources"]["mpii"]["images_missing"] == 1362
    findings, _ = check_set(out, 1)
    assert findings == []
    for name in manifest["pictures"]:
        assert (out / "images" / name).is_file()


def test_real_sources_give_the_same_bytes_twice(roots, tmp_path):
    for name in ("a", "b"):
        build_dataset(roots, tmp_path / name, BuildOptions(missing_images="keep", seed=4))
    for file in ("annotations/train.json", "annotations/test.json", "README.md"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert json.loads((tmp_path / "a/manifest.json").read_text())["synthetic"] is False
