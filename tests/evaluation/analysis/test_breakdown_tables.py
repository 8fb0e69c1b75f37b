"""Every breakdown is data for JSON and text for the terminal."""

import json
import re
from dataclasses import replace

import pytest

from smallpose import evaluate
from smallpose.core.errors import InputError
from smallpose.evaluation.analysis.breakdown_tables import BREAKDOWNS, build_breakdowns

ALL = ("coco", "owned", "recall")


def test_every_breakdown_has_data_for_json_and_text(crowded_dataset):
    dataset = crowded_dataset(4, 21, images=8, people=6)
    result = evaluate(dataset.truth, dataset.predictions, protocols=ALL)
    made = build_breakdowns(
        BREAKDOWNS, dataset.truth, dataset.predictions, result, {"protocols": ALL}, num_resamples=20
    )
    assert list(made) == list(BREAKDOWNS)
    for data, text in made.values():
        json.dumps(data)
        assert text
    captions = {name: " ".join(text.split()) for name, (_, text) in made.items()}
    assert (
        "easy: CrowdIndex below 0.1, medium: below 0.8, hard: from 0.8 on" in captions["crowding"]
    )
    assert "within 0.1 × the longer side of the person's box" in captions["joint"]
    assert "hidden: v = 1, seen: v = 2" in captions["visibility"]
    assert captions["height"].startswith("AP by height of the person's box, px")
    assert "(Eq. 3)" in captions["density"]
    for name in ("joint", "image", "diagnosis"):
        assert "protocol coco, the best 20 detections of an image" in captions[name]
    with pytest.raises(InputError, match="no such breakdown"):
        build_breakdowns(["colour"], dataset.truth, dataset.predictions, result, {})


SCALES = ("height", "density", "densities")


@pytest.mark.parametrize(
    ("images", "is_far", "reason"),
    [
        (8, False, "people in fewer than 10 images or videos"),
        (40, True, "0, or 1, here and in all resamples"),
    ],
)
def test_rows_without_an_interval_have_their_reason_at_the_foot(
    crowded_dataset, images, is_far, reason
):
    dataset = crowded_dataset(4, 21, images=images, people=6)
    predictions = dataset.predictions
    if is_far:
        predictions = replace(predictions, keypoints=predictions.keypoints + 5000)
    result = evaluate(dataset.truth, predictions, protocols=ALL)
    made, plain = (
        build_breakdowns(SCALES, dataset.truth, predictions, result, {"protocols": ALL}, draws)
        for draws in (20, 0)
    )
    for name in SCALES:
        data, text = made[name]
        rows = data
        if name == "densities":
            scales = [bins for axes in data["bins"].values() for bins in axes.values()]
            rows = [*data["classes"], *(one for bins in scales for one in bins)]
        missing = sum(one["ap"] is not None and one["interval"] is None for one in rows)
        counts = re.findall(r"^no interval in (\d+) rows?: (.*)$", text, re.M)
        assert sum(int(count) for count, _ in counts) == missing > 0
        assert name != "height" or reason in {why for _, why in counts}
        assert "no interval" not in plain[name][1]
