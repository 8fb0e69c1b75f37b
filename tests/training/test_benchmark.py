"""Benchmarks: each run once, failures told, interruptions saved, the same words go on."""

import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace

import pytest

from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.training import benchmark
from smallpose.training.benchmark import Job, claim, plan, run_all
from smallpose.training.signals import Interrupted

FINISH = "import pathlib, sys; pathlib.Path(sys.argv[1], 'result.json').write_text('{}')"
FAIL = "import sys; print('first'); print('no space left while writing'); sys.exit(4)"
WAIT = (
    "import pathlib, signal, sys, time\n"
    "def save(*_):\n"
    "    pathlib.Path(sys.argv[1], 'saved').write_text('x'); sys.exit(143)\n"
    "signal.signal(signal.SIGTERM, save)\n"
    "pathlib.Path(sys.argv[1], 'begun').write_text('x')\n"
    "time.sleep(60)"
)


@pytest.fixture
def jobs(tmp_path):
    return plan(tmp_path / "out", tmp_path / "set", ["m", "n"], ["A", "B"], [0, 1])


def programs(monkeypatch, of):
    """Runs become small programs, chosen by their folder's name."""
    monkeypatch.setattr(
        Job, "command", lambda job, _: [sys.executable, "-c", of(job.folder.name), str(job.folder)]
    )


def test_a_plan_has_every_method_setting_and_seed_once(jobs):
    names = [job.folder.name for job in jobs]
    assert names == [f"{m}-{s}-{k}" for m in "mn" for s in "AB" for k in (0, 1)]


def test_subsets_are_trained_under_setting_b_by_the_method_named_only(tmp_path):
    files = [tmp_path / "subset1.json", tmp_path / "subset2.json"]
    jobs = plan(tmp_path, tmp_path, ["m", "n"], ["A"], [0], subsets=files, subset_methods=["n"])
    on_subsets = [job for job in jobs if job.subset]
    assert [job.folder.name for job in on_subsets] == ["n-subset1-0", "n-subset2-0"]
    assert {job.setting for job in on_subsets} == {"B"}
    assert "--subset" in on_subsets[0].command("cpu")


def test_all_runs_finish_and_a_second_call_begins_none(jobs, monkeypatch):
    programs(monkeypatch, lambda _: FINISH)
    assert run_all(jobs, ["cpu", "cpu"]) == []
    assert all(job.finished for job in jobs)
    begun = []
    assert run_all(jobs, ["cpu"], lambda job, what: begun.append(what)) == []
    assert begun == []


def test_a_run_that_fails_is_told_and_the_others_go_on(jobs, monkeypatch):
    programs(monkeypatch, lambda name: FAIL if name == "m-B-0" else FINISH)
    (failed,) = run_all(jobs, ["cpu"])
    assert (failed.job.folder.name, failed.code) == ("m-B-0", 4)
    assert failed.said == "no space left while writing"
    assert sum(job.finished for job in jobs) == len(jobs) - 1


def test_an_interruption_lets_every_run_save_before_it_ends(jobs, monkeypatch):
    programs(monkeypatch, lambda _: WAIT)
    some = jobs[:2]

    def interrupt():
        while not all((job.folder / "begun").exists() for job in some):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(Interrupted) as caught:
        run_all(some, ["cpu", "cpu"])
    assert caught.value.exit_code == 143
    assert all((job.folder / "saved").exists() for job in some)


def test_each_process_sees_its_own_gpu(jobs, monkeypatch):
    show = (
        "import os, pathlib, sys; p = pathlib.Path(sys.argv[1]); "
        "(p / 'gpu').write_text(os.environ['CUDA_VISIBLE_DEVICES']); "
        "(p / 'result.json').write_text('{}')"
    )
    programs(monkeypatch, lambda _: show)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    run_all(jobs[:2], ["cuda:0", "cuda:1"])
    assert {(job.folder / "gpu").read_text() for job in jobs[:2]} == {"4", "6"}


def test_a_folder_asked_for_otherwise_is_refused_by_what_differs(jobs):
    other = replace(jobs[0], overrides=("stepz=9",))
    claim([other])  # it fails before its first step, and may be asked for in other words
    (other.folder / "train.log").write_text("stepz=9: no such part of a recipe")
    claim(jobs)
    (jobs[0].folder / "state.pt").touch()
    claim(jobs)
    with pytest.raises(InputError, match="overrides"):
        claim([replace(jobs[0], overrides=("steps=9",))])
    assert json.loads((jobs[0].folder / "asked.json").read_text())["overrides"] == []


def test_commands_are_those_of_train(jobs):
    words = jobs[0].command("cuda")
    assert words[1:5] == ["-m", "smallpose", "train", "m"]
    assert words[words.index("--seed") + 1] == "0" and "--resume" in words
    assert benchmark.LOG == "train.log"


@pytest.mark.slow
def test_the_verb_trains_reports_and_goes_on_where_it_stopped(stick_set, tmp_path, capsys):
    data, out = stick_set(train=(6, 2), test=(2, 2)), tmp_path / "bench"
    words = [
        "benchmark",
        "batch_size=4",
        "--data",
        str(data),
        "--out",
        str(out),
        "--methods",
        "simple_baseline_r18_tiny",
        "--settings",
        "B",
        "--recipe",
        "quick",
        "--steps",
        "3",
        "--subsets",
        "1",
        "--subset-people",
        "6",
    ]
    assert main(words) == 0, capsys.readouterr().err
    shown = capsys.readouterr()
    assert "simple" in shown.out.lower()
    runs = {p.parent.name: json.loads(p.read_text()) for p in out.glob("runs/*/result.json")}
    assert set(runs) == {
        "simple_baseline_r18_tiny-B-0",
        "simple_baseline_r18_tiny-subset1-0",
    }
    assert [run["subset"] for _, run in sorted(runs.items())] == [None, 1]
    assert {run["steps"] for run in runs.values()} == {3}
    assert runs["simple_baseline_r18_tiny-subset1-0"]["people"] == 6
    assert (out / "report" / "index.html").is_file()
    assert main(words) == 0
    assert "2 finished before" in capsys.readouterr().err


def test_an_unknown_method_gets_a_suggestion(tmp_path, capsys):
    words = ["benchmark", "--data", str(tmp_path), "--out", str(tmp_path), "--methods", "simc_r50"]
    assert main(words) == 2
    assert "simcc_r50" in capsys.readouterr().err
