"""The drawn example of docs/protocols.md says what the evaluator says."""

import re
import runpy
from pathlib import Path

import smallpose

HOUSE = Path(__file__).parents[2]


def test_the_documented_numbers_are_the_evaluators():
    scene = runpy.run_path(str(HOUSE / "examples" / "protocols.py"))["scene"]
    truth, found = scene()
    result = smallpose.evaluate(truth, found, protocols=("coco", "owned", "recall"))
    rows = re.findall(
        r"\| `(\w+)` \|([^|]+)\|([^|]+)\|([^|]+)\|", (HOUSE / "docs/protocols.md").read_text()
    )
    assert [row[0] for row in rows] == ["coco", "owned", "recall"]
    for protocol, *written in rows:
        names = ("AP_S_sparse", "AP_S_moderate", "AP_S_dense")
        assert [round(result[protocol][n], 2) for n in names] == [float(w) for w in written]
