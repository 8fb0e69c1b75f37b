"""Sheets show everyone's class, rank and caption; nobody is picked by taste."""

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.io.coco_results import read_results
from smallpose.report.images.contact_sheet import (
    Answer,
    build_predictions_sheet,
    build_sample_sheet,
    build_source_sheet,
    draw_sheet,
)
from smallpose.report.images.encode import encode_image, open_image_reader
from smallpose.report.inputs.person_matching import match_people


@pytest.fixture(scope="session")
def read(world):
    return open_image_reader(world.data / "images")


@pytest.fixture(scope="session")
def answers(world):
    out = []
    for name in ("A", "B"):
        found = read_results(world.runs[name] / "found.json", world.test)
        out.append(Answer(name, found, match_people(world.test, found)))
    return out


def test_predictions_run_from_best_to_worst_in_each_class(world, answers, read):
    sheet = build_predictions_sheet(world.test, answers, read)
    assert [row.title for row in sheet.rows][:3] == ["small", "medium", "large"]
    assert sheet.panels == ("truth", "A", "B")
    for row in sheet.rows:
        oks = [float(tile.caption[-1].removeprefix("B ")) for tile in row.tiles]
        assert oks == sorted(oks, reverse=True)


def test_a_tile_says_height_source_and_oks(world, answers, read):
    tile = build_predictions_sheet(world.test, answers[1:], read).rows[0].tiles[0]
    height, source, oks = tile.caption
    assert height.endswith(" px")
    assert source in ("COCO", "MPII", "AI Challenger", "HiEve", "PoseTrack")
    assert oks.startswith("OKS ")
    assert height in tile.alt


def test_truth_and_each_answer_have_a_panel(world, answers, read):
    tile = build_predictions_sheet(world.test, answers, read).rows[0].tiles[0]
    assert tile.picture.shape == (320, 3 * 240 + 2 * 4, 3)


def test_every_source_has_a_row(world, read):
    sheet = build_source_sheet([world.test], read)
    assert [row.title for row in sheet.rows] == [
        "COCO",
        "MPII",
        "AI Challenger",
        "HiEve",
        "PoseTrack",
    ]


def test_samples_grow_along_the_row(world, read):
    for row in build_sample_sheet(world.test, read).rows:
        heights = [int(tile.caption[0].removesuffix(" px")) for tile in row.tiles]
        assert heights == sorted(heights)


def test_a_missing_image_leaves_a_shorter_row(world):
    def nothing(name: str):
        raise InputError(name, "no such file", "fetch it")

    assert all(not row.tiles for row in build_sample_sheet(world.test, nothing).rows)


def test_the_same_sheet_is_the_same_bytes(world, answers, read):
    one, two = (
        encode_image(
            draw_sheet(build_predictions_sheet(world.test, answers, read), width=900), "png"
        )
        for _ in range(2)
    )
    assert one == two


def test_a_painted_sheet_shows_its_tiles(world, read):
    painted = draw_sheet(build_sample_sheet(world.test, read), width=1000)
    assert painted.shape[1] == 1000
    assert painted.dtype == np.uint8
    assert (painted != 255).any(axis=2).mean() > 0.2
