"""People trained per CPU second by `smallpose train`, against another version of it.

    OMP_NUM_THREADS=1 python bench/train_speed.py --data SET --before ENV [--pairs 3]

ENV is an environment with the other version, such as one of an earlier commit. Both train from the
same files: `--images` images of SET's training part, copied to a folder, by the recipe `quick` with
all its epochs. They take turns. The CPU seconds of the process between the end of the first step
and that of the last are counted: reading, augmentation, network, optimizer and log, without the
start and the test at the end. `--now ""` and `--now "--precision auto"` are measured by default.
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

TIMER = """
import json, sys, time
from torch.optim.optimizer import register_optimizer_step_post_hook
ends = []
register_optimizer_step_post_hook(
    lambda *_: ends.append((time.process_time(), time.perf_counter()))
)
from smallpose.cli.main import main
code = main(sys.argv[1:])
seconds = [last - first for first, last in zip(ends[0], ends[-1])]
print(json.dumps({"code": code, "steps": len(ends) - 1, "cpu": seconds[0], "wall": seconds[1]}))
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


def measure(python: Path, method: str, data: Path, words: list[str]) -> dict[str, Any]:
    """Train in an environment and return what `TIMER` prints."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["train", method, "--data", str(data), "--out", f"{folder}/run"]
        command += ["--recipe", "quick", "validate_every=100000", *words]
        # Sources of the user's builds are looked at for each image; here nobody has any.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CONFIG_HOME": folder}
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
        print(f"{num_people} people in {args.images} images")
        for method in args.methods.split(","):
            records: dict[str, list[dict[str, Any]]] = {name: [] for name, *_ in arms}
            for _ in range(args.pairs):
                for name, python, words in arms:
                    words = [*words, *fields]
                    records[name].append(measure(python, method, Path(folder) / "set", words))
            print_method(method, records)


def print_method(method: str, records: dict[str, list[dict[str, Any]]]) -> None:
    """Print milliseconds of a step and ratios to the first arm, of each pair."""
    first = next(iter(records.values()))
    for name, column in records.items():
        per_step = [1000 * record["cpu"] / record["steps"] for record in column]
        ratios = sorted(b["cpu"] / a["cpu"] for a, b in zip(column, first, strict=True))
        shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(
            f"{method:<26}{name or 'now':<20}{statistics.median(per_step):7.1f} ms of CPU a step, "
            f"times as fast: {statistics.median(ratios):.2f} ({shown})",
            flush=True,
        )


if __name__ == "__main__":
    main()
