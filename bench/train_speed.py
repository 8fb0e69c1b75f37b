"""People trained per second by `smallpose train`, against another version of it.

    python bench/train_speed.py --data SET --before ENV [--pairs 3] [--clock]

ENV is an environment with the other version, such as one of an earlier commit. Both train from the
same files: `--images` images of SET's training part, copied to a folder, by the recipe `quick` with
all its epochs. They take turns. The seconds between the end of the first step and that of the last
are counted: reading, augmentation, network, optimizer and log, without the start and the test at
the end. `--now ""` and `--now "--precision auto"` are measured by default.

CPU seconds are compared, which other work affects little: those of the process with all its
threads, but not of its workers. Those of its main thread are printed, too: with a core for each
thread, that is what a step takes. `--clock` compares seconds of the clock, for a machine without
other work, and says if it was not: a training of one thread should then get nearly all of a core.
OMP_NUM_THREADS is left to the arms of this version, as users do; the version before gets 1, which
is its default. `--clock` takes about 12 s for each arm and round on two cores.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

BATCH_SIZE = 32  # of the recipe `quick`, at most
TIMER = """
import json, sys, time
from torch.optim.optimizer import register_optimizer_step_post_hook
ends = []
register_optimizer_step_post_hook(
    lambda *_: ends.append((time.process_time(), time.perf_counter(), time.thread_time()))
)
from smallpose.cli.main import main
code = main(sys.argv[1:])
seconds = [last - first for first, last in zip(ends[0], ends[-1])]
names = ("cpu", "wall", "thread")
print(json.dumps({"code": code, "steps": len(ends) - 1, **dict(zip(names, seconds))}))
"""


def write_small_set(data: Path, folder: Path, num_images: int, num_test: int = 4) -> int:
    """Copy a part of a built set; return the number of its people to train on."""
    num_people = 0
    for part, count in (("train", num_images), ("test", num_test)):
        labels = json.loads((data / "annotations" / f"{part}.json").read_text())
        labels["images"] = labels["images"][:count]
        ids = {image["id"] for image in labels["images"]}
        labels["annotations"] = [a for a in labels["annotations"] if a["image_id"] in ids]
        num_people = num_people or len(labels["annotations"])
        file = folder / "annotations" / f"{part}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(labels))
        for image in labels["images"]:
            copy = folder / "images" / image["file_name"]
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(data / "images" / image["file_name"], copy)
    return num_people


MIN_CORE_SHARE = 0.95  # of a core that one thread gets on a machine without other work


def measure(
    python: Path, method: str, data: Path, words: list[str], num_threads: str = "1"
) -> dict[str, Any]:
    """Train in an environment and return what `TIMER` prints.

    Args:
        num_threads: OMP_NUM_THREADS; "" leaves it unset.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["train", method, "--data", str(data), "--out", f"{folder}/run"]
        command += ["--recipe", "quick", "validate_every=100000", *words]
        # Sources of the user's builds are looked at for each image; here nobody has any.
        environment = {**os.environ, "XDG_CONFIG_HOME": folder}
        environment.pop("OMP_NUM_THREADS", None)
        environment |= {"OMP_NUM_THREADS": num_threads} if num_threads else {}
        done = subprocess.run(
            [str(python), "-W", "ignore", "-c", TIMER, *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
    record = dict(json.loads(done.stdout.splitlines()[-1]))
    if record["code"]:
        raise SystemExit(f"training of {method} ended with code {record['code']}")
    return record


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="SET", help="A built set.")
    parser.add_argument(
        "--before", type=Path, metavar="ENV", help="Environment to compare with (default: none)."
    )
    parser.add_argument(
        "--methods",
        default="simple_baseline_r18_tiny",
        metavar="LIST",
        help="Methods to train (default: simple_baseline_r18_tiny).",
    )
    parser.add_argument(
        "--now",
        action="append",
        metavar="OPTIONS",
        help="Options of this version, may be repeated (default: none, and --precision auto).",
    )
    parser.add_argument(
        "--images", type=int, default=80, metavar="N", help="Images to train on (default: 80)."
    )
    parser.add_argument(
        "--pairs", type=int, default=3, metavar="N", help="Number of rounds (default: 3)."
    )
    parser.add_argument(
        "--overrides", default="", metavar="LIST", help="Fields of the recipe (default: none)."
    )
    parser.add_argument(
        "--clock", action="store_true", help="Compare seconds of the clock (default: CPU seconds)."
    )
    args = parser.parse_args()
    fields = args.overrides.split()
    arms = [
        (options, Path(sys.executable), options.split())
        for options in args.now or ("", "--precision auto")
    ]
    if args.before:
        arms.insert(0, ("before", args.before / "bin" / "python", []))
    with tempfile.TemporaryDirectory() as folder:
        num_people = write_small_set(args.data, Path(folder) / "set", args.images)
        load = f", load before {os.getloadavg()[0]:.1f}" if args.clock else ""
        print(f"{num_people} people in {args.images} images{load}", flush=True)
        for method in args.methods.split(","):
            records: dict[str, list[dict[str, Any]]] = {name: [] for name, *_ in arms}
            for _ in range(args.pairs):
                for name, python, words in arms:
                    words = [*words, *fields]
                    threads = "1" if name == "before" else ""
                    data = Path(folder) / "set"
                    records[name].append(measure(python, method, data, words, threads))
            people_per_step = num_people / -(-num_people // BATCH_SIZE)
            print_method(method, records, people_per_step, "wall" if args.clock else "cpu")


def print_method(
    method: str, records: dict[str, list[dict[str, Any]]], people_per_step: float, kind: str
) -> None:
    """Print milliseconds of a step, people per second and ratios to the first arm, of each pair.

    Args:
        kind: of seconds, "cpu" or "wall".
    """
    first = next(iter(records.values()))
    unit = "CPU" if kind == "cpu" else "the clock"
    for name, column in records.items():
        step_s = statistics.median(record[kind] / record["steps"] for record in column)
        thread_s = statistics.median(record["thread"] / record["steps"] for record in column)
        cores = statistics.median(record["cpu"] / record["wall"] for record in column)
        ratios = sorted(b[kind] / a[kind] for a, b in zip(column, first, strict=True))
        shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(
            f"{method:<26}{name or 'now':<20}{1000 * step_s:7.1f} ms of {unit} a step, "
            f"{people_per_step / step_s:5.0f} people/s, {cores:.2f} cores, "
            f"{1000 * thread_s:.1f} ms of CPU in the main thread, "
            f"times as fast: {statistics.median(ratios):.2f} ({shown})",
            flush=True,
        )
    shares = [record["cpu"] / record["wall"] for record in first]
    if kind == "wall" and min(shares) < MIN_CORE_SHARE:
        print(
            f"the machine was not quiet: the first arm got {min(shares):.0%} of a core in one "
            "round; do not use these figures"
        )


if __name__ == "__main__":
    main()
