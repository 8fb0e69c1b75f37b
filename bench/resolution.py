"""Check `smallpose resolution` with a trained network: reduced people against people drawn small.

    python bench/resolution.py [--run runs/demo/B] [--people 250]

The same synthetic people are reduced from large images to each height, and rendered at that height;
AP, mean OKS, share found and PCK of the network must agree, interval by interval. Afterwards the
share of time that `resolution` spends in the model is measured, for the network and for a program
that takes a tenth of a second an image.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "resolution"))

from drawn_scenes import make_scenes  # noqa: E402
from rendered_small import HEIGHTS, compare_curves  # noqa: E402

from smallpose import create_method  # noqa: E402
from smallpose.catalog.run_method import read_run_method  # noqa: E402
from smallpose.inference import predict_people  # noqa: E402
from smallpose.resolution.scores import METRICS  # noqa: E402

SLOW_PROGRAM = """
import json, sys, time
boxes = json.load(open(sys.argv[2]))
time.sleep(0.1 * len(boxes))
json.dump([], open(sys.argv[3], "w"))
"""


def compare_with_rendered(run: Path, num_people: int) -> bool:
    """Print both curves of a run; return whether all intervals overlap."""
    method = create_method(read_run_method(run), weights=run)

    def predict(truth, _originals, _people, small_images, _sizes):
        images = dict(zip(truth.images.file_names, small_images, strict=True))
        return predict_people(method, truth, None, images.__getitem__)

    agrees = True
    for reduced, rendered in compare_curves(num_people * 3 // 5, num_people, HEIGHTS, predict):
        cells = []
        for metric in METRICS:
            a, b = reduced.intervals[metric], rendered.intervals[metric]
            agrees &= a.overlaps(b)
            cells.append(f"{metric} {a.format(3)} | {b.format(3)}")
        print(f"{reduced.px:3d} px, reduced | rendered: {'; '.join(cells)}", flush=True)
    return agrees


def measure_shares(run: Path, folder: Path) -> None:
    """Print the last line of two studies: how much of the time was spent in the model."""
    scenes = make_scenes(folder / "scenes", 60)
    program = folder / "slow.py"
    program.write_text(SLOW_PROGRAM)
    slow = f"{sys.executable} {program} {{images}} {{boxes}} {{out}}"
    for name, words in {"network": [str(run)], "slow program": ["--command", slow]}.items():
        command = [sys.executable, "-m", "smallpose", "resolution", str(scenes.truth_path)]
        command += ["--images", str(scenes.images), "--out", str(folder / name), *words]
        start = time.perf_counter()
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - start
        print(f"{name}: {result.stdout.splitlines()[-1]}; whole process {seconds:.1f} s")


def main() -> None:
    """Run both checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/demo/B"))
    parser.add_argument("--people", type=int, default=250)
    args = parser.parse_args()
    agrees = compare_with_rendered(args.run, args.people)
    print("all intervals overlap" if agrees else "some intervals do not overlap")
    with tempfile.TemporaryDirectory() as folder:
        measure_shares(args.run, Path(folder))
    sys.exit(not agrees)


if __name__ == "__main__":
    main()
