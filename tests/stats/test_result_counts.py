"""Detections by size: of boxes, or of poses where there are none; never of labels."""

import json

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.stats.result_counts import build_result_table, count_detections

SIDES = np.array([10.0, 100.0, 110.0, 200.0, 250.0])  # of square boxes: three small ones, two not


def make_poses(sides):
    """Make poses whose extent is a square of each side."""
    poses = np.ones((len(sides), 17, 3))
    poses[:, :, :2] = 5
    poses[:, -1, :2] += sides[:, None]
    return poses


@pytest.mark.parametrize("has_boxes", [True, False])
def test_detections_are_counted_by_their_boxes_or_else_by_the_extents_of_poses(has_boxes):
    boxes = np.column_stack([np.zeros((5, 2)), SIDES, SIDES])
    sides = SIDES[::-1] if has_boxes else SIDES  # poses of other sizes than the boxes
    predictions = make_predictions(
        COCO17, [1, 1, 2, 2, 2], make_poses(sides), np.ones(5), boxes if has_boxes else None
    )
    counts = count_detections(predictions)
    assert (counts.small, counts.medium, counts.large) == (3, 1, 1)
    assert (counts.images, counts.detections, counts.has_boxes) == (2, 5, has_boxes)
    assert counts.heights == pytest.approx(np.percentile(SIDES, [5, 50, 95]))
    assert ("of its boxes" in counts.describe_sizes()) == has_boxes
    assert "not of labelled people" in counts.describe_sizes()


def test_detections_of_low_scores_are_left_out_and_named():
    predictions = make_predictions(
        COCO17, [1, 1, 2, 2, 2], make_poses(SIDES), np.array([0.1, 0.5, 0.9, 0.2, 0.3])
    )
    counts = count_detections(predictions, min_score=0.5)
    assert (counts.images, counts.detections, counts.small, counts.large) == (2, 2, 2, 0)
    assert "3 detections below --min-score" in counts.describe_sizes()


def test_results_without_a_detection_have_no_heights():
    none = count_detections(make_predictions(COCO17, [], np.zeros((0, 17, 3)), []))
    assert none.heights == () and none.detections == 0
    assert build_result_table({"none": none}).rows[0][-1] is None


def write_results(path, has_boxes=True):
    """Write results of five people, as COCO has them."""
    poses = make_poses(SIDES).reshape(5, -1).tolist()
    records = [
        {"image_id": 1, "category_id": 1, "keypoints": pose, "score": 0.5}
        | ({"bbox": [0, 0, side, side]} if has_boxes else {})
        for pose, side in zip(poses, SIDES.tolist(), strict=True)
    ]
    path.write_text(json.dumps(records))
    return str(path)


def test_stats_counts_the_people_of_results_by_size(tmp_path, capsys):
    found = write_results(tmp_path / "found.json", has_boxes=False)
    assert main(["stats", found, "--out", str(tmp_path / "out"), "--json", "-"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["found"]["detections"]["small"] == 3
    assert "found: sizes are those of the extents of its poses (it has no boxes)" in err
    assert "| found | 1 | 5 | 3 | 1 | 1 |" in (tmp_path / "out" / "results.md").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["found.json", "truth.json"], "describe labels and results in two calls"),
        (["found.json", "--compare", "real"], "--compare: results are counted by size alone"),
        (["truth.json", "--min-score", "1"], "--min-score: labels have no scores"),
    ],
)
def test_what_is_for_labels_or_for_results_alone_is_refused(words, message, tmp_path, capsys):
    write_results(tmp_path / "found.json")
    (tmp_path / "truth.json").write_text('{"images": [], "annotations": [], "categories": []}')
    paths = [str(tmp_path / word) if word.endswith(".json") else word for word in words]
    assert main(["stats", *paths, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
