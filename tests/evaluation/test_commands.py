"""The commands `evaluate` and `compare`, from files to text and JSON."""

import json

from smallpose import evaluate
from smallpose.cli.main import main
from smallpose.evaluation.csv_latex import format_csv

ALL = ("coco", "owned", "recall")


def test_evaluate_prints_writes_and_exports(crowded_dataset, tmp_path, capsys):
    dataset = crowded_dataset(4, 21, images=8, people=6)
    gt, dt = tmp_path / "gt.json", tmp_path / "dt.json"
    gt.write_text(json.dumps(dataset.coco))
    dt.write_text(json.dumps(dataset.results))
    out = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "markdown", "latex", "json")}
    flags = [f for kind, path in out.items() for f in (f"--{kind}", str(path))]
    call = ["evaluate", str(gt), str(dt), "--protocol", "coco,owned", "--intervals", "20"]
    assert main([*call, "--breakdown", "source,joint", "--diagnose", *flags]) == 0
    printed = capsys.readouterr().out
    assert "what AP each kind of error costs" in printed
    assert "95 %" in printed
    data = json.loads(out["json"].read_text())
    assert {"protocols", "people", "settings", "intervals", "diagnosis", "joint"} <= set(data)
    complete = evaluate(
        dataset.truth, dataset.predictions, protocols=("coco", "owned"), intervals=20
    )
    assert data["protocols"] == complete.protocols
    assert out["csv"].read_text() == format_csv(complete)
    assert main(["evaluate", str(gt), str(dt), "--json", "-"]) == 0
    everything = json.loads(capsys.readouterr().out)
    assert list(everything["protocols"]) == ["coco", "owned", "recall"]


def test_wrong_input_is_refused_in_one_line(crowded_dataset, tmp_path, capsys):
    dataset = crowded_dataset(4)
    gt, dt = tmp_path / "gt.json", tmp_path / "dt.json"
    gt.write_text(json.dumps(dataset.coco))
    dt.write_text(json.dumps(dataset.results)[:-40])
    for words in (
        ["evaluate", str(gt), str(dt)],
        ["evaluate", str(gt), str(tmp_path / "missing.json")],
        ["evaluate", str(gt), str(gt), "--protocol", "best"],
        ["compare", str(gt), str(dt)],
    ):
        assert main(words) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert len(printed.err.strip().splitlines()) == 1


def test_compare_prints_every_pair_and_names_files_apart(crowded_dataset, tmp_path, capsys):
    dataset = crowded_dataset(4, images=10, people=6)
    gt = tmp_path / "gt.json"
    gt.write_text(json.dumps(dataset.coco))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "found.json").write_text(json.dumps(dataset.results))
    files = [str(tmp_path / f / "found.json") for f in ("one", "two")]
    assert main(["compare", str(gt), *files, "--intervals", "20", "--json", "-"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert list(data["results"]) == ["one", "two"]
    assert len(data["differences"]) == 14
    assert main(["compare", str(gt), files[0], files[0]]) == 2


def test_crowding_is_printed_and_written_from_easy_to_hard(crowded_dataset, tmp_path, capsys):
    dataset = crowded_dataset(4, 21, images=40, people=6)
    gt, dt, out = (tmp_path / name for name in ("gt.json", "dt.json", "out.json"))
    gt.write_text(json.dumps(dataset.coco))
    dt.write_text(json.dumps(dataset.results))
    call = ["evaluate", str(gt), str(dt), "--protocol", "coco", "--breakdown", "crowding"]
    assert main([*call, "--json", str(out)]) == 0
    levels = ["easy", "medium", "hard"]
    assert list(json.loads(out.read_text())["crowding"]) == levels
    printed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.split()]
    assert [word for word in printed if word in levels] == levels
