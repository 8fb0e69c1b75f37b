"""Compare the CPU time of a report of result files with that of scoring the same files.

    python bench/report_of_files.py [--people 10000] [--runs 3] [--max-files 20]

Makes a ground truth and result files without images, then runs, in turn, `smallpose report` on two
of them and `smallpose evaluate --intervals 200` on each of the two. The ratio is that of the
medians of CPU seconds. With --max-files the size of a page of so many files is printed.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import smallpose
from smallpose.core.skeleton import COCO17

IMAGE_WH = np.array([1280.0, 960.0])
HEIGHTS = (14.0, 700.0)  # px, of the people; their logarithms are spread evenly
PEOPLE_PER_IMAGE = 3.4


def make_truth(num_people: int) -> smallpose.Instances:
    """Make people of all heights, with a quarter of their joints not labelled."""
    rng = np.random.default_rng(0)
    num_images = round(num_people / PEOPLE_PER_IMAGE)
    names = [f"{index}.jpg" for index in range(num_images)]
    size = [np.full(num_images, int(side)) for side in IMAGE_WH]
    images = smallpose.make_images(np.arange(1, num_images + 1), names, *size)
    height = np.exp(rng.uniform(*np.log(HEIGHTS), num_people))
    wh = np.stack([height / 2.2, height], axis=1)
    corner = rng.random((num_people, 2)) * (IMAGE_WH - wh)
    v = np.where(rng.random((num_people, 17, 1)) < 0.25, 0.0, 2.0)
    xy = corner[:, None] + rng.uniform(0.05, 0.95, (num_people, 17, 2)) * wh[:, None]
    return smallpose.make_instances(
        COCO17,
        images,
        np.sort(rng.integers(0, num_images, num_people)),
        np.concatenate([corner, wh], axis=1),
        np.concatenate([xy * (v > 0), v], axis=2),
    )


def make_results(truth: smallpose.Instances, seed: int) -> smallpose.Predictions:
    """Make noisy poses of nine people in ten, and false positives near every third person."""
    rng = np.random.default_rng(seed)
    detected = np.flatnonzero(rng.random(len(truth)) < 0.9)
    shifted = rng.choice(len(truth), len(truth) // 3)
    people = np.concatenate([detected, shifted])
    height = truth.boxes_xywh[people, 3][:, None, None]
    noise = np.exp(rng.normal(-4 + 0.03 * seed, 0.9, len(people)))[:, None, None]
    shift = np.zeros((len(people), 1, 2))
    shift[len(detected) :] = rng.normal(0, 0.25, (len(shifted), 1, 2))
    poses: NDArray[np.float64] = truth.keypoints[people].copy()
    errors = noise * rng.normal(0, 1, (len(people), 17, 2)) + shift
    poses[:, :, :2] = np.round(poses[:, :, :2] + errors * height, 2)
    scores = np.round(np.clip(rng.normal(0.6, 0.2, len(people)) - 2 * noise[:, 0, 0], 0.01, 1), 4)
    image_ids = truth.images.ids[truth.image_rows[people]]
    boxes = np.round(truth.boxes_xywh[people], 2)
    return smallpose.make_predictions(COCO17, image_ids, poses, scores, boxes)


def main() -> None:
    """Make the files, time the commands and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--people", type=int, default=10_000, help="labelled people")
    parser.add_argument("--runs", type=int, default=3, help="runs of each command")
    parser.add_argument("--max-files", type=int, default=20, help="files of the largest page")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = make_truth(args.people)
        smallpose.write_coco(truth, folder / "truth.json")
        files = [folder / f"{seed}.json" for seed in range(max(args.max_files, 2))]
        for seed, file in enumerate(files):
            smallpose.write_results(make_results(truth, seed), file)
        measure_times(folder, files[:2], args.runs)
        if args.max_files >= 2:
            report(folder, files)
            num_bytes = (folder / "report" / "index.html").stat().st_size
            print(f"a page of {len(files)} files: {num_bytes / 1e6:.1f} MB")


def measure_times(folder: Path, files: list[Path], num_runs: int) -> None:
    """Print the CPU seconds of both commands and their ratio."""
    reports, evaluations = [], []
    truth = str(folder / "truth.json")
    for _ in range(num_runs):
        reports.append(report(folder, files))
        commands = [["evaluate", truth, str(file), "--intervals", "200"] for file in files]
        evaluations.append(sum(run_command(command) for command in commands))
    one, other = statistics.median(reports), statistics.median(evaluations)
    print(f"report {one:.2f} s CPU, evaluate of both files {other:.2f} s, ratio {one / other:.2f}")


def report(folder: Path, files: list[Path]) -> float:
    """Make a report of the files; return its CPU seconds."""
    paths = [folder / "truth.json", *files]
    return run_command(["report", *map(str, paths), "--out", str(folder / "report")])


def run_command(words: list[str]) -> float:
    """Run one command of smallpose; return its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "smallpose", *words], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
