"""Photographs of LSP-extended become a source of one's own, by the script of the benchmark."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from smallpose.cli.main import main
from smallpose.io.coco_annotations import read_coco

BENCH = Path(__file__).resolve().parents[2] / "bench" / "real_people.py"


@pytest.fixture(scope="module")
def lsp(real):
    return real / "other" / "lspet400"


@pytest.fixture(scope="module")
def source(lsp, tmp_path_factory):
    spec = importlib.util.spec_from_file_location("bench_real_people", BENCH)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    folder = tmp_path_factory.mktemp("real_people") / "lspet"
    bench.write_source(lsp, folder)
    return folder


def test_joints_are_those_of_the_file_counted_from_zero(lsp, source):
    labels = loadmat(lsp / "joints.mat")["joints"]
    numbers = []
    for part in ("train", "test"):
        people = read_coco(source / f"{part}.json")
        for row in range(len(people)):
            number = int(people.ids[row])
            x, y, is_labelled = labels[:, :, number - 1].T
            points = people.keypoints[row]
            kept = is_labelled > 0
            assert np.array_equal(points[:, 2], 2 * kept)
            assert np.allclose(points[kept, :2], np.stack([x, y], axis=1)[kept] - 1)
            numbers.append(number)
    assert len(set(numbers)) == len(numbers) == 200  # images that the folder has


def test_the_builder_keeps_the_parts_and_all_fourteen_joints(lsp, source, tmp_path):
    command = ["build", str(tmp_path / "set"), "--source", f"lspet={source}", "--leaks", "off"]
    assert main([*command, "--link-root", str(lsp.resolve())]) == 0
    for part in ("train", "test"):
        built = read_coco(tmp_path / "set" / "annotations" / f"{part}.json")
        assert len(built) == len(read_coco(source / f"{part}.json")) > 0
        assert (built.keypoints[:, :, 2] > 0).any(axis=0).sum() == 14
        high = built.boxes_xywh[:, :2] + built.boxes_xywh[:, 2:]
        sizes = np.stack([built.images.width, built.images.height], axis=1)
        assert (built.boxes_xywh[:, :2] >= 0).all()
        assert (high <= sizes[built.image_rows] + 1e-6).all()
