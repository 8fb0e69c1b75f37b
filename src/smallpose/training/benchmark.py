"""Methods × settings × seeds, each a run of its own process, until all have finished.

A run is `smallpose train … --resume` in its own folder, so a benchmark that was stopped, or a run
that failed, goes on where it was; what has finished is not touched. One process per GPU, each of
which sees that GPU only; on a CPU as many as asked for.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from smallpose.core.errors import InputError
from smallpose.system.files import write_whole
from smallpose.training.signals import Interrupted, stopping

LOG = "train.log"
_LOOK_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of the benchmark.

    Args:
        method, setting, seed, recipe: as `smallpose train` takes them.
        overrides: recipe fields as name=value.
        data: the built set.
        folder: the run's.
        subset: file of `dataset.subsets`; None trains on everything.
        jobs: processes that read pictures, in each run.
    """

    method: str
    setting: str
    seed: int
    data: Path
    folder: Path
    recipe: str = ""
    overrides: tuple[str, ...] = ()
    subset: Path | None = None
    jobs: int = 0

    @property
    def finished(self) -> bool:
        """Whether its numbers are there."""
        return (self.folder / "result.json").is_file()

    @property
    def begun(self) -> bool:
        """Whether it has trained; one that failed before its first step may be asked for anew."""
        return self.finished or (self.folder / "state.pt").is_file()

    def command(self, device: str) -> list[str]:
        """How to run it, or to go on with it."""
        words = [
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
            str(self.jobs),
            "--resume",
        ]
        if self.recipe:
            words += ["--recipe", self.recipe]
        if self.subset is not None:
            words += ["--subset", str(self.subset)]
        return words + (["--device", device] if device else [])

    def asked(self) -> dict[str, Any]:
        """What tells this run from another in the same folder."""
        return {
            "method": self.method,
            "setting": self.setting,
            "seed": self.seed,
            "recipe": self.recipe,
            "overrides": list(self.overrides),
            "data": str(self.data.resolve()),
            "subset": self.subset and self.subset.name,
        }


@dataclass(frozen=True)
class Failed:
    """A run that ended without its numbers: its exit code and the last line it wrote."""

    job: Job
    code: int
    said: str


def plan(
    out: Path,
    data: Path,
    methods: Sequence[str],
    settings: Sequence[str],
    seeds: Sequence[int],
    *,
    recipe: str = "",
    overrides: tuple[str, ...] = (),
    jobs: int = 0,
    subsets: Sequence[Path] = (),
    subset_methods: Sequence[str] = (),
) -> list[Job]:
    """The runs, methods one after the other; subsets train under setting B (paper, Table 5)."""
    common: dict[str, Any] = {"data": data, "recipe": recipe, "overrides": overrides, "jobs": jobs}
    planned = []
    for method in methods:
        for setting in settings:
            for seed in seeds:
                folder = out / "runs" / f"{method}-{setting}-{seed}"
                planned.append(
                    Job(method=method, setting=setting, seed=seed, folder=folder, **common)
                )
        if method in subset_methods:
            for file in subsets:
                for seed in seeds:
                    folder = out / "runs" / f"{method}-{file.stem}-{seed}"
                    planned.append(
                        Job(
                            method=method,
                            setting="B",
                            seed=seed,
                            folder=folder,
                            subset=file,
                            **common,
                        )
                    )
    return planned


def claim(jobs: Sequence[Job]) -> None:
    """Note in each run's folder what was asked for.

    Raises: InputError when a folder holds a run that was asked for otherwise.
    """
    for job in jobs:
        path, asked = job.folder / "asked.json", job.asked()
        if path.is_file() and job.begun:
            before = _claimed(path)
            other = [k for k in asked if before.get(k) != asked[k]]
            if other:
                raise InputError(
                    str(job.folder),
                    f"holds a run with {other[0]} {before.get(other[0])}, now {asked[other[0]]}",
                    "go on with the same words, or name another --out",
                )
            continue
        write_whole(path, json.dumps(asked) + "\n")


def _claimed(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except ValueError as error:
        raise InputError(
            str(path), f"not what a benchmark wrote ({error})", "remove its folder"
        ) from None


def run_all(
    jobs: Sequence[Job],
    devices: Sequence[str],
    tell: Callable[[Job, str], None] = lambda *_: None,
) -> list[Failed]:
    """Run what has not finished, one process per device at a time.

    Args:
        devices: "cuda:0", …, or "cpu" as often as runs may go side by side.
        tell: called with a job and "begun", "finished" or "failed".
    Returns: those that failed; the others have finished.
    Raises: Interrupted after SIGINT, SIGTERM or SIGHUP, when every run has saved and ended.
    """
    waiting = [job for job in jobs if not job.finished]
    free, failed = list(devices), list[Failed]()
    running: dict[subprocess.Popen[bytes], tuple[Job, str]] = {}
    told: set[subprocess.Popen[bytes]] = set()
    with _signals() as received:
        while waiting or running:
            while waiting and free and not received:
                job, device = waiting.pop(0), free.pop(0)
                running[_begin(job, device)] = (job, device)
                tell(job, "begun")
            for process in [p for p in running if p.poll() is not None]:
                job, device = running.pop(process)
                free.append(device)
                if process.returncode == 0 and job.finished:
                    tell(job, "finished")
                elif not received:
                    failed.append(Failed(job, process.returncode, _last_line(job.folder / LOG)))
                    tell(job, "failed")
            if received:
                # They finish their step and save; a second signal would end them at once.
                for process in running.keys() - told:
                    process.send_signal(signal.SIGTERM)
                    told.add(process)
                if not running:
                    raise Interrupted(
                        f"{len(jobs)} runs",
                        f"interrupted with {sum(j.finished for j in jobs)} finished, others saved",
                        "the same command goes on",
                        128 + received[0],
                    )
            time.sleep(_LOOK_S)
    return failed


def _begin(job: Job, device: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    kind, _, number = device.partition(":")
    if kind == "cuda":
        # Numbers count what this process may see, which need not be all there is.
        visible = [v for v in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if v]
        environment["CUDA_VISIBLE_DEVICES"] = visible[int(number)] if visible else number
    job.folder.mkdir(parents=True, exist_ok=True)
    with (job.folder / LOG).open("ab") as log:
        # A session of its own: Ctrl-C reaches this process, which then asks the runs to save.
        return subprocess.Popen(
            job.command(kind),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").replace("\r", "\n").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Within it, signals that ask to stop are only noted."""
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)

    before = {n: signal.signal(n, note) for n in stopping()}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
