"""Figures of one evaluation show its numbers, and gaps for classes without people."""

import numpy as np
import pytest

from smallpose.core.instances import make_images, make_instances
from smallpose.core.interval import Interval
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.analysis.binned_ap import Bin
from smallpose.evaluation.evaluate import evaluate
from smallpose.report.figures.evaluation import (
    CLASSES,
    draw_ap_along_scale,
    draw_class_bars,
    save_figures,
)


@pytest.fixture(scope="module")
def result():
    rng = np.random.default_rng(0)
    n = 40
    boxes = np.concatenate([rng.random((n, 2)) * 100, np.full((n, 2), 60.0)], axis=1)
    keypoints = rng.random((n, 17, 3)) * 60
    keypoints[:, :, 2] = 2
    images = make_images(range(1, n + 1), [f"{i}.jpg" for i in range(n)])
    truth = make_instances(COCO17, images, np.arange(n), boxes, keypoints)
    noise = rng.normal(0, 4, keypoints.shape)
    predictions = make_predictions(COCO17, images.ids, keypoints + noise, rng.random(n), boxes)
    return evaluate(truth, predictions, protocols=("coco", "owned"), intervals=50)


def test_bars_have_the_height_of_the_numbers_and_empty_classes_are_gaps(result):
    axes = draw_class_bars(result).axes[0]
    bars = {c.get_label(): [b.get_height() for b in c] for c in axes.containers}
    for protocol in ("coco", "owned"):
        for height, (key, *_) in zip(bars[protocol], CLASSES, strict=True):
            value = result[protocol][key]
            if value is None:
                assert np.isnan(height)
            else:
                assert height == pytest.approx(100 * value)
    assert sum(t.get_text() == "n/a" for t in axes.texts) == 2 * sum(
        result["coco"][key] is None for key, *_ in CLASSES
    )


def test_bins_are_drawn_over_their_range_and_empty_ones_are_left_out():
    bins = [
        Bin(0.1, 0.3, 0.2, 5, 0.25, Interval(0.25, 0.1, 0.4)),
        Bin(0.3, 0.6, 0.5, 0, None),
        Bin(0.6, 0.9, 0.7, 5, 0.75, None),
    ]
    axes = draw_ap_along_scale("density", bins).axes[0]
    (line,) = [x for x in axes.lines if len(x.get_xdata()) == 2 and x.get_alpha() == 0.5]
    assert list(line.get_xdata()) == pytest.approx([0.2, 0.7])
    assert list(line.get_ydata()) == pytest.approx([25, 75])


def test_the_same_evaluation_gives_the_same_bytes(result, tmp_path):
    bins = {"height": [Bin(10, 40, 20, 3, 0.5, None)], "density": []}
    for name in ("a", "b"):
        save_figures(result, bins, tmp_path / name)
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert files == [
        f"ap_{n}.{kind}" for n in ("along_height", "by_class") for kind in ("png", "svg")
    ]
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
