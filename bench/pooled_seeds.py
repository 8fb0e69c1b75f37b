"""Average scores, and curves of AP by height, over the seeds of a method.

    python bench/pooled_seeds.py heights CURVE LABEL=RUN[,RUN…] LABEL=RUN[,RUN…] … [--paired]
    python bench/pooled_seeds.py scores TRUTH.json LABEL=FOUND.json[,…] LABEL=… … [--paired]

CURVE is the folder of `smallpose resolution`, which scores each run alone; RUN are folders in
CURVE/results. `heights` prints the mean AP over the runs of a label at each height, the height at
which half of the mean AP is left, and both for the first label against the others: the difference
of AP, and the ratio of the heights. `scores` prints AP, AP_S, AP_M and AP_L of result files of a
whole test set (protocol `coco`), and the differences of the other labels from the first.

Intervals are 95 %: of resamples of the images, the same ones for all, widened by the spread of the
seeds (Student's t), as in the tables of `smallpose report`. With `--paired` the labels have the
same networks in the same order, predicted with other options, and the spread is that of the
networks' differences.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smallpose.core.interval import Interval
from smallpose.evaluation.evaluate import evaluate
from smallpose.evaluation.scoring.bootstrap import (
    compute_difference_interval,
    compute_interval,
    resample_metrics,
)
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import read_results
from smallpose.report.inputs.scores import widen_by_seeds
from smallpose.resolution.half_height import find_crossing
from smallpose.resolution.scores import draw_resamples, match_height

NUM_RESAMPLES = 1000
METRICS = ("AP", "AP_S", "AP_M", "AP_L")


@dataclass(frozen=True)
class SeedCurves:
    """The curves of the seeds of a method through one sensor.

    Args:
        heights: (h,) px, rising.
        ap: (s, h) AP of each seed.
        resampled: (b, h) mean AP over the seeds under resamples of the images.
        num_images: that were resampled.
    """

    heights: np.ndarray
    ap: np.ndarray
    resampled: np.ndarray
    num_images: int

    def measure(self, index):
        """Return the mean AP at a height with its interval, in points."""
        return measure_mean(self.ap[:, index], self.resampled[:, index], self.num_images)

    def subtract(self, other, index, is_paired):
        """Return the mean AP minus that of another method, in points."""
        resamples = self.resampled[:, index] - other.resampled[:, index]
        seeds = self.ap[:, index], other.ap[:, index]
        return subtract_means(*seeds, resamples, self.num_images, is_paired)

    def find_log_half(self, ap):
        """Return the (b,) logarithm of the height at which half of the AP is left.

        Below the smallest height it is that of the smallest.
        """
        return np.log(np.maximum(find_crossing(self.heights, ap), self.heights[0]))

    @property
    def log_half(self):
        """Return the logarithms for the mean curve, for (b,) its resamples and for (s,) seeds."""
        mean = float(self.find_log_half(self.ap.mean(axis=0)[None])[0])
        return mean, self.find_log_half(self.resampled), self.find_log_half(self.ap)

    def measure_half(self):
        """Return the height in px at which half of the mean AP is left, with its interval."""
        mean, resampled, seeds = self.log_half
        return exponentiate(widen_by_seeds(take_percentiles(mean, resampled), [seeds]))

    def divide_half(self, other, is_paired):
        """Return that height divided by another method's."""
        (one, resampled, seeds), (two, others, other_seeds) = self.log_half, other.log_half
        of_images = take_percentiles(one - two, resampled - others)
        spread = [seeds - other_seeds] if is_paired else [seeds, other_seeds]
        return exponentiate(widen_by_seeds(of_images, spread))


def subtract_means(one, two, resamples, num_images, is_paired):
    """Return the mean of one method's seeds minus that of another's, in points.

    Args:
        one, two: (s,) of each seed, 0 to 1.
        resamples: (b,) the difference of the means under resamples of the images.
        num_images: that were resampled.
        is_paired: whether both have the same networks.
    """
    value = float(np.mean(one) - np.mean(two))
    of_images = compute_difference_interval(value, resamples, num_images)
    if of_images is None:
        return Interval(100 * value)
    return widen_by_seeds(of_images, [one - two] if is_paired else [one, two]) * 100


def measure_mean(seeds, resamples, num_images):
    """Return the mean over the seeds with its interval, in points; arguments as above."""
    value = float(np.mean(seeds))
    of_images = compute_interval(value, resamples, num_images)
    if of_images is None:
        return Interval(100 * value)
    widened = widen_by_seeds(of_images, [seeds])
    return Interval(100 * value, 100 * max(widened.low, 0.0), 100 * min(widened.high, 1.0))


def take_percentiles(value, resamples):
    """Return a value with the 95 % interval of its resamples."""
    low, high = np.percentile(resamples, [2.5, 97.5])
    return Interval(value, min(float(low), value), max(float(high), value))


def exponentiate(interval):
    """Return the interval of the exponential."""
    return Interval(*np.exp([interval.value, interval.low, interval.high]).tolist())


def read_curves(curve, runs):
    """Read and score the results of some runs; return their curves by sensor."""
    sensors = json.loads((curve / "curve.json").read_text())["sensors"]
    points = {sensor: [] for sensor in sensors}
    for folder in sorted((curve / "sets").iterdir()):
        sensor, px = folder.name.rsplit("-", 1)
        truth = read_coco(folder / "truth.json")
        num_images = len(truth.images)
        groups = tuple(f"image {number}" for number in range(num_images))
        resamples = draw_resamples(groups, NUM_RESAMPLES, 0)
        scores = []
        for run in runs:
            found = read_results(curve / "results" / run / f"{folder.name}.json", truth)
            scores.append(match_height(truth, found, int(px)).score(resamples))
        points[sensor].append((int(px), num_images, scores))
    return {sensor: join_heights(by_height) for sensor, by_height in points.items()}


def join_heights(by_height):
    """Join the scores of rising heights into curves."""
    ap = [[score.values["AP"] for score in scores] for _, _, scores in by_height]
    resampled = [
        np.mean([score.resampled["AP"] for score in scores], axis=0) for _, _, scores in by_height
    ]
    heights = np.array([px for px, _, _ in by_height], dtype=float)
    return SeedCurves(heights, np.array(ap).T, np.array(resampled).T, by_height[0][1])


def format_interval(interval, sign="", digits=1):
    """Format a value with its interval."""
    if not interval.has_ends:
        return f"{interval.value:{sign}.{digits}f}"
    ends = f"{interval.low:{sign}.{digits}f} to {interval.high:{sign}.{digits}f}"
    return f"{interval.value:{sign}.{digits}f} ({ends})"


def print_row(*cells):
    """Print a row of a Markdown table."""
    print("| " + " | ".join(map(str, cells)) + " |")


def print_heights(curve, groups, is_paired):
    """Print AP by height, the heights of half of it, and the first label against the others."""
    curves = {label: read_curves(curve, runs) for label, runs in groups.items()}
    columns = [(label, sensor) for label, by_sensor in curves.items() for sensor in by_sensor]
    print_row("px", *(f"{label}, {sensor}" for label, sensor in columns))
    print_row("---:", *("---:" for _ in columns))
    shown = [curves[label][sensor] for label, sensor in columns]
    heights = list(enumerate(shown[0].heights.astype(int).tolist()))[::-1]
    for index, px in heights:
        print_row(px, *(format_interval(one.measure(index)) for one in shown))
    print_row("half is left at", *(format_interval(one.measure_half()) for one in shown))
    print_row("by seed", *(list_values(np.exp(one.log_half[2])) for one in shown))
    first, *others = groups
    for label in others:
        print(f"\n{first} minus {label}, AP; below, its height of half the AP by that of {label}\n")
        pairs = [(one, curves[label][sensor]) for sensor, one in curves[first].items()]
        print_row("px", *curves[first])
        print_row("---:", *("---:" for _ in pairs))
        for index, px in heights:
            differences = [one.subtract(other, index, is_paired) for one, other in pairs]
            print_row(px, *(format_interval(difference, "+") for difference in differences))
        ratios = [one.divide_half(other, is_paired) for one, other in pairs]
        print_row("ratio", *(format_interval(ratio, digits=2) for ratio in ratios))


def score_files(truth, paths):
    """Return by metric (s,) values of the files and (b,) their mean under resamples."""
    values, resamples = [], []
    for path in paths:
        result = evaluate(truth, read_results(path, truth), protocols=("coco",))
        drawn = resample_metrics(result.match_counts, ("coco",), 20, NUM_RESAMPLES)["coco"]
        values.append(result.protocols["coco"])
        resamples.append(drawn)
    return {
        name: (
            np.array([one[name] for one in values]),
            np.mean([one[name] for one in resamples], axis=0),
        )
        for name in METRICS
    }


def print_scores(truth_path, groups, is_paired):
    """Print the scores of each label, and those of the others minus those of the first."""
    truth = read_coco(truth_path)
    num_images = len(truth.images)
    scores = {label: score_files(truth, paths) for label, paths in groups.items()}
    print_row("", *METRICS, *(f"{name} by seed" for name in METRICS))
    print_row("---", *("---:" for _ in range(2 * len(METRICS))))
    for label, by_metric in scores.items():
        means = [measure_mean(*by_metric[name], num_images) for name in METRICS]
        seeds = [list_values(100 * by_metric[name][0]) for name in METRICS]
        print_row(label, *(format_interval(mean) for mean in means), *seeds)
    first, *others = scores
    for label in others:
        differences, seeds = [], []
        for name in METRICS:
            (one, draws), (base, base_draws) = scores[label][name], scores[first][name]
            drawn = draws - base_draws
            differences.append(subtract_means(one, base, drawn, num_images, is_paired))
            seeds.append(list_values(100 * (one - base), "+") if is_paired else "")
        cells = [format_interval(difference, "+") for difference in differences]
        print_row(f"{label} minus {first}", *cells, *seeds)


def list_values(values, sign=""):
    """Format values with commas between."""
    return ", ".join(f"{value:{sign}.1f}" for value in values)


def parse_groups(words):
    """Return the names after each label's equals sign."""
    pairs = [word.split("=", 1) for word in words]
    return {label: names.split(",") for label, names in pairs}


def main():
    """Read the results and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("heights", "scores"), help="What is averaged.")
    parser.add_argument("path", type=Path, help="Folder of the curves, or ground truth.")
    parser.add_argument("groups", nargs="+", metavar="LABEL=NAME,NAME", help="Seeds of a label.")
    parser.add_argument("--paired", action="store_true", help="Labels have the same networks.")
    args = parser.parse_args()
    groups = parse_groups(args.groups)
    if args.kind == "heights":
        print_heights(args.path, groups, args.paired)
    else:
        print_scores(args.path, groups, args.paired)


if __name__ == "__main__":
    main()
