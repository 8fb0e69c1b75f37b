"""Run folders with damaged files: `zoo` and `report` end in one line."""

import json
import shutil
from pathlib import Path

import pytest
from commands import check_mutants, fuzz_counts, run_checked
from mutations import iterate_json_mutants

SCORES = {"AP": 0.5, "AP50": 0.75, "AP_S": 0.25, "AP_M": 0.5, "AP_L": None, "AR": 0.5}
RESULT = {
    "method": "simple_baseline_r18_tiny",
    "setting": "B",
    "recipe": {"name": "quick", "learning_rate": 0.001, "epochs": 6, "augment": {"flip": 0.5}},
    "seed": 0,
    "parameters": 2_814_485,
    "steps": 60,
    "epochs": 6.0,
    "seconds": 83.0,
    "data": "set",
    "subset": None,
    "weights": {"file": "model.safetensors", "sha256": "0" * 64},
    "environment": {"torch": "2.9", "device": "cpu"},
    "evaluation": {
        "protocols": {"coco": SCORES, "owned": SCORES, "recall": SCORES},
        "intervals": {"coco": {"AP": [0.25, 0.75]}},
        "people": {"all": 10, "small": 4},
        "settings": {"max_detections": 20, "oks_area": "file", "size_limits": [1.0, 2.0]},
        "notes": ["a note"],
    },
    "B17": {"protocols": {"coco": SCORES}},
}
LOG = [
    {"step": 1, "epoch": 1, "loss": 0.5},
    {"step": 2, "epoch": 1, "loss": 0.25, "AP": 0.5},
    {"step": 3, "epoch": 2, "loss": 0.25, "learning_rate": 0.001, "note": "text"},
]
CARD = {"format": 1, "method": "simple_baseline_r18_tiny", "setting": "B", "seed": 0}


@pytest.fixture
def run(tmp_path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(RESULT))
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LOG))
    (folder / "model.json").write_text(json.dumps(CARD))
    (folder / "found.json").write_text("[]")
    return folder


@fuzz_counts(100, 5000)
def test_a_damaged_result_is_refused_by_zoo_in_one_line(count, run, tmp_path, capsys):
    out = tmp_path / "out"

    def read(text: bytes) -> int:
        (run / "result.json").write_bytes(text)
        code = run_checked(["zoo", run, "--out", out], out, capsys)
        shutil.rmtree(out, ignore_errors=True)
        return code

    assert read(json.dumps(RESULT).encode()) == 0
    assert check_mutants(iterate_json_mutants(RESULT, 1, count), read)[2] > count / 10


@fuzz_counts(2, 400)
@pytest.mark.usefixtures("unrendered_figures")
@pytest.mark.parametrize("name", ["result.json", "log.jsonl", "model.json"])
def test_a_damaged_file_of_a_run_is_refused_by_report_in_one_line(
    name, count, run, tmp_path, capsys
):
    out = tmp_path / "out"
    sound = {"result.json": RESULT, "log.jsonl": LOG, "model.json": CARD}[name]

    def read(text: bytes) -> int:
        if name == "log.jsonl" and text.startswith(b"["):
            text = text[1:-1].replace(b"}, {", b"}\n{") + b"\n"
        (run / name).write_bytes(text)
        code = run_checked(["report", run, "--out", out], out, capsys)
        shutil.rmtree(out, ignore_errors=True)
        return code

    assert read(json.dumps(sound).encode()) == 0
    check_mutants(iterate_json_mutants(sound, 2, count), read)
