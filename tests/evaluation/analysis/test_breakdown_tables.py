"""Every breakdown is data for JSON and text for the terminal."""

import json

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
