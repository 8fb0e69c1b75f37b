"""Time `smallpose evaluate` and other evaluators, each as a process from files to numbers.

    python bench/evaluator.py [--scales 0.1,1] [--runs 5] [--peers hotcoco,…] [--work runs/bench]

Makes the input (bench/evaluator/synthetic_data.py), installs the peers into environments under
--work, checks that all compute the same ten numbers, and times them in turn, A B C A B C. There are
two tasks, because the second is the peers' best case: `paper`, the ten metrics, for which
each peer needs four prepared truths and four runs; `one-pass`, the seven metrics of a single run.
xtcocotools recounts labels, so the prepared truths of the density classes have no effect on it: its
`paper` numbers differ, its time is that of four runs. Peak memory includes mapped pages of the
files. A figure from a busy machine means little: the table shows the load.
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
    folder: Path, task: str, peers: list[str], pythons: dict[str, Path]
) -> dict[str, list[str]]:
    """Return the command of each evaluator, the reference first."""
    out = {}
    for peer in peers:
        python = str(pythons[PEERS[peer][1]])
        out[peer] = [python, str(HERE / "peer.py"), peer, str(folder), "--task", task]
    program = str(Path(sys.executable).parent / "smallpose")
    for name, protocol in OURS.items():
        files = [str(folder / "gt.json"), str(folder / "dt.json")]
        # The peers' truths have width × height of the box as their area.
        options = ["--protocol", protocol, "--oks-area", "box"]
        out[name] = [program, "evaluate", *files, *options, "--json", "-"]
    return out


def read_metrics(text: str) -> dict[str, float | None]:
    """Read the metrics that a process printed."""
    data = json.loads(text)
    numbers: dict[str, float | None] = data["protocols"]["coco"] if "protocols" in data else data
    return numbers


def print_table(
    folder: Path, task: str, peers: list[str], runs: int, pythons: dict[str, Path]
) -> None:
    """Run all evaluators in turn and print one table."""
    # Compiled bytecode for every evaluator, whatever the caller's environment.
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    rows: dict[str, list[tuple[float, float, float]]] = {}
    numbers: dict[str, dict[str, float | None]] = {}
    commands = list_commands(folder, task, peers, pythons)
    for name in OURS:
        time_process(commands[name], environ)  # warms the file cache and writes bytecode
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
    print(f"| | wall s | cpu s | peak MB | wall / {first} | numbers |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, timings in rows.items():
        wall, cpu, peak = (statistics.median(column) for column in zip(*timings, strict=True))
        pairs = zip(timings, rows[first], strict=False)
        ratio = statistics.median(a[0] / b[0] for a, b in pairs)
        theirs = numbers[first]
        equal = all(numbers[name][key] == value for key, value in theirs.items())
        verdict = "equal" if equal else "DIFFERENT"
        print(f"| {name} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {ratio:.3f} | {verdict} |")


def main() -> None:
    """Make missing inputs and environments, then print both tables at each scale."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scales", default="0.1,1")
    parser.add_argument("--keypoints", type=int, default=21)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--tasks", default="paper,one-pass")
    parser.add_argument("--work", type=Path, default=Path("runs/bench/evaluator"))
    args = parser.parse_args()
    peers = [p for p in args.peers.split(",") if p]
    args.work.mkdir(parents=True, exist_ok=True)
    pythons = {name: make_environment(args.work, name, peers) for name in ("peers", "numpy1")}
    for scale in args.scales.split(","):
        folder = args.work / f"x{scale}-{args.keypoints}"
        if not (folder / "meta.json").exists():
            make = [sys.executable, str(HERE / "synthetic_data.py"), str(folder), "--scale", scale]
            subprocess.run([*make, "--keypoints", str(args.keypoints)], check=True)
        for task in args.tasks.split(","):
            print_table(folder, task, peers, args.runs, pythons)


if __name__ == "__main__":
    main()
