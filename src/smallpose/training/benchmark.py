"""Train methods × settings × seeds, each in a process of its own, until all have finished.

A run is `smallpose train ... --resume` in its own folder, so a benchmark that was stopped, or a run
that failed, resumes where it was, and finished runs are not touched. One process runs per GPU and
sees that GPU only; on a CPU as many run as requested.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.system.environment import COMPARED
from smallpose.system.files import hash_file, write_atomically
from smallpose.system.json_decode import read_json
from smallpose.training.signals import Interrupted, list_stop_signals

LOG = "train.log"
JOB_FILE = "job.json"
OLD_JOB_FILE = "asked.json"  # its name in runs of older versions
ENVIRONMENT_FILE = "environment.json"
# What the runs of one table must share, and the package that `pip install` takes.
PINNED = {
    "opencv": "opencv-python-headless",
    "numpy": "numpy",
    "torch": "torch",
    "precision": "",
}
_POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of the benchmark.

    Args:
        method, setting, seed, recipe: as `smallpose train` takes them.
        overrides: recipe fields as name=value.
        data: the built set.
        folder: of the run.
        subset: file of `dataset.subsets`; None trains on all images.
        workers: processes that load images, in each run.
        sigmas: file of OKS sigmas, for joints that are none of the 21.
        swap: pairs of a left and a right joint; None takes what their names tell.
    """

    method: str
    setting: str
    seed: int
    data: Path
    folder: Path
    recipe: str = ""
    overrides: tuple[str, ...] = ()
    subset: Path | None = None
    workers: int = 0
    sigmas: Path | None = None
    swap: Sequence[tuple[str, str]] | None = None
    precision: str | None = None

    @property
    def is_finished(self) -> bool:
        """Return whether the run has written its scores."""
        return (self.folder / "result.json").is_file()

    @property
    def has_started(self) -> bool:
        """Return whether the run has trained; one that failed before its first step has not."""
        return self.is_finished or (self.folder / "state.pt").is_file()

    def build_command(self, device: str) -> list[str]:
        """Return the command that starts or resumes the run."""
        command = [
            sys.executable,
            "-m",
            "smallpose",
            "train",
            self.method,
            *self.overrides,
            "--data",
            str(self.data),
            "--out",
            str(self.folder),
            "--setting",
            self.setting,
            "--seed",
            str(self.seed),
            "--workers",
            str(self.workers),
            "--resume",
        ]
        if self.recipe:
            command += ["--recipe", self.recipe]
        if self.subset is not None:
            command += ["--subset", str(self.subset)]
        if self.sigmas is not None:
            command += ["--sigmas", str(self.sigmas)]
        if self.swap is not None:
            command += ["--swap", self._format_swap()]
        if self.precision:
            command += ["--precision", self.precision]
        return command + (["--device", device] if device else [])

    def describe(self) -> dict[str, Any]:
        """Return what distinguishes this run from another one in the same folder."""
        return {
            "method": self.method,
            "setting": self.setting,
            "seed": self.seed,
            "recipe": self.recipe,
            "overrides": list(self.overrides),
            "data": str(self.data.resolve()),
            "subset": self.subset and self.subset.name,
            "sigmas": self.sigmas and f"with SHA-256 {hash_file(self.sigmas)[:8]}",
            "swap": None if self.swap is None else self._format_swap(),
            "precision": self.precision or None,  # as in files of before there was the option
        }

    def _format_swap(self) -> str:
        return ",".join(f"{left}:{right}" for left, right in self.swap or ()) or "none"


@dataclass(frozen=True)
class FailedJob:
    """A run that ended without scores: its exit code and the last line of its log."""

    job: Job
    exit_code: int
    last_line: str


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """The runs of a benchmark: each combination of methods, settings and seeds.

    Args:
        out: folder; runs are in `out/runs`.
        data: the built set.
        methods, settings, seeds: as `smallpose train` takes them.
        recipe, overrides, workers, sigmas, swap, precision: of every run, as of `Job`.
        subsets: files of `dataset.subsets`.
        subset_methods: the methods that are also trained on each subset (paper, Table 5).
        method_names: names of methods that are given as files, for the folders of their runs.
    """

    out: Path
    data: Path
    methods: Sequence[str]
    settings: Sequence[str]
    seeds: Sequence[int]
    recipe: str = ""
    overrides: tuple[str, ...] = ()
    workers: int = 0
    sigmas: Path | None = None
    swap: Sequence[tuple[str, str]] | None = None
    precision: str | None = None
    subsets: Sequence[Path] = ()
    subset_methods: Sequence[str] = ()
    method_names: Mapping[str, str] = field(default_factory=dict)

    def plan_jobs(self) -> list[Job]:
        """Return all runs, method by method; subsets are trained under setting B."""
        jobs = []
        for method in self.methods:
            for setting in self.settings:
                jobs += [self._create_job(method, setting, seed) for seed in self.seeds]
            if method in self.subset_methods:
                for subset in self.subsets:
                    jobs += [self._create_job(method, "B", seed, subset) for seed in self.seeds]
        return jobs

    def _create_job(self, method: str, setting: str, seed: int, subset: Path | None = None) -> Job:
        part = setting if subset is None else subset.stem
        return Job(
            method=method,
            setting=setting,
            seed=seed,
            data=self.data,
            folder=self.out / "runs" / f"{self.method_names.get(method, method)}-{part}-{seed}",
            recipe=self.recipe,
            overrides=self.overrides,
            subset=subset,
            workers=self.workers,
            sigmas=self.sigmas,
            swap=self.swap,
            precision=self.precision,
        )


def write_job_files(jobs: Sequence[Job]) -> None:
    """Write `job.json` to the folder of each run that has not started.

    Raises: InputError when a folder holds a run with other options.
    """
    for job in jobs:
        options = job.describe()
        stored = _read_job_file(job.folder)
        if stored is None or not job.has_started:
            write_atomically(job.folder / JOB_FILE, json.dumps(options) + "\n")
            continue
        differing = [key for key in options if stored.get(key) != options[key]]
        if differing:
            key = differing[0]
            raise InputError(
                str(job.folder),
                f"holds a run with {key} {stored.get(key)}, now {options[key]}",
                "continue with the same options, or name another --out",
            )


def pin_environment(out: Path, environment: Mapping[str, Any]) -> None:
    """Record what all runs of a benchmark must share in `out/environment.json`, or compare with it.

    Args:
        environment: of this process, as `describe_environment` returns it.
    Raises: InputError when the runs in `out` were made with other versions or precision.
    """
    path = out / ENVIRONMENT_FILE
    pinned = {key: environment[key] for key in PINNED if key in environment}
    if not path.is_file():
        write_atomically(path, json.dumps(pinned, indent=1) + "\n")
        return
    stored = read_json(path, dict[str, Any])
    differing = [key for key in pinned if stored.get(key, pinned[key]) != pinned[key]]
    if differing:
        key = differing[0]
        package = PINNED[key]
        version = str(stored[key]).partition("+")[0]
        install = f"pip install '{package}=={version}.*', or " if package else ""
        raise InputError(
            str(out),
            f"its runs were made with {COMPARED[key]} {stored[key]}, and this is {pinned[key]}, so "
            "their differences would not be those of the methods",
            f"{install}name another --out",
        )


def _read_job_file(folder: Path) -> dict[str, Any] | None:
    """Read what `write_job_files` wrote; None if there is no such file."""
    paths = [folder / name for name in (JOB_FILE, OLD_JOB_FILE) if (folder / name).is_file()]
    if not paths:
        return None
    try:
        return dict(json.loads(paths[0].read_text()))
    except ValueError as error:
        raise InputError(
            str(paths[0]), f"not a file that a benchmark wrote ({error})", "remove its folder"
        ) from None


def run_jobs(
    jobs: Sequence[Job],
    devices: Sequence[str],
    report: Callable[[Job, str], None] = lambda *_: None,
) -> list[FailedJob]:
    """Run the jobs that have not finished, one process per device at a time.

    Args:
        devices: "cuda:0", ..., or "cpu" as many times as runs may be active at the same time.
        report: called with a job and "started", "finished" or "failed".
    Returns: the jobs that failed; the others have finished.
    Raises: Interrupted after SIGINT, SIGTERM or SIGHUP, when every run has saved and ended.
    """
    waiting = [job for job in jobs if not job.is_finished]
    free_devices = list(devices)
    failed: list[FailedJob] = []
    running: dict[subprocess.Popen[bytes], tuple[Job, str]] = {}
    signalled: set[subprocess.Popen[bytes]] = set()
    with _record_stop_signals() as received:
        while waiting or running:
            while waiting and free_devices and not received:
                job = waiting.pop(0)
                device = free_devices.pop(0)
                running[_start_job(job, device)] = (job, device)
                report(job, "started")
            for process in [p for p in running if p.poll() is not None]:
                job, device = running.pop(process)
                free_devices.append(device)
                if process.returncode == 0 and job.is_finished:
                    report(job, "finished")
                elif not received:
                    last_line = _read_last_line(job.folder / LOG)
                    failed.append(FailedJob(job, process.returncode, last_line))
                    report(job, "failed")
            if received:
                # Each run finishes its step and saves; a second signal would end it immediately.
                for process in running.keys() - signalled:
                    process.send_signal(signal.SIGTERM)
                    signalled.add(process)
                if not running:
                    num_finished = sum(job.is_finished for job in jobs)
                    raise Interrupted(
                        format_count(len(jobs), "run"),
                        f"interrupted with {num_finished} finished, the others saved",
                        "run the same command again to resume",
                        128 + received[0],
                    )
            time.sleep(_POLL_S)
    return failed


def _start_job(job: Job, device: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    kind, _, index = device.partition(":")
    if kind == "cuda":
        # Indices count the GPUs that this process may see, which need not be all.
        visible = [v for v in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if v]
        environment["CUDA_VISIBLE_DEVICES"] = visible[int(index)] if visible else index
    job.folder.mkdir(parents=True, exist_ok=True)
    with (job.folder / LOG).open("ab") as log:
        # In a session of its own: Ctrl-C reaches this process only, which then signals the runs.
        return subprocess.Popen(
            job.build_command(kind),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )


def _read_last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").replace("\r", "\n").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")


@contextmanager
def _record_stop_signals() -> Iterator[list[int]]:
    """Record stop signals in a list, instead of stopping, as long as the context lasts."""
    received: list[int] = []

    def record(number: int, _: FrameType | None) -> None:
        received.append(number)

    previous = {n: signal.signal(n, record) for n in list_stop_signals()}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
