"""Benchmarks: each run once, failures reported, interruptions saved, and a resumed benchmark."""

import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace

import pytest

from smallpose.cli.benchmark import _describe_environment
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.training import benchmark
from smallpose.training.benchmark import Benchmark, Job, pin_environment, run_jobs, write_job_files
from smallpose.training.signals import Interrupted

FINISH = "import pathlib, sys; pathlib.Path(sys.argv[1], 'result.json').write_text('{}')"
FAIL = "import sys; print('first'); print('no space left while writing'); sys.exit(4)"
WAIT = (
    "import pathlib, signal, sys, time\n"
    "def save(*_):\n"
    "    pathlib.Path(sys.argv[1], 'saved').write_text('x'); sys.exit(143)\n"
    "signal.signal(signal.SIGTERM, save)\n"
    "pathlib.Path(sys.argv[1], 'started').write_text('x')\n"
    "time.sleep(60)"
)


def make_benchmark(folder, **options) -> Benchmark:
    return Benchmark(out=folder / "out", data=folder / "set", methods=["m", "n"], **options)


@pytest.fixture
def jobs(tmp_path):
    return make_benchmark(tmp_path, settings=["A", "B"], seeds=[0, 1]).plan_jobs()


def replace_commands(monkeypatch, of):
    """Replace the commands of runs by small programs, chosen by the name of their folder."""
    monkeypatch.setattr(
        Job,
        "build_command",
        lambda job, _: [sys.executable, "-c", of(job.folder.name), str(job.folder)],
    )


def test_a_plan_has_every_method_setting_and_seed_once(jobs):
    names = [job.folder.name for job in jobs]
    assert names == [f"{m}-{s}-{k}" for m in "mn" for s in "AB" for k in (0, 1)]


def test_subsets_are_trained_under_setting_b_by_the_given_methods_only(tmp_path):
    files = [tmp_path / "subset1.json", tmp_path / "subset2.json"]
    benchmark = make_benchmark(
        tmp_path, settings=["A"], seeds=[0], subsets=files, subset_methods=["n"]
    )
    jobs = benchmark.plan_jobs()
    on_subsets = [job for job in jobs if job.subset]
    assert [job.folder.name for job in on_subsets] == ["n-subset1-0", "n-subset2-0"]
    assert {job.setting for job in on_subsets} == {"B"}
    assert "--subset" in on_subsets[0].build_command("cpu")


def test_all_runs_finish_and_a_second_call_starts_none(jobs, monkeypatch):
    replace_commands(monkeypatch, lambda _: FINISH)
    assert run_jobs(jobs, ["cpu", "cpu"]) == []
    assert all(job.is_finished for job in jobs)
    started = []
    assert run_jobs(jobs, ["cpu"], lambda job, status: started.append(status)) == []
    assert started == []


def test_a_failed_run_is_reported_and_the_others_finish(jobs, monkeypatch):
    replace_commands(monkeypatch, lambda name: FAIL if name == "m-B-0" else FINISH)
    (failed,) = run_jobs(jobs, ["cpu"])
    assert (failed.job.folder.name, failed.exit_code) == ("m-B-0", 4)
    assert failed.last_line == "no space left while writing"
    assert sum(job.is_finished for job in jobs) == len(jobs) - 1


def test_an_interruption_lets_every_run_save_before_it_ends(jobs, monkeypatch):
    replace_commands(monkeypatch, lambda _: WAIT)
    two_jobs = jobs[:2]

    def interrupt():
        while not all((job.folder / "started").exists() for job in two_jobs):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(Interrupted) as caught:
        run_jobs(two_jobs, ["cpu", "cpu"])
    assert caught.value.exit_code == 143
    assert all((job.folder / "saved").exists() for job in two_jobs)


def test_each_process_sees_its_own_gpu(jobs, monkeypatch):
    show = (
        "import os, pathlib, sys; p = pathlib.Path(sys.argv[1]); "
        "(p / 'gpu').write_text(os.environ['CUDA_VISIBLE_DEVICES']); "
        "(p / 'result.json').write_text('{}')"
    )
    replace_commands(monkeypatch, lambda _: show)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    run_jobs(jobs[:2], ["cuda:0", "cuda:1"])
    assert {(job.folder / "gpu").read_text() for job in jobs[:2]} == {"4", "6"}


def test_a_folder_of_a_run_with_other_options_is_refused_with_what_differs(jobs):
    other = replace(jobs[0], overrides=("stepz=9",))
    write_job_files([other])  # fails before its first step, so its options may change
    (other.folder / "train.log").write_text("stepz=9: no such field of a recipe")
    write_job_files(jobs)
    (jobs[0].folder / "state.pt").touch()
    write_job_files(jobs)
    with pytest.raises(InputError, match="overrides"):
        write_job_files([replace(jobs[0], overrides=("steps=9",))])
    assert json.loads((jobs[0].folder / "job.json").read_text())["overrides"] == []


def test_the_job_file_of_an_older_version_is_read(jobs):
    write_job_files(jobs)
    (jobs[0].folder / "job.json").rename(jobs[0].folder / "asked.json")
    (jobs[0].folder / "state.pt").touch()
    write_job_files(jobs)
    with pytest.raises(InputError, match="holds a run with recipe , now quick"):
        write_job_files([replace(jobs[0], recipe="quick")])


def test_commands_call_train(jobs):
    command = jobs[0].build_command("cuda")
    assert command[1:5] == ["-m", "smallpose", "train", "m"]
    assert command[command.index("--seed") + 1] == "0" and "--resume" in command
    assert benchmark.LOG == "train.log"


def test_sigmas_and_pairs_of_joints_of_ones_own_reach_every_run(tmp_path):
    sigmas = tmp_path / "sigmas.json"
    sigmas.write_text('{"paw": 0.1}')
    pairs = (("near_paw", "far_paw"), ("near_ear", "far_ear"))
    own = {"settings": ["B"], "seeds": [0], "sigmas": sigmas}
    jobs = make_benchmark(tmp_path, **own, swap=pairs).plan_jobs()
    for job in jobs:
        command = job.build_command("cpu")
        assert command[command.index("--sigmas") + 1] == str(sigmas)
        words = command[command.index("--swap") + 1]
        assert words == "near_paw:far_paw,near_ear:far_ear"
    without = make_benchmark(tmp_path, **own, swap=()).plan_jobs()[0].build_command("cpu")
    assert without[without.index("--swap") + 1] == "none"

    write_job_files(jobs)
    for job in jobs:
        (job.folder / "state.pt").write_text("x")
    write_job_files(jobs)
    sigmas.write_text('{"paw": 0.2}')
    with pytest.raises(InputError, match="holds a run with sigmas with SHA-256"):
        write_job_files(jobs)


def test_a_precision_reaches_every_run_and_is_a_part_of_its_identity(tmp_path):
    options = {"settings": ["B"], "seeds": [0]}
    jobs = make_benchmark(tmp_path, **options, precision="bfloat16").plan_jobs()
    command = jobs[0].build_command("cpu")
    assert command[command.index("--precision") + 1] == "bfloat16"
    without = make_benchmark(tmp_path, **options).plan_jobs()
    assert "--precision" not in without[0].build_command("cpu")
    write_job_files(jobs)
    for job in jobs:
        (job.folder / "state.pt").touch()
    write_job_files(jobs)
    with pytest.raises(InputError, match="holds a run with precision bfloat16, now None"):
        write_job_files(without)
    # The file of an older version has no precision, and is that of runs without the option.
    for job in jobs:
        stored = json.loads((job.folder / "job.json").read_text())
        del stored["precision"]
        (job.folder / "job.json").write_text(json.dumps(stored))
    write_job_files(without)


def test_a_benchmark_goes_on_in_the_precision_it_began_with(tmp_path):
    pin_environment(tmp_path, _describe_environment("cpu", "bfloat16"))
    pin_environment(tmp_path, _describe_environment("cpu", "bfloat16"))
    with pytest.raises(InputError, match="made with precision bfloat16, and this is float32"):
        pin_environment(tmp_path, _describe_environment("cpu"))
    pin_environment(tmp_path / "b", _describe_environment("cpu"))
    pin_environment(tmp_path / "b", _describe_environment("cpu", "float32"))


def test_a_precision_beside_half_is_refused_before_any_run(stick_set, tmp_path, capsys):
    words = ["benchmark", "--data", str(stick_set()), "--out", str(tmp_path / "b"), "half=true"]
    assert main([*words, "--precision", "auto", "--recipe", "own"]) == 2
    assert "half=true: says the same as --precision auto" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_a_missing_file_of_sigmas_is_refused_before_the_first_run(stick_set, tmp_path, capsys):
    words = ["--data", str(stick_set()), "--out", str(tmp_path / "out"), "--sigmas", "gone.json"]
    assert main(["benchmark", *words]) == 2
    assert capsys.readouterr().err == "--sigmas gone.json: no such file; check the path\n"


@pytest.mark.slow
@pytest.mark.usefixtures("unrendered_figures", "warm_executable")
def test_the_verb_trains_reports_and_resumes(stick_set, tmp_path, capsys):
    data = stick_set(train=(6, 2), test=(2, 2))
    out = tmp_path / "bench"
    command = [
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
    assert main(command) == 0, capsys.readouterr().err
    output = capsys.readouterr()
    assert "simple" in output.out.lower()
    runs = {p.parent.name: json.loads(p.read_text()) for p in out.glob("runs/*/result.json")}
    floor = runs.pop("median_pose-B")
    assert 0 <= floor["evaluation"]["protocols"]["coco"]["AP"] <= 1
    assert "no network: AP" in output.err
    assert set(runs) == {
        "simple_baseline_r18_tiny-B-0",
        "simple_baseline_r18_tiny-subset1-0",
    }
    assert [run["subset"] for _, run in sorted(runs.items())] == [None, 1]
    assert {run["steps"] for run in runs.values()} == {3}
    assert runs["simple_baseline_r18_tiny-subset1-0"]["people"] == 6
    assert (out / "report" / "index.html").is_file()
    assert main(command) == 0
    assert "2 of them already finished" in capsys.readouterr().err


def test_an_unknown_method_gets_a_suggestion(tmp_path, capsys):
    command = [
        "benchmark",
        "--data",
        str(tmp_path),
        "--out",
        str(tmp_path),
        "--methods",
        "simc_r50",
    ]
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "train.json").write_text("{}")
    assert main(command) == 2
    assert "simcc_r50" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("simple_baseline_r18_tiny", "add --methods simple_baseline_r18_tiny"),
        ("mine.py:coffee", "add --methods mine.py:coffee"),
        ("epoch=2", "epoch=2: no such field of a recipe; try epochs"),
        ("hello", "hello: is no field of a recipe (name=value); write it as in epochs=2"),
        ("simple_baseline_r18_tinny", "as in --methods simple_baseline_r18_tiny"),
    ],
)
def test_what_is_no_field_of_a_recipe_is_refused_before_any_run(tmp_path, capsys, word, remedy):
    """Every run started and failed with it."""
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "train.json").write_text("{}")
    words = ["benchmark", word, "--methods", "tiny", "--data", str(tmp_path)]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert remedy in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_labels_with_which_every_run_would_fail_are_refused_before_the_first(
    stick_set, tmp_path, capsys
):
    """Joints of one's own without --sigmas: 11 of 11 runs started and failed."""
    built = stick_set()
    (tmp_path / "set" / "annotations").mkdir(parents=True)
    for part in ("train.json", "test.json"):
        labels = json.loads((built / "annotations" / part).read_text())
        names = labels["categories"][0]["keypoints"]
        labels["categories"][0]["keypoints"] = ["belt" if n == "nose" else n for n in names]
        (tmp_path / "set" / "annotations" / part).write_text(json.dumps(labels))
    words = ["benchmark", "--methods", "simple_baseline_r18_tiny", "--settings", "B"]
    words += ["--data", str(tmp_path / "set"), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "no OKS sigma is known for joint 'belt'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("field", "answer"),
    [
        ("epochs=abc", "epochs=abc: not a value of the field's type (of rle_r18_tiny); it was"),
        ("optimizer=adama", "no such choice (of rle_r18_tiny); try adam"),
    ],
)
def test_values_of_fields_are_refused_before_any_run(stick_set, tmp_path, capsys, field, answer):
    words = ["benchmark", field, "--methods", "rle_r18_tiny", "--settings", "B"]
    assert main([*words, "--data", str(stick_set()), "--out", str(tmp_path / "out")]) == 2
    assert answer in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


ENVIRONMENT = {"opencv": "5.0.0", "numpy": "2.4.6", "torch": "2.13.0+cpu", "precision": "float32"}


def test_a_benchmark_goes_on_with_the_versions_it_began_with(tmp_path):
    pin_environment(tmp_path, ENVIRONMENT | {"cpu": "x"})
    pinned = json.loads((tmp_path / "environment.json").read_text())
    assert pinned == ENVIRONMENT
    pin_environment(tmp_path, ENVIRONMENT | {"cpu": "y"})


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("opencv", "4.14.0", "pip install 'opencv-python-headless==5.0.0.*', or name another"),
        ("torch", "2.14.0", "pip install 'torch==2.13.0.*', or name another"),
        ("precision", "bfloat16", "name another --out"),
    ],
)
def test_other_versions_are_refused_with_the_command_that_installs_the_first(
    tmp_path, key, value, remedy
):
    pin_environment(tmp_path, ENVIRONMENT)
    with pytest.raises(InputError) as error:
        pin_environment(tmp_path, ENVIRONMENT | {key: value})
    assert ENVIRONMENT[key] in error.value.what and value in error.value.what
    assert error.value.remedy.startswith(remedy)


def test_methods_of_ones_own_are_planned_and_checked_first(tmp_path, monkeypatch):
    from smallpose.cli.benchmark import _parse_methods

    monkeypatch.chdir(tmp_path)
    create = (
        "from smallpose.methods.simple_baseline import create_r18_tiny\n\n\ndef {name}(skeleton)"
    )
    create += (
        ":\n    method = create_r18_tiny(skeleton)\n    method.name = '{name}'\n    return method\n"
    )
    for file, name in (("tea.py", "tea"), ("other.py", "tea"), ("bad.py", "simcc_r50")):
        (tmp_path / file).write_text(create.format(name=name))
    names = _parse_methods("rle_r18_tiny,tea.py:tea")
    assert names == {"rle_r18_tiny": "rle_r18_tiny", "tea.py:tea": "tea"}
    plan = Benchmark(
        out=tmp_path,
        data=tmp_path,
        methods=list(names),
        method_names=names,
        settings=["B"],
        seeds=[3],
    ).plan_jobs()
    assert [job.folder.name for job in plan] == ["rle_r18_tiny-B-3", "tea-B-3"]
    assert "tea.py:tea" in plan[1].build_command("cpu")
    for text, message in (
        ("tea.py,other.py", "another method is called tea as well"),
        ("bad.py", "'simcc_r50' is a method of smallpose"),
        ("gone.py:x", "no file gone.py"),
        ("rle_r19_tiny", "try rle_r18_tiny"),
    ):
        with pytest.raises(InputError, match=message):
            _parse_methods(text)
