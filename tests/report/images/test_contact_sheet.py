"""Contact sheets show people of every class, chosen by rank, with their captions."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import ImageDraw

from smallpose.core.errors import InputError
from smallpose.io.coco_results import read_results
from smallpose.report.images.contact_sheet import (
    build_predictions_sheet,
    build_sample_sheet,
    build_source_sheet,
)
from smallpose.report.images.encode import encode_image, open_image_reader
from smallpose.report.images.sheet_drawing import draw_sheet
from smallpose.report.inputs.person_matching import RunPredictions, match_people


@pytest.fixture(scope="session")
def read(project):
    return open_image_reader(project.data / "images")


@pytest.fixture(scope="session")
def results(project):
    out = []
    for name in ("A", "B"):
        predictions = read_results(project.runs[name] / "found.json", project.test)
        matches = match_people(project.test, predictions)
        out.append(RunPredictions(name, predictions, matches))
    return out


def test_predictions_go_from_best_to_worst_in_each_class(project, results, read):
    sheet = build_predictions_sheet(project.test, results, read)
    assert [row.title for row in sheet.rows][:3] == ["small", "medium", "large"]
    assert sheet.panels == ("ground truth", "A", "B")
    for row in sheet.rows:
        oks = [float(tile.caption[-1].rpartition(" | ")[2]) for tile in row.tiles]
        assert oks == sorted(oks, reverse=True)


def test_a_caption_has_height_source_and_oks(project, results, read):
    tile = build_predictions_sheet(project.test, results[1:], read).rows[0].tiles[0]
    height, source, oks = tile.caption
    assert height.endswith(" px")
    assert source in ("COCO", "MPII", "AI Challenger", "HiEve", "PoseTrack")
    assert oks.startswith("OKS ")
    assert height in tile.alt


def test_captions_of_several_runs_are_in_the_order_of_the_panels(project, results, read):
    """Names of methods with their settings do not fit below a tile; the panels have them."""
    tile = build_predictions_sheet(project.test, results, read).rows[0].tiles[0]
    of_a, of_b = tile.caption[-1].removeprefix("OKS ").split(" | ")
    assert f"OKS A {of_a}, B {of_b}" in tile.alt


def test_ground_truth_and_each_run_have_a_panel(project, results, read):
    tile = build_predictions_sheet(project.test, results, read).rows[0].tiles[0]
    assert tile.image.shape == (320, 3 * 240 + 2 * 4, 3)


def test_every_source_has_a_row(project, read):
    sheet = build_source_sheet([project.test], read)
    assert [row.title for row in sheet.rows] == [
        "COCO",
        "MPII",
        "AI Challenger",
        "HiEve",
        "PoseTrack",
    ]


def test_samples_are_in_order_of_height(project, read):
    for row in build_sample_sheet(project.test, read).rows:
        heights = [int(tile.caption[0].removesuffix(" px")) for tile in row.tiles]
        assert heights == sorted(heights)


def test_ground_truth_is_drawn_with_its_box(project):
    """On a grey image without keypoints the box is all there is."""

    def read(name: str):
        return np.full((480, 640, 3), 128, np.uint8)

    bare = replace(project.test, keypoints=np.zeros_like(project.test.keypoints))
    tile = build_source_sheet([bare], read).rows[0].tiles[0]
    bright = (tile.image.min(axis=2) > 200).sum(axis=0)
    columns = np.flatnonzero(bright > 0.3 * tile.image.shape[0])
    assert len(columns) >= 2 and columns[-1] - columns[0] > 40  # left and right edge


def test_all_captions_of_a_sheet_have_one_size(project, read, monkeypatch):
    sizes = []
    draw = ImageDraw.ImageDraw.text

    def record(self, xy, text, *args, font=None, **options):
        if " px" in text and "  ·  " in text:
            sizes.append(font.size)
        return draw(self, xy, text, *args, font=font, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", record)
    draw_sheet(build_sample_sheet(project.test, read), width=1100)
    assert len(sizes) > 8 and len(set(sizes)) == 1


def test_a_missing_image_leaves_a_shorter_row(project):
    def refuse(name: str):
        raise InputError(name, "no such file", "fetch it")

    assert all(not row.tiles for row in build_sample_sheet(project.test, refuse).rows)


def test_the_same_sheet_gives_the_same_bytes(project, results, read):
    first, second = (
        encode_image(
            draw_sheet(build_predictions_sheet(project.test, results, read), width=900), "png"
        )
        for _ in range(2)
    )
    assert first == second


def test_a_drawn_sheet_shows_its_tiles(project, read):
    image = draw_sheet(build_sample_sheet(project.test, read), width=1000)
    assert image.shape[1] == 1000
    assert image.dtype == np.uint8
    assert (image != 255).any(axis=2).mean() > 0.2


def test_a_png_has_the_pixels_of_the_sheet(read, project):
    image = draw_sheet(build_sample_sheet(project.test, read, 2))
    data = np.frombuffer(encode_image(image, "png"), np.uint8)
    assert np.array_equal(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), image)
