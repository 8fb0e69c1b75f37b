"""Compare the time to read COCO files with that of another version of smallpose, such as the last.

    git worktree add /tmp/before COMMIT && cd /tmp/before && python setup.py build_ext --inplace
    python bench/reading.py --before /tmp/before [--scale 0.3] [--runs 7] [--work runs/bench]

Both versions read the same files in turn, A B A B, each time in a new process; the process reports
the CPU seconds of reading alone. The files are those of bench/evaluator.py, and the annotations
once more with what COCO's own files have besides: polygons, masks as texts, captions. Printed are
the medians of both and the median of the ratios of neighbouring runs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "bench" / "evaluator" / "synthetic_data.py"
READ = """
import sys, time
import smallpose
smallpose.read_coco, smallpose.read_results
what, truth_path, results_path = sys.argv[1:]
if what == "results":
    truth = smallpose.read_coco(truth_path)
start = time.process_time()
if what == "results":
    table = smallpose.read_results(results_path, truth)
else:
    table = smallpose.read_coco(truth_path)
print(time.process_time() - start, len(table))
"""


def write_rich_annotations(source: Path, target: Path) -> None:
    """Write the annotations with polygons, run-length encoded masks and captions."""
    rng = np.random.default_rng(0)
    coco = json.loads(source.read_text())
    letters = [chr(c) for c in range(48, 112)]
    for person in coco["annotations"]:
        polygon = (rng.random(int(rng.integers(20, 120))) * 900).round(2).tolist()
        counts = "".join(rng.choice(letters, 200))
        person["segmentation"] = [polygon] if person["id"] % 4 else {"counts": counts}
        person["caption"] = "Zwei Leute \u00fcberqueren \u201edie\u201c Stra\u00dfe\n" * 2
    target.write_text(json.dumps(coco, ensure_ascii=False))


def measure(source: Path, what: str, truth: Path, results: Path) -> tuple[float, int]:
    """Return the CPU seconds of one reading in a new process, and the rows that were read."""
    environment = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", READ, what, str(truth), str(results)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    seconds, rows = done.stdout.split()
    return float(seconds), int(rows)


def main() -> None:
    """Prepare the files and print one row per file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--before", type=Path, help="checkout of another version, built in place")
    parser.add_argument("--scale", type=float, default=0.3)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "bench")
    args = parser.parse_args()
    if args.before is None:
        print("reading is compared with another version only: see --before")
        return
    folder = args.work / f"reading-{args.scale:g}"
    truth, results, rich = folder / "gt.json", folder / "dt.json", folder / "rich.json"
    if not rich.exists():
        command = [sys.executable, str(DATA), str(folder), "--scale", str(args.scale)]
        subprocess.run(command, check=True)
        write_rich_annotations(truth, rich)
    print(f"load {os.getloadavg()[0]:.1f}; CPU seconds, medians of {args.runs}")
    print("| file | MB | before | now | ratio |\n|---|---:|---:|---:|---:|")
    for what, path in (("annotations", truth), ("annotations", rich), ("results", results)):
        pairs = []
        for _ in range(args.runs):
            file = truth if what == "results" else path
            before = measure(args.before / "src", what, file, results)
            now = measure(ROOT / "src", what, file, results)
            assert before[1] == now[1]
            pairs.append((before[0], now[0]))
        old, new = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in pairs)
        size = path.stat().st_size / 1e6
        print(f"| {path.name} | {size:.0f} | {old:.3f} | {new:.3f} | {ratio:.3f} |", flush=True)


if __name__ == "__main__":
    main()
