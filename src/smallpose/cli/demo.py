"""smallpose demo: the whole pipeline on synthetic data, from images to a report, in minutes.

It runs the commands that a user would type and prints each before it runs, so that the demo is
also the shortest tutorial.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from smallpose.cli.options import add_option, add_seed, parse_non_negative
from smallpose.core.errors import InputError, RefusedError, RunError
from smallpose.system.files import write_atomically

PACKAGES = ("torch", "safetensors", "cv2", "PIL", "scipy", "matplotlib", "jinja2")
HELP = (
    "Run the whole pipeline on synthetic data: synth, build, stats, train, predict, "
    "evaluate, report."
)
EXAMPLE = "smallpose demo"
SOURCES = ("coco", "mpii", "aic", "hieve", "posetrack")
METHOD = "simple_baseline_r18_tiny"
# What this verb writes, the last two under former names; nothing else in the folder is touched when
# the demo runs again. Users choose such names for their own work, too, so only the marker file
# shows that a demo wrote them.
OUTPUTS = (
    "synthetic",
    "set",
    "stats",
    "untrained",
    "A",
    "B",
    "predictions_B.json",
    "score_B.json",
    "report",
    "world",
    "found_B.json",
)
MARKER = ".demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `demo`."""
    add_option(
        parser,
        "--out",
        type=Path,
        default=Path("runs/demo"),
        metavar="DIR",
        help="Folder for everything that the demo writes.",
    )
    add_option(
        parser,
        "--size",
        choices=("tiny", "small"),
        default="small",
        help="Size of the synthetic data.",
    )
    add_seed(parser, "the data and of the training")
    add_option(
        parser,
        "--epochs",
        type=parse_non_negative,
        default=2,
        metavar="N",
        help="Number of epochs of each training; more epochs detect more people.",
    )


def run_command(args: argparse.Namespace) -> None:
    """Run the pipeline, print each command before it runs and name the page to open."""
    start = time.monotonic()
    out: Path = args.out
    _clear_folder(out)
    synthetic, dataset = out / "synthetic", out / "set"
    seed = ["--seed", str(args.seed)]
    num_workers = str(min(os.cpu_count() or 1, 8))
    _run_verb("synth", synthetic, "--size", args.size, "--workers", num_workers, *seed)
    sources = [word for name in SOURCES for word in (f"--{name}", synthetic / name)]
    _run_verb("build", dataset, *sources, *seed)
    tables = [dataset / "annotations" / f"{split}.json" for split in ("train", "test")]
    _run_verb("stats", *tables, "--images", dataset / "images", "--out", out / "stats")
    train = ["train", METHOD, "--data", dataset, "--recipe", "quick", *seed]
    epochs = [f"epochs={args.epochs}"]
    # Two trainings side by side with one core each are faster than two threads on one. A has fewer
    # people, so its core evaluates the untrained network, too.
    _run_side_by_side(
        [
            [*train, "--setting", "A", "--out", out / "A", *epochs],
            [*train, "--setting", "B", "--out", out / "untrained", "epochs=0"],
        ],
        [[*train, "--setting", "B", "--out", out / "B", *epochs]],
    )
    test, predictions = tables[1], out / "predictions_B.json"
    images = ["--data", test, "--images", dataset / "images"]
    _run_verb("predict", METHOD, "--weights", out / "B", *images, "--out", predictions)
    _run_verb("evaluate", test, predictions, "--json", out / "score_B.json")
    _run_verb("report", out / "untrained", out / "A", out / "B", "--out", out / "report")
    print(f"\nThe whole pipeline took {time.monotonic() - start:.0f} s.")
    print("People, images and numbers are synthetic: they show that the pipeline works.")
    print(f"open {out / 'report' / 'index.html'}")


def _clear_folder(out: Path) -> None:
    """Remove what an earlier demo wrote, and only that."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}", "is a file", "give a folder")
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    foreign = sorted(names - {*OUTPUTS, MARKER})
    if MARKER not in names:
        foreign = foreign or sorted(names)
    if foreign:
        raise RefusedError(
            f"--out {out}",
            f"contains {foreign[0]!r}, which no demo wrote",
            "give another folder, which may be new",
        )
    for name in names - {MARKER}:
        path = out / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    write_atomically(out / MARKER, "written by smallpose demo, which clears this folder\n")


def _run_verb(*words: object) -> None:
    _run_side_by_side([list(words)])


def _run_side_by_side(*chains: list[list[object]]) -> None:
    """Run chains of commands side by side, the commands of a chain one after the other."""
    waiting = [list(chain) for chain in chains]
    running: list[subprocess.Popen[bytes] | None] = [None] * len(chains)
    try:
        while any(running) or any(waiting):
            for index, chain in enumerate(waiting):
                process = running[index]
                if process is not None and process.poll() is None:
                    continue
                if process is not None and process.returncode:
                    code = process.returncode
                    raise RunError(
                        "demo", f"a command ended with exit code {code}", "read its error above"
                    )
                running[index] = None
                if chain:
                    running[index] = _start_process(chain.pop(0))
            time.sleep(0.05)
    finally:
        # Ctrl-C reaches the processes as well; wait until they have ended.
        for process in running:
            if process is not None:
                process.wait()


def _start_process(words: list[object]) -> subprocess.Popen[bytes]:
    # One process per verb, so that what one has loaded does not slow the next.
    print(f"\n$ smallpose {shlex.join(str(word) for word in words)}", flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    command = [sys.executable, "-m", "smallpose", *map(str, words)]
    return subprocess.Popen(command, env=environment)
