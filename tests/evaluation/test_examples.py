"""The example of docs/protocols.md has the numbers of the evaluator."""

import re
import runpy
from pathlib import Path

import smallpose

ROOT = Path(__file__).parents[2]


def test_the_documented_numbers_equal_the_evaluation():
    make_scene = runpy.run_path(str(ROOT / "examples" / "protocols.py"))["make_scene"]
    truth, predictions = make_scene()
    result = smallpose.evaluate(truth, predictions, protocols=("coco", "owned", "recall"))
    rows = re.findall(
        r"\| `(\w+)` \|([^|]+)\|([^|]+)\|([^|]+)\|", (ROOT / "docs/protocols.md").read_text()
    )
    assert [row[0] for row in rows] == ["coco", "owned", "recall"]
    for protocol, *written in rows:
        names = ("AP_S_sparse", "AP_S_moderate", "AP_S_dense")
        assert [round(result[protocol][n], 2) for n in names] == [float(w) for w in written]
