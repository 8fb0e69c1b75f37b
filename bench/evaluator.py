"""Time `smallpose evaluate` and other evaluators, each as a process from files to numbers.

    python bench/evaluator.py [--scales 0.1,1] [--runs 5] [--peers hotcoco,…] [--work runs/bench]
    python bench/evaluator.py --other BASE/bin/python --peers '' --tasks one-pass [--intervals 1000]

Makes the input (bench/evaluator/synthetic_data.py), installs the peers into environments under
--work, checks that all compute the same ten numbers, and times them in turn, A B C A B C. There are
two tasks, because the second is the peers' best case: `paper`, the ten metrics, for which
each peer needs four prepared truths and four runs; `one-pass`, the seven metrics of a single run.
xtcocotools recounts labels, so the prepared truths of the density classes have no effect on it: its
`paper` numbers differ, its time is that of four runs. Peak memory includes mapped pages of the
files. A figure from a busy machine means little: the table shows the load. `--other` is the
interpreter of an environment with another version of smallpose, which is then the reference; on a
busy machine its CPU seconds in the same turns are what to compare with.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent / "evaluator"
PEERS = {  # name: (what to install, environment)
    "hotcoco": ("hotcoco==1.3.0", "peers"),
    "ultrafast-pycocotools": ("ultrafast-pycocotools==0.1.14", "peers"),
    "faster-coco-eval": ("faster-coco-eval==1.8.0", "peers"),
    "pycocotools": ("pycocotools==2.0.11", "peers"),
    "xtcocotools": ("xtcocotools==1.14.3", "numpy1"),  # its wheel does not load with NumPy 2
}
SLOW = ("pycocotools", "xtcocotools", "faster-coco-eval")  # one run of these is enough
OURS = {"smallpose": "coco", "smallpose, three protocols": "coco,owned,recall"}


def make_environment(work: Path, name: str, peers: list[str]) -> Path:
    """Return the interpreter of a peers' environment; create it when it does not exist."""
    folder = work / f"env-{name}"
    python = folder / "bin" / "python"
    packages = [PEERS[p][0] for p in peers if PEERS[p][1] == name]
    if packages:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        numpy = ["numpy<2", "matplotlib"] if name == "numpy1" else ["numpy"]
        subprocess.run([python, "-m", "pip", "install", "-q", *numpy, *packages], check=True)
    return python


def time_process(command: list[str], environ: dict[str, str]) -> tuple[float, float, float, str]:
    """Run a process; return wall seconds, CPU seconds, peak MB and its standard output."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ, text=True
    )
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = status
    if status:
        raise SystemExit(f"{' '.join(map(str, command))} failed")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text


def list_commands(
    folder: Path,
    task: str,
    peers: list[str],
    pythons: dict[str, Path],
    versions: dict[str, str],
    intervals: int,
) -> dict[str, list[str]]:
    """Return the command of each evaluator, the reference first.

    Args:
        versions: interpreters of versions of smallpose by what is added to their names.
    """
    out = {}
    for version, python in versions.items():
        if version:
            out |= list_own_commands(folder, python, version, intervals)
    for peer in peers:
        python = str(pythons[PEERS[peer][1]])
        out[peer] = [python, str(HERE / "peer.py"), peer, str(folder), "--task", task]
    return out | list_own_commands(folder, versions[""], "", intervals)


def list_own_commands(
    folder: Path, python: str, version: str, intervals: int
) -> dict[str, list[str]]:
    """Return the commands of a version of smallpose by name."""
    program = str(Path(python).parent / "smallpose")
    usage = subprocess.run([program, "evaluate", "-h"], capture_output=True, text=True, check=True)
    # The peers' truths have width × height of the box as their area, as old versions always had.
    options = ["--oks-area", "box"] if "--oks-area" in usage.stdout else []
    if intervals:
        options += ["--intervals", str(intervals)]
    files = [str(folder / "gt.json"), str(folder / "dt.json")]
    return {
        name + version: [
            program,
            "evaluate",
            *files,
            "--protocol",
            protocol,
            *options,
            "--json",
            "-",
        ]
        for name, protocol in OURS.items()
    }


def read_metrics(text: str) -> dict[str, float | None]:
    """Read the metrics that a process printed."""
    data = json.loads(text)
    numbers: dict[str, float | None] = data["protocols"]["coco"] if "protocols" in data else data
    return numbers


def print_table(folder: Path, task: str, commands: dict[str, list[str]], runs: int) -> None:
    """Run all evaluators in turn and print one table."""
    # Compiled bytecode for every evaluator, whatever the caller's environment.
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    rows: dict[str, list[tuple[float, float, float]]] = {}
    numbers: dict[str, dict[str, float | None]] = {}
    for name, command in commands.items():
        if name.startswith("smallpose"):
            time_process(command, environ)  # warms the file cache and writes bytecode
    for turn in range(runs):
        for name, command in commands.items():
            if turn and name in SLOW:
                continue
            wall, cpu, peak, text = time_process(command, environ)
            rows.setdefault(name, []).append((wall, cpu, peak))
            numbers[name] = read_metrics(text)
    meta = json.loads((folder / "meta.json").read_text())
    size = (
        f"{meta['images']:,} images, {meta['people']:,} people, {meta['detections']:,} detections"
    )
    load = os.getloadavg()[0]
    print(f"\n{task}: {size}; {os.cpu_count()} cores, load {load:.1f}\n")
    first = next(iter(rows))
    print(f"| | wall s | cpu s | peak MB | wall, cpu, peak / {first} | numbers |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, timings in rows.items():
        wall, cpu, peak = (statistics.median(column) for column in zip(*timings, strict=True))
        pairs = list(zip(timings, rows[first], strict=False))
        ratios = ", ".join(
            f"{statistics.median(a[i] / b[i] for a, b in pairs):.3f}" for i in range(3)
        )
        theirs = numbers[first]
        equal = all(numbers[name][key] == value for key, value in theirs.items())
        verdict = "equal" if equal else "DIFFERENT"
        print(f"| {name} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {ratios} | {verdict} |")


def main() -> None:
    """Make missing inputs and environments, then print both tables at each scale."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scales", default="0.1,1")
    parser.add_argument("--keypoints", type=int, default=21)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--tasks", default="paper,one-pass")
    parser.add_argument("--work", type=Path, default=Path("runs/bench/evaluator"))
    parser.add_argument("--other", help="interpreter of another version of smallpose")
    parser.add_argument("--intervals", type=int, default=0, help="resamples; not for peers")
    args = parser.parse_args()
    peers = [p for p in args.peers.split(",") if p]
    args.work.mkdir(parents=True, exist_ok=True)
    versions = {"": sys.executable} | ({", other version": args.other} if args.other else {})
    pythons = {name: make_environment(args.work, name, peers) for name in ("peers", "numpy1")}
    for scale in args.scales.split(","):
        folder = args.work / f"x{scale}-{args.keypoints}"
        if not (folder / "meta.json").exists():
            make = [sys.executable, str(HERE / "synthetic_data.py"), str(folder), "--scale", scale]
            subprocess.run([*make, "--keypoints", str(args.keypoints)], check=True)
        for task in args.tasks.split(","):
            commands = list_commands(folder, task, peers, pythons, versions, args.intervals)
            print_table(folder, task, commands, args.runs)


if __name__ == "__main__":
    main()
