"""Time `smallpose evaluate` with 20 slices against the same command without.

    python bench/slices.py [--scale 0.5] [--runs 5] [--work runs/bench]

Makes the input (bench/evaluator/synthetic_data.py) and tables of attributes of images and of
people: one column of 20 values, and four columns of five values. The commands are run in turn,
A B C A B C, and the medians of CPU seconds and of the clock are compared within the run.
"""

import argparse
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent / "evaluator"
SHAPES = ((1, 20), (4, 5))  # columns and values


def write_tables(folder: Path) -> dict[str, list[str]]:
    """Write the tables and return the options of each command."""
    truth = json.loads((folder / "gt.json").read_text())
    rng = random.Random(0)
    tables = {"image_id": truth["images"], "annotation_id": truth["annotations"]}
    options: dict[str, list[str]] = {"none": []}
    for (key, records), (num_columns, num_values) in itertools.product(tables.items(), SHAPES):
        lines = [",".join([key, *(f"column{i}" for i in range(num_columns))])]
        for record in records:
            values = [f"v{rng.randrange(num_values)}" for _ in range(num_columns)]
            lines.append(",".join([str(record["id"]), *values]))
        path = folder / f"{key}-{num_columns}.csv"
        path.write_text("\n".join(lines) + "\n")
        unit = "images" if key == "image_id" else "people"
        options[f"{num_columns} x {num_values} of {unit}"] = ["--slices", str(path)]
    return options


def time_process(command: list[str]) -> tuple[float, float]:
    """Run a process; return CPU and wall seconds."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.5)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path("runs/bench"))
    args = parser.parse_args()
    folder = args.work / f"slices-{args.scale:g}"
    if not (folder / "dt.json").exists():
        script = [sys.executable, str(HERE / "synthetic_data.py"), str(folder)]
        subprocess.run([*script, "--scale", str(args.scale)], check=True)
    program = str(Path(sys.executable).parent / "smallpose")
    call = [program, "evaluate", str(folder / "gt.json"), str(folder / "dt.json")]
    commands = write_tables(folder)
    for protocols in ("coco", "coco,owned,recall"):
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(args.runs):
            for name, options in commands.items():
                times[name].append(time_process([*call, "--protocol", protocols, *options]))
        base = [statistics.median(column) for column in zip(*times["none"], strict=True)]
        for name, pairs in times.items():
            cpu, wall = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(
                f"{protocols:18} slices {name:16} CPU {cpu:.2f} s ({cpu / base[0]:.2f}), "
                f"wall {wall:.2f} s ({wall / base[1]:.2f})"
            )
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
