"""CSV, Markdown and LaTeX contain the numbers of the evaluation."""

import csv
import io

from smallpose import evaluate
from smallpose.evaluation.csv_latex import format_csv, format_latex, format_markdown

ALL = ("coco", "owned", "recall")


def test_csv_markdown_and_latex_contain_the_same_numbers(crowded_dataset):
    dataset = crowded_dataset(4, images=24, people=6)
    result = evaluate(dataset.truth, dataset.predictions, protocols=("coco", "owned"), intervals=20)
    rows = list(csv.DictReader(io.StringIO(format_csv(result))))
    for row in rows:
        value = result[row["protocol"]][row["metric"]]
        assert row["value"] == ("" if value is None else repr(value))
    assert {(r["protocol"], r["metric"]) for r in rows} == {
        (p, n) for p in ("coco", "owned") for n in result[p]
    }
    cell = f"{100 * result['coco']['AP']:.1f}"
    assert f"| coco | {cell} (" in format_markdown(result)
    latex = format_latex(result)
    assert rf"coco & {cell} {{\scriptsize (" in latex
    assert latex.count(r"\\") == 4
    assert r"$AP^{S}_{De}$" in latex
