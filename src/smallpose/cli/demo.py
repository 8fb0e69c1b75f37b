"""smallpose demo: the whole pipeline on synthetic data, from images to a report, in minutes.

It runs the commands that a user would type and prints each before it runs, so that the demo is
also the shortest tutorial.
"""

import argparse
import os
import shutil
import time
from pathlib import Path

from smallpose.cli.demo_photos import predict_photos
from smallpose.cli.options import add_option, add_seed, parse_non_negative
from smallpose.cli.verb_processes import run_side_by_side, run_verb
from smallpose.core.errors import InputError, RefusedError
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
    "predictions_B.environment.json",
    "score_B.json",
    "report",
    "photos",
    "world",
    "found_B.json",
)
MARKER = ".demo"
# The steps, and the seconds that each takes on two idle cores with the default options.
STEPS = (
    ("synth", "draws synthetic images in the layouts of the five sources", 44),
    ("build", "builds one data set of them", 8),
    ("stats", "describes it in tables and figures", 4),
    ("train", "trains a tiny network under settings A and B, on one core each", 66),
    ("predict", "estimates the poses of the test images", 5),
    ("evaluate", "scores them by person size and keypoint density", 1),
    ("report", "writes one page with tables, figures and people", 12),
)
DEFAULT_EPOCHS = 2


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
        default=DEFAULT_EPOCHS,
        metavar="N",
        help="Number of epochs of each training; more epochs detect more people.",
    )
    add_option(
        parser,
        "--photos",
        type=Path,
        metavar="DIR",
        help="Photographs in which MoveNet finds people at the end, if '.[movenet]' is there.",
        default_text="those that installed packages bring along",
    )


def run_command(args: argparse.Namespace) -> None:
    """Run the pipeline, print each command before it runs and name the page to open."""
    start = time.monotonic()
    out: Path = args.out
    if args.photos is not None and not args.photos.is_dir():
        raise InputError(f"--photos {args.photos}", "no such folder", "give a folder of images")
    _clear_folder(out)
    synthetic, dataset = out / "synthetic", out / "set"
    seed = ["--seed", str(args.seed)]
    num_workers = str(min(os.cpu_count() or 1, 8))
    plan = _Plan(start, args.epochs)
    print(plan.describe(args.size, out))
    plan.begin("synth")
    run_verb("synth", synthetic, "--size", args.size, "--workers", num_workers, *seed)
    sources = [word for name in SOURCES for word in (f"--{name}", synthetic / name)]
    plan.begin("build")
    run_verb("build", dataset, *sources, *seed)
    tables = [dataset / "annotations" / f"{split}.json" for split in ("train", "test")]
    plan.begin("stats")
    run_verb("stats", *tables, "--images", dataset / "images", "--out", out / "stats")
    train = ["train", METHOD, "--data", dataset, "--recipe", "quick", *seed]
    epochs = [f"epochs={args.epochs}"]
    plan.begin("train")
    # Two trainings side by side with one core each are faster than two threads on one. A has fewer
    # people, so its core evaluates the untrained network, too.
    run_side_by_side(
        [
            [*train, "--setting", "A", "--out", out / "A", *epochs],
            [*train, "--setting", "B", "--out", out / "untrained", "epochs=0"],
        ],
        [[*train, "--setting", "B", "--out", out / "B", *epochs]],
    )
    test, predictions = tables[1], out / "predictions_B.json"
    images = ["--data", test, "--images", dataset / "images"]
    plan.begin("predict")
    run_verb("predict", METHOD, "--weights", out / "B", *images, "--out", predictions)
    plan.begin("evaluate")
    run_verb("evaluate", test, predictions, "--json", out / "score_B.json")
    plan.begin("report")
    run_verb("report", out / "untrained", out / "A", out / "B", "--out", out / "report")
    print(f"\nThe whole pipeline took {_format_seconds(time.monotonic() - start)}.")
    print("People, images and numbers are synthetic: they show that the pipeline works.")
    print(predict_photos(out / "photos", args.photos, run_verb))
    print(f"open {out / 'report' / 'index.html'}")


class _Plan:
    """The steps of the demo, and the time that those to come will take.

    Args:
        start: of the demo, by `time.monotonic`.
        epochs: of each training.
    """

    def __init__(self, start: float, epochs: int) -> None:
        self.start = start
        self.seconds = {name: float(seconds) for name, _, seconds in STEPS}
        self.seconds["train"] *= max(epochs, 0.3) / DEFAULT_EPOCHS

    def describe(self, size: str, out: Path) -> str:
        """Say what the demo will do, how long that takes, and where its files will be."""
        total = sum(self.seconds.values())
        duration = f"about {_format_seconds(total)} on two idle cores"
        # Only the time of the default size was measured.
        lines = [f"The demo takes {duration}:" if size == "small" else "The steps of the demo:"]
        lines += [f"  {number}. {name:<9}{text}" for number, (name, text, _) in enumerate(STEPS, 1)]
        return "\n".join([*lines, f"Everything it writes is in {out}."])

    def begin(self, name: str) -> None:
        """Print the number of a step and, from the second on, the time left at this speed."""
        number = [step for step, *_ in STEPS].index(name)
        finished = sum(list(self.seconds.values())[:number])
        remaining = sum(self.seconds.values()) - finished
        line = f"\nstep {number + 1} of {len(STEPS)}"
        if finished:
            left = (time.monotonic() - self.start) / finished * remaining
            line += f", about {_format_seconds(left)} left"
        print(line, end="", flush=True)


def _format_seconds(seconds: float) -> str:
    """Format a duration, such as 45 s or 2 min 20 s.

    >>> _format_seconds(45.2), _format_seconds(140), _format_seconds(119.7)
    ('45 s', '2 min 20 s', '2 min 0 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


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
