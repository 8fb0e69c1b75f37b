"""Printed scores, made again from other printed scores (Tables 2 to 5), and what rows must obey."""

from collections.abc import Callable

import numpy as np

from smallpose.core.density import DENSITIES
from smallpose.report.claims.claim import Cell, Claim, Finding, judged
from smallpose.report.claims.claims_counts import images_of, same
from smallpose.report.claims.interval import Span, exact, printed
from smallpose.report.inputs.paper_values import Paper, ResultRow, format_method_label

Check = Callable[[Paper], Finding]
NEAR = 0.5  # points; most rows of the tables keep within 0.35
RANKED = 5.0  # points; with boxes drawn by people AR − AP is about 1


def _gain(text: str, metric: str, one: int, other: int) -> Check:
    """A printed gain against the difference of two rows of Table 5."""

    def check(paper: Paper) -> Finding:
        upper, lower = paper.table5[one], paper.table5[other]
        a, b = upper.metric(metric), lower.metric(metric)
        if a is None or b is None:
            return judged([])
        made = printed(f"{a:.1f}") - printed(f"{b:.1f}")
        # The mean of five has more digits than one decimal shows.
        made = Span(a - b, a - b - (made.high - made.value), a - b + (made.high - made.value))
        said: str = getattr(paper.text, text)
        how = f"{a:g} − {b:g} = {a - b:.2f}, printed {said}"
        cell = same(
            f"{metric}, {upper.trained_on} above {lower.trained_on}", printed(said), made, how
        )
        return judged([cell])

    return check


def _pair(text: str, one: str, other: str) -> Check:
    def check(paper: Paper) -> Finding:
        a, b = paper.rows[one, "B"].ap_s, paper.rows[other, "B"].ap_s
        made = printed(f"{a:.1f}") - printed(f"{b:.1f}")
        said: str = getattr(paper.text, text)
        how = f"{a:.1f} − {b:.1f} = {a - b:.1f}, printed {said}"
        return judged(
            [
                same(
                    f"AP_S, {format_method_label(one)} above {format_method_label(other)}",
                    printed(said),
                    made,
                    how,
                )
            ]
        )

    return check


def _rows_agree(paper: Paper) -> Finding:
    """Table 5 repeats two rows of Table 2."""
    cells = []
    for scale, setting in ((paper.table5[0], "A"), (paper.table5[-1], "B")):
        row = paper.rows["simple_baseline_r50", setting]
        for metric in ("AP", "AP_S", "AP_L"):
            a, b = scale.metric(metric), row.metric(metric)
            if a is not None and b is not None:
                cells.append(
                    same(
                        f"{metric} of {scale.trained_on}",
                        exact(a),
                        exact(b),
                        f"Table 5 {a:g}, Table 2 {b:g}",
                    )
                )
    return judged(cells)


def _ap_is_made_of_its_classes(paper: Paper) -> Finding:
    """AP of all lies near the mean of the three sizes, weighted by the people of the test set."""
    sizes = paper.table1["test"].sizes
    cells = []
    for (method, setting), row in paper.rows.items():
        made = _weighted(row, sizes)
        if made is not None:
            off = printed(f"{row.ap:.1f}") - made
            how = f"AP {row.ap:.1f}, the sizes' weighted mean {made.value:.1f}"
            cells.append(
                Cell(f"{format_method_label(method)} {setting}", off, off.within(NEAR), how)
            )
    return judged(cells)


def _weighted(row: ResultRow, sizes: tuple[int, int, int]) -> Span | None:
    if row.ap_m is None or row.ap_l is None:
        return None
    parts = zip((row.ap_s, row.ap_m, row.ap_l), sizes, strict=True)
    made = sum(ap * n for ap, n in parts) / sum(sizes)
    return Span(made, made - 0.05, made + 0.05)


def _recall_is_above(paper: Paper) -> Finding:
    """AP averages precisions that are nowhere above 1 up to the recall reached, so AR bounds it."""
    cells = []
    for (method, setting), row in paper.rows.items():
        span = printed(f"{row.ar:.1f}") - printed(f"{row.ap:.1f}")
        how = f"AR {row.ar:.1f}, AP {row.ap:.1f}"
        cells.append(
            Cell(
                f"{format_method_label(method)} {setting}: AR above AP", span, span.above(0.0), how
            )
        )
    return judged(cells)


def _scores_rank(paper: Paper) -> Finding:
    cells = []
    for (method, setting), row in paper.rows.items():
        span = printed(f"{row.ar:.1f}") - printed(f"{row.ap:.1f}")
        how = f"AR {row.ar:.1f}, AP {row.ap:.1f}"
        cells.append(
            Cell(
                f"{format_method_label(method)} {setting}: AR − AP", span, span.within(RANKED), how
            )
        )
    return judged(cells)


def _densities_weigh_alike(paper: Paper) -> Finding:
    """AP_S is nearly the densities' AP weighted by their people; the weights fit the rows."""
    rows = list(paper.rows.values())
    classes = np.array([(r.sparse, r.moderate, r.dense) for r in rows])
    small = np.array([r.ap_s for r in rows])
    # The third weight is what the other two leave.
    base = classes[:, 2]
    columns = classes[:, :2] - base[:, None]
    weights, *_ = np.linalg.lstsq(columns, small - base, rcond=None)
    residual = small - base - columns @ weights
    error = np.sqrt(
        residual @ residual / (len(rows) - 2) * np.linalg.inv(columns.T @ columns)[1, 1]
    )
    shares = [*weights.tolist(), 1 - float(weights.sum())]
    words = ", ".join(f"{n} {100 * w:.0f} %" for n, w in zip(DENSITIES, shares, strict=True))
    value, reach = 100 * shares[1], 196 * float(error)
    span = Span(value, value - reach, value + reach)
    holds = True if span.high <= 50 else False if span.low > 50 else None
    return judged([Cell("per cent of AP_S that moderate people make", span, holds, words)])


def _variance(paper: Paper) -> Finding:
    a, b = paper.text.variance, paper.text.variance_crowdpose
    span = printed(a) - printed(b)
    # With n images a variance s² is uncertain by about s² √(2 / n) (normal values).
    images = _all_images(paper)
    error = 1.96 * float(b) * (2 / images.value) ** 0.5 if images is not None else 0.0
    wide = Span(span.value, span.low - error, span.high + error)
    how = f"{a} against {b}, printed without intervals"
    if images is not None:
        how += f"; {images.value:,.0f} images alone leave ±{error:.3f}"
    return judged([Cell("variance of the entropy above CrowdPose's", wide, wide.above(0.0), how)])


def _all_images(paper: Paper) -> Span | None:
    parts = [images_of(paper.table1[s]) for s in ("train", "test")]
    return None if parts[0] is None or parts[1] is None else parts[0] + parts[1]


SCORES: tuple[tuple[Claim, Check], ...] = (
    (
        Claim(
            "E9",
            "supplement",
            "The five subsets' mean AP is {subsets_ap} above COCO's",
            "Table 5: subsets − COCO",
        ),
        _gain("subsets_ap", "AP", 1, 0),
    ),
    (
        Claim(
            "E10",
            "supplement",
            "The five subsets' mean AP_S is {subsets_ap_s} above COCO's",
            "Table 5: subsets − COCO",
        ),
        _gain("subsets_ap_s", "AP_S", 1, 0),
    ),
    (
        Claim(
            "E11",
            "supplement",
            "The whole set is {full_set_ap} AP above the subsets",
            "Table 5: whole − subsets",
        ),
        _gain("full_set_ap", "AP", 2, 1),
    ),
    (
        Claim(
            "E12",
            "supplement",
            "The whole set is {full_set_ap_s} AP_S above the subsets",
            "Table 5: whole − subsets",
        ),
        _gain("full_set_ap_s", "AP_S", 2, 1),
    ),
    (
        Claim(
            "E13",
            "Sec. 6.2",
            "ResNet is {resnet_over_hrnet} AP_S above HRNet (SimpleBaseline, B)",
            "Table 2: SimpleBaseline − HRNet",
            "this is the arithmetic; what it says about backbones is C8",
        ),
        _pair("resnet_over_hrnet", "simple_baseline_r50", "hrnet_w32"),
    ),
    (
        Claim(
            "E14",
            "Sec. 6.2",
            "RTMO is {rtmo_over_cid} AP_S above CID (B)",
            "Table 2: RTMO − CID",
            "this is the arithmetic; what it says about backbones is C8",
        ),
        _pair("rtmo_over_cid", "rtmo_s", "cid_hrnet_w32"),
    ),
    (
        Claim(
            "E15",
            "Table 4, supplement",
            "The variance of the scene entropy is significantly above CrowdPose's",
            "the printed variances, with what rounding and the number of images leave open",
            "the table's head says variation, the text variance; we compute the variance. The "
            "difference is as small as rounding and chance, so only the entropies of both sets' "
            "images could tell: give them with --scenes",
        ),
        _variance,
    ),
    (
        Claim("N2", "Tables 2, 5", "Rows that stand in both tables agree", "the same cells"),
        _rows_agree,
    ),
    (
        Claim(
            "N3",
            "Tables 2, 3",
            "AP is what the sizes' AP make of it (not said)",
            f"AP within {NEAR} of the mean of AP_S, AP_M, AP_L weighted by people",
            "only rows of which we have all four numbers",
        ),
        _ap_is_made_of_its_classes,
    ),
    (
        Claim("N4", "Tables 2, 3", "AR is above AP in every row (not said)", "AR − AP"),
        _recall_is_above,
    ),
    (
        Claim(
            "N6",
            "Tables 2, 3",
            "Scores rank poses well in every row (not said)",
            f"AR no more than {RANKED:g} above AP",
            "good poses with scores in the wrong order have a high AR and a low AP",
        ),
        _scores_rank,
    ),
    (
        Claim(
            "N7",
            "Tables 2, 3",
            "The three densities weigh alike in AP_S (not said)",
            "shares that make AP_S of the densities' AP, least squares over all rows: moderate no "
            "more than half",
            "a class of few people has a low AP under coco even when they are found as well as all",
        ),
        _densities_weigh_alike,
    ),
)
