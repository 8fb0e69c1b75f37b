"""Recompute the numbers that the paper prints from other numbers that it prints.

Nothing in here knows which of them are wrong.
"""

from collections.abc import Callable, Iterator

import numpy as np

from smallpose.core.density import DENSITIES
from smallpose.core.interval import Interval
from smallpose.core.sizes import SIZES
from smallpose.report.claims.cells import PaperSource
from smallpose.report.claims.claim import Assertion, Comparison, Key, Relation, compare_numbers
from smallpose.report.claims.datasets import NAMES, OWN
from smallpose.report.inputs.paper_values import (
    TABLE_5_METHOD,
    TABLE_5_SETTINGS,
    EntropyRow,
    Paper,
    ResultRow,
    format_method_label,
)

Comparisons = Iterator[Comparison]
exact = Interval.exact
SIMILAR = 10.0  # per cent by which two sets of images may differ and still be called alike
NEAR = 0.5  # points; most rows of the tables stay within 0.35
RANKED = 5.0  # points; with boxes drawn by people AR − AP is about 1
# Keypoint annotations of COCO 2017, counted in its files: people with keypoints, not crowd.
COCO_IMAGES = {"train2017": 118_287, "val2017": 5_000}
COCO_PEOPLE = {"train2017": 149_813, "val2017": 6_352}
COCO_SMALL_BY_BOX = 72_310  # of both splits, box below 128 × 96 px²


def compare_totals(paper: Paper) -> Comparisons:
    """Compare Table 1's totals with the limits of the abstract."""
    text, table = paper.text, paper.table1
    numbers = {"people": table["total"].people, "small people": table["total"].sizes[0]}
    limits = {"people": text.people_over, "small people": text.small_over}
    if table["train"].images is not None and table["test"].images is not None:
        numbers["images"] = table["train"].images + table["test"].images
        limits["images"] = text.images_over
    for what, number in numbers.items():
        difference = exact(number - limits[what])
        yield compare_numbers(
            f"{what} above {limits[what]:,}", difference, "above", how=f"{number:,} {what}"
        )


def compare_train_sizes(paper: Paper) -> Comparisons:
    """Compare the text's sizes of train with total minus test, size by size and together."""
    text, table = paper.text.train_sizes, paper.table1
    computed = [a - b for a, b in zip(table["total"].sizes, table["test"].sizes, strict=True)]
    for k, size in enumerate(SIZES):
        how = (
            f"the text has {text[k]:,}, Table 1 {table['train'].sizes[k]:,}; total minus test is "
            f"{computed[k]:,}"
        )
        yield compare_numbers(
            f"{size} people of train", exact(text[k] - computed[k]), "equals", how=how
        )
    how = f"the text's three add up to {sum(text):,}, total minus test to {sum(computed):,}"
    difference = exact(sum(text) - sum(computed))
    yield compare_numbers("all people of train", difference, "equals", how=how)


def compare_table_1(paper: Paper) -> Comparisons:
    """Compare the total with train plus test, size by size."""
    rows = [paper.table1[split].sizes for split in ("train", "test", "total")]
    for size, train, test, total in zip(SIZES, *rows, strict=True):
        how = f"{train:,} + {test:,} = {train + test:,}, printed {total:,}"
        difference = exact(total - train - test)
        yield compare_numbers(f"{size} people of the total", difference, "equals", how=how)


def compare_ratio(split: str, paper: Paper) -> Comparisons:
    """Compare the shares of sizes in a split with those printed."""
    people, printed = paper.table1[split].people, getattr(paper.text, f"{split}_ratio")
    for size, number, text in zip(SIZES, paper.table1[split].sizes, printed, strict=True):
        yield _compare_share(f"{size} people of {split}", number, people, text)


def compare_coco_share(paper: Paper) -> Comparisons:
    """Compare the share of small people in COCO with the printed one."""
    text = paper.text
    share = text.coco_small_share
    yield _compare_share("share of small people", text.coco_small, text.coco_people, share)


def _compare_share(what: str, part: int, total: int, printed: str) -> Comparison:
    share = 100 * part / total
    how = f"{part:,} of {total:,} are {share:.2f} %, printed {printed}"
    return _compare_rounded(what, share, printed, how)


def _compare_rounded(what: str, number: float, printed: str, how: str) -> Comparison:
    """Check whether a number rounds to a printed one."""
    half_unit = Interval.printed(printed).high - float(printed)
    return compare_numbers(what, exact(float(printed) - number), "within", half_unit, how)


def compare_people_per_image(paper: Paper) -> Comparisons:
    """Compare the printed people per image with people divided by images."""
    for name, split in paper.table1.items():
        if split.images is not None and split.people_per_image is not None:
            mean, printed = split.people / split.images, f"{split.people_per_image:.2f}"
            how = f"{split.people:,} / {split.images:,} = {mean:.3f}, printed {printed}"
            yield _compare_rounded(f"people per image of {name}", mean, printed, how)


def compare_splits(paper: Paper) -> Comparisons:
    """Compare people per image of test with those of train, in per cent."""
    train, test = (paper.table1[split].people_per_image for split in ("train", "test"))
    if train is not None and test is not None:
        ratio = Interval.printed(f"{test:.2f}") / Interval.printed(f"{train:.2f}")
        how = f"{test:.2f} people per test image against {train:.2f}"
        what = "per cent more people in a test image"
        yield compare_numbers(what, (ratio - exact(1.0)) * 100, "within", SIMILAR, how)


def compare_coco_set(paper: Paper) -> Comparisons:
    """Compare the printed size of COCO's training set with its files."""
    people, images = paper.text.coco_people, paper.text.coco_images
    how = f"train2017 has {COCO_PEOPLE['train2017']:,}"
    if people == sum(COCO_PEOPLE.values()):
        how += f"; {people:,} is {' + '.join(COCO_PEOPLE)}"
    difference = exact(people - COCO_PEOPLE["train2017"])
    yield compare_numbers("people of COCO's training set", difference, "equals", how=how)
    difference = exact(images - COCO_IMAGES["train2017"])
    how = f"train2017 has {COCO_IMAGES['train2017']:,}"
    yield compare_numbers("images of COCO's training set", difference, "equals", how=how)


def compare_coco_boxes(paper: Paper) -> Comparisons:
    """Compare the printed number of small people in COCO with their boxes."""
    printed, people = paper.text.coco_small, sum(COCO_PEOPLE.values())
    how = (
        f"by box area {COCO_SMALL_BY_BOX:,} of {people:,} ({100 * COCO_SMALL_BY_BOX / people:.1f} "
        f"%) are below 128×96; printed {printed:,} ({100 * printed / people:.1f} %)"
    )
    difference = exact(printed - COCO_SMALL_BY_BOX)
    yield compare_numbers("COCO's small people by box area", difference, "equals", how=how)


def compare_gain(name: str, left: Key, right: Key, paper: Paper) -> Comparisons:
    """Compare a gain in the text with the difference of two printed cells."""
    source, printed = PaperSource(paper), getattr(paper.text, name)
    one, other = source.value(left), source.value(right)
    if one is not None and other is not None:
        gain = one - other
        how = f"{one.value:g} − {other.value:g} = {gain.value:.4g}, printed {printed}"
        what, _ = source.describe(Assertion(left, "above", right))
        yield compare_numbers(what, Interval.printed(printed) - gain, "equals", how=how)


def compare_repeated_rows(paper: Paper) -> Comparisons:
    """Compare the rows of Table 5 that repeat rows of Table 2."""
    for trained_on, setting in TABLE_5_SETTINGS.items():
        row = paper.rows[TABLE_5_METHOD, setting]
        for metric, repeated in paper.table5[trained_on].to_dict().items():
            value = row.metric(metric)
            if repeated is not None and value is not None:
                yield compare_numbers(
                    f"{metric} of {trained_on}",
                    exact(repeated - value),
                    "equals",
                    how=f"Table 5 {repeated:g}, Table 2 {value:g}",
                )


def compare_size_means(paper: Paper) -> Comparisons:
    """Compare AP with the mean of the sizes' AP, weighted by people of the test set."""
    sizes = paper.table1["test"].sizes
    for name, row in _name_rows(paper):
        mean = float(np.average((row.ap_s, row.ap_m, row.ap_l), weights=sizes))
        difference = _printed(row.ap) - Interval(mean, mean - 0.05, mean + 0.05)
        how = f"AP {row.ap:.1f}, the sizes' weighted mean {mean:.1f}"
        yield compare_numbers(name, difference, "within", NEAR, how)


def compare_recall(relation: Relation, limit: float, paper: Paper) -> Comparisons:
    """Compare AR with AP, row by row.

    AP averages precisions of at most 1 up to the recall reached, so it is at most AR.
    """
    for name, row in _name_rows(paper):
        if row.ar is not None:
            difference = _printed(row.ar) - _printed(row.ap)
            how = f"AR {row.ar:.1f}, AP {row.ap:.1f}"
            yield compare_numbers(f"{name}: AR − AP", difference, relation, limit, how)


def compare_density_weights(paper: Paper) -> Comparisons:
    """Compare the weight of moderate people in AP_S with one half.

    AP_S is nearly the mean of the densities' AP, weighted by their people; least squares over all
    rows finds the weights.
    """
    rows = list(paper.rows.values())
    classes = np.array([(row.sparse, row.moderate, row.dense) for row in rows])
    # The weights add up to 1, so the third follows from the other two.
    columns = classes[:, :2] - classes[:, 2:]
    target = np.array([row.ap_s for row in rows]) - classes[:, 2]
    weights, *_ = np.linalg.lstsq(columns, target, rcond=None)
    residual = target - columns @ weights
    variance = residual @ residual / (len(rows) - 2) * np.linalg.inv(columns.T @ columns)[1, 1]
    shares = [*weights.tolist(), 1 - float(weights.sum())]
    how = ", ".join(f"{name} {100 * w:.0f} %" for name, w in zip(DENSITIES, shares, strict=True))
    value, half_width = 100 * shares[1], 196 * float(np.sqrt(variance))
    share = Interval(value, value - half_width, value + half_width)
    yield compare_numbers("per cent of AP_S that moderate people make", share, "at most", 50.0, how)


def compare_entropy_mean(paper: Paper) -> Comparisons:
    """Compare our printed mean of the scene entropy with the others, with the error of chance."""
    # The mean of n values of variance s² has a standard error of √(s² / n).
    return _compare_entropy(paper, "mean", lambda row, n: (row.variance / n) ** 0.5)


def compare_entropy_variance(paper: Paper) -> Comparisons:
    """Compare our printed variance of the scene entropy with the others, likewise."""
    # For normal values, a variance s² of n images has a standard error of s² √(2 / n).
    return _compare_entropy(paper, "variance", lambda row, n: row.variance * (2 / n) ** 0.5)


def _compare_entropy(
    paper: Paper, statistic: str, compute_error: Callable[[EntropyRow, int], float]
) -> Comparisons:
    """Compare a column of Table 4; its intervals are of rounding and of the number of images."""
    ours = NAMES[OWN]
    own = paper.table4[ours]
    images = [paper.table1[split].images for split in ("train", "test")]
    for name, other in paper.table4.items():
        if name == ours:
            continue
        one, two = f"{getattr(own, statistic):.2f}", f"{getattr(other, statistic):.2f}"
        difference, error = Interval.printed(one) - Interval.printed(two), 0.0
        how = f"{one} against {two}, printed without intervals"
        if None not in images:
            num_images = sum(n for n in images if n is not None)
            error = 1.96 * compute_error(other, num_images)
            how += f"; {num_images:,} images alone leave ±{error:.3f}"
        wide = Interval(difference.value, difference.low - error, difference.high + error)
        yield compare_numbers(f"{statistic} of the entropy above {name}'s", wide, "above", how=how)


def _printed(points: float) -> Interval:
    return Interval.printed(f"{points:.1f}")


def _name_rows(paper: Paper) -> Iterator[tuple[str, ResultRow]]:
    for (method, setting), row in paper.rows.items():
        yield f"{format_method_label(method)} {setting}", row
