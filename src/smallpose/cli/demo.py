"""smallpose demo: the whole line on a synthetic world, from pictures to a report, in minutes.

It runs the same commands a user would type and prints each before it runs, so that the demo is
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

from smallpose.cli.options import parse_non_negative
from smallpose.core.errors import InputError, RefusedError, RunError
from smallpose.system.files import write_atomically

HELP = "the whole line on a synthetic world: synth, build, stats, train, predict, evaluate, report"
EXAMPLE = "smallpose demo --out runs/demo"
SOURCES = ("coco", "mpii", "aic", "hieve", "posetrack")
METHOD = "simple_baseline_r18_tiny"
# What this verb makes; nothing else in the folder is touched when the demo runs again. People give
# their own work such names, too, so only the mark tells that a demo made it.
MADE = ("world", "set", "stats", "untrained", "A", "B", "found_B.json", "score_B.json", "report")
MARK = ".demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `demo`."""
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), metavar="DIR")
    parser.add_argument("--size", choices=("tiny", "small"), default="small", help="of the world")
    parser.add_argument("--seed", type=parse_non_negative, default=0)
    parser.add_argument(
        "--epochs",
        type=parse_non_negative,
        default=2,
        help="of each training (2; more people found for more time)",
    )


def run_command(args: argparse.Namespace) -> None:
    """Run the line, each command printed before it runs, and name the page to open."""
    started = time.monotonic()
    out: Path = args.out
    _clear(out)
    world, dataset = out / "world", out / "set"
    seed = ["--seed", str(args.seed)]
    cores = str(min(os.cpu_count() or 1, 8))
    _verb("synth", world, "--size", args.size, "--workers", cores, *seed)
    roots = [
        w for s in ("coco", "mpii", "aic", "hieve", "posetrack") for w in (f"--{s}", world / s)
    ]
    _verb("build", dataset, *roots, *seed)
    tables = [dataset / "annotations" / f"{split}.json" for split in ("train", "test")]
    _verb("stats", *tables, "--images", dataset / "images", "--out", out / "stats")
    train = ["train", METHOD, "--data", dataset, "--recipe", "quick", *seed]
    epochs = [f"epochs={args.epochs}"]
    # Two trainings side by side, one core each: faster than two threads on one. A has fewer people,
    # so its core measures the untrained network too.
    _together(
        [
            [*train, "--setting", "A", "--out", out / "A", *epochs],
            [*train, "--setting", "B", "--out", out / "untrained", "epochs=0"],
        ],
        [[*train, "--setting", "B", "--out", out / "B", *epochs]],
    )
    test, found = tables[1], out / "found_B.json"
    weights = out / "B" / "model.safetensors"
    pictures = ["--data", test, "--images", dataset / "images"]
    _verb("predict", METHOD, "--weights", weights, *pictures, "--out", found)
    _verb("evaluate", test, found, "--json", out / "score_B.json")
    _verb("report", out / "untrained", out / "A", out / "B", "--out", out / "report")
    print(f"\nthe whole line took {time.monotonic() - started:.0f} s")
    print("people, pictures and numbers of this world are synthetic: they show that the line works")
    print(f"open {out / 'report' / 'index.html'}")


def _clear(out: Path) -> None:
    """Remove what an earlier demo made, and only that."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}", "is a file", "name a folder")
    there = {p.name for p in out.iterdir()} if out.exists() else set()
    foreign = sorted(there - {*MADE, MARK}) or (sorted(there) if MARK not in there else [])
    if foreign:
        raise RefusedError(
            f"--out {out}", f"holds {foreign[0]!r}, which no demo made", "name another folder"
        )
    for name in there - {MARK}:
        path = out / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    write_atomically(
        out / MARK, "made by smallpose demo, which removes it when it runs here again\n"
    )


def _show(words: list[object]) -> None:
    print(f"\n$ smallpose {shlex.join(str(w) for w in words)}", flush=True)


def _verb(*words: object) -> None:
    _together([list(words)])


def _together(*chains: list[list[object]]) -> None:
    """Run chains of commands side by side, the commands of a chain one after the other."""
    waiting = [list(chain) for chain in chains]
    running: list[subprocess.Popen[bytes] | None] = [None] * len(chains)
    try:
        while any(running) or any(waiting):
            for row, chain in enumerate(waiting):
                process = running[row]
                if process is not None and process.poll() is None:
                    continue
                if process is not None and process.returncode:
                    code = process.returncode
                    raise RunError(
                        "demo", f"a command left with exit code {code}", "see its line above"
                    )
                running[row] = None
                if chain:
                    _show(chain[0])
                    running[row] = _start(chain.pop(0))
            time.sleep(0.05)
    finally:
        # On Ctrl-C they have heard it, too.
        for process in running:
            if process is not None:
                process.wait()


def _start(words: list[object]) -> subprocess.Popen[bytes]:
    # A process of its own per verb: what one has loaded does not weigh on the next.
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    command = [sys.executable, "-m", "smallpose", *map(str, words)]
    return subprocess.Popen(command, env=environment)
