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
    with pytest.raises(InputError, match="no such breakdown"):
        build_breakdowns(["colour"], dataset.truth, dataset.predictions, result, {})
