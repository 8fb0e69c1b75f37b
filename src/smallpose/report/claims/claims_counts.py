"""Printed counts and shares, made again from other printed counts (Table 1, COCO's files).

Nothing here knows which of them are wrong: a count that is not what it is said to be, or a share
that does not round to what is printed, is found.
"""

import itertools
from collections.abc import Callable, Sequence

from smallpose.core.sizes import SIZES
from smallpose.report.claims.claim import Cell, Claim, Finding, judged
from smallpose.report.claims.interval import Span, exact, printed, rounds_to
from smallpose.report.inputs.paper_values import Paper, Split

Check = Callable[[Paper], Finding]

# Keypoint annotations of COCO 2017, counted in its files: people with keypoints, not crowd.
COCO_IMAGES = {"train2017": 118_287, "val2017": 5_000}
COCO_PEOPLE = {"train2017": 149_813, "val2017": 6_352}
COCO_SMALL_BY_BOX = 72_310  # of both splits, box below 128 × 96 px²
ALIKE = 10.0  # per cent by which two crowds may differ and still be called alike


def same(what: str, said: Span, made: Span, how: str) -> Cell:
    """Whether a printed number may be the one made again; the span is by how far it is off."""
    return Cell(what, said - made, said.meets(made), how)


def _sizes_of_train(paper: Paper) -> Finding:
    """The text's three numbers against Table 1: cell by cell and by their sum."""
    table, said = paper.table1["train"], paper.text.train_sizes
    total, test = paper.table1["total"], paper.table1["test"]
    cells = [
        same(
            f"{name} people of train",
            exact(said[k]),
            exact(total.sizes[k] - test.sizes[k]),
            f"the text has {said[k]:,}, Table 1 {table.sizes[k]:,}; "
            f"total minus test is {total.sizes[k] - test.sizes[k]:,}",
        )
        for k, name in enumerate(SIZES)
    ]
    made = total.people - test.people
    how = f"the text's three add up to {sum(said):,}, total minus test to {made:,}"
    return judged([*cells, same("all people of train", exact(sum(said)), exact(made), how)])


def _table_1_adds_up(paper: Paper) -> Finding:
    train, test, total = (paper.table1[s].sizes for s in ("train", "test", "total"))
    cells = [
        same(
            f"{name} people of the total",
            exact(total[k]),
            exact(train[k] + test[k]),
            f"{train[k]:,} + {test[k]:,} = {train[k] + test[k]:,}, printed {total[k]:,}",
        )
        for k, name in enumerate(SIZES)
    ]
    return judged(cells)


def _ratio(split: str) -> Check:
    def check(paper: Paper) -> Finding:
        sizes = paper.table1[split].sizes
        said: Sequence[str] = getattr(paper.text, f"{split}_ratio")
        whole = sum(sizes)
        cells = []
        for name, n, text in zip(SIZES, sizes, said, strict=True):
            share = 100 * n / whole
            how = f"{n:,} of {whole:,} are {share:.2f} %, printed {text}"
            span = exact(float(text)) - exact(share)
            cells.append(Cell(f"{name} people of {split}", span, rounds_to(share, text), how))
        return judged(cells)

    return check


def _train_and_test_are_alike(paper: Paper) -> Finding:
    train, test = (paper.table1[s].people_per_image for s in ("train", "test"))
    if train is None or test is None:
        return judged([])
    a, b = printed(f"{train:.2f}"), printed(f"{test:.2f}")
    more = (b / a + exact(-1.0)) * 100
    how = f"{test:.2f} people per test image against {train:.2f}"
    return judged([Cell("per cent more people in a test image", more, more.within(ALIKE), how)])


def _abstract(paper: Paper) -> Finding:
    total, text = paper.table1["total"], paper.text
    images = [images_of(paper.table1[s]) for s in ("train", "test")]
    cells = [_over("people", exact(total.people), text.people_over)]
    cells.append(_over("small people", exact(total.sizes[0]), text.small_over))
    if images[0] is not None and images[1] is not None:
        cells.append(_over("images", images[0] + images[1], text.images_over))
    return judged(cells)


def images_of(split: Split) -> Span | None:
    """Images of a split, or what its people and its people per image say of them."""
    if split.images is not None:
        return exact(split.images)
    mean = split.people_per_image
    return None if mean is None else exact(split.people) / printed(f"{mean:.2f}")


def _people_per_image(paper: Paper) -> Finding:
    cells = []
    for name, split in paper.table1.items():
        if split.images is None or split.people_per_image is None:
            continue
        mean, said = split.people / split.images, f"{split.people_per_image:.2f}"
        how = f"{split.people:,} / {split.images:,} = {mean:.3f}, printed {said}"
        span = exact(float(said)) - exact(mean)
        cells.append(Cell(f"people per image of {name}", span, rounds_to(mean, said), how))
    return judged(cells)


def _over(what: str, number: Span, limit: int) -> Cell:
    span = number - exact(limit)
    return Cell(f"{what} above {limit:,}", span, span.above(0.0), f"{number.text(0)} {what}")


def _coco_people(paper: Paper) -> Finding:
    """Which splits of COCO together have that many people, and which that many images."""
    said = paper.text.coco_people
    train = COCO_PEOPLE["train2017"]
    how = f"train2017 has {train:,}"
    named = _splits_with(COCO_PEOPLE, said)
    if named:
        how += f"; {said:,} is {named}"
    people = Cell("people of COCO's training set", exact(said) - exact(train), said == train, how)
    number = paper.text.coco_images
    same = number == COCO_IMAGES["train2017"]
    known = COCO_IMAGES["train2017"]
    images = Cell(
        "images of COCO's training set",
        exact(number) - exact(known),
        same,
        f"train2017 has {known:,}",
    )
    return judged([people, images])


def _splits_with(counts: dict[str, int], number: int) -> str:
    for size in range(1, len(counts) + 1):
        for names in itertools.combinations(counts, size):
            if sum(counts[n] for n in names) == number:
                return " + ".join(names)
    return ""


def _coco_small_share(paper: Paper) -> Finding:
    text = paper.text
    share = 100 * text.coco_small / text.coco_people
    how = f"{text.coco_small:,} of {text.coco_people:,} are {share:.2f} %"
    span = exact(float(text.coco_small_share)) - exact(share)
    return judged(
        [Cell("share of small people", span, rounds_to(share, text.coco_small_share), how)]
    )


def _coco_small_by_box(paper: Paper) -> Finding:
    said, made = paper.text.coco_small, COCO_SMALL_BY_BOX
    whole = sum(COCO_PEOPLE.values())
    how = (
        f"by box area {made:,} of {whole:,} ({100 * made / whole:.1f} %) are below 128×96; printed "
        f"{said:,} ({100 * said / whole:.1f} %)"
    )
    return judged([Cell("COCO's small people by box area", exact(said - made), said == made, how)])


COUNTS: tuple[tuple[Claim, Check], ...] = (
    (
        Claim(
            "D19",
            "abstract, Sec. 3.2",
            "More than {images_over:,} images and {people_over:,} people, {small_over:,} of them "
            "small",
            "Table 1's totals, train and test together",
        ),
        _abstract,
    ),
    (
        Claim(
            "E1",
            "Sec. 3.2",
            "Train has {train_sizes[0]:,} small, {train_sizes[1]:,} medium and {train_sizes[2]:,} "
            "large people",
            "Table 1: total minus test, size by size and together",
        ),
        _sizes_of_train,
    ),
    (
        Claim("E2", "Table 1", "Train and test add up to the total", "train + test, size by size"),
        _table_1_adds_up,
    ),
    (
        Claim(
            "E3",
            "Sec. 3.2",
            "Sizes in train stand as {train_ratio[0]}:{train_ratio[1]}:{train_ratio[2]}",
            "shares of Table 1, rounded",
        ),
        _ratio("train"),
    ),
    (
        Claim(
            "E4",
            "Sec. 3.2",
            "Sizes in test stand as {test_ratio[0]}:{test_ratio[1]}:{test_ratio[2]}",
            "shares of Table 1, rounded",
        ),
        _ratio("test"),
    ),
    (
        Claim(
            "E5",
            "Sec. 3.2",
            "In all {total_ratio[0]} % are small, {total_ratio[1]} % medium, {total_ratio[2]} % "
            "large",
            "shares of Table 1, rounded",
        ),
        _ratio("total"),
    ),
    (
        Claim(
            "E6",
            "Sec. 3.2",
            "COCO's training set has {coco_images:,} images and {coco_people:,} people",
            "people and images in COCO's own keypoint files",
        ),
        _coco_people,
    ),
    (
        Claim(
            "E7",
            "Sec. 3.2",
            "{coco_small:,} small people are {coco_small_share} % of COCO's",
            "small people of all",
        ),
        _coco_small_share,
    ),
    (
        Claim(
            "E8",
            "Sec. 3.1, 3.2",
            "{coco_small:,} people of COCO are small by the area of their box",
            "boxes below 128×96 px² in COCO's own keypoint files",
        ),
        _coco_small_by_box,
    ),
    (
        Claim(
            "E16",
            "Table 1",
            "People per image are people divided by images",
            "people / images of train and test, rounded",
        ),
        _people_per_image,
    ),
    (
        Claim(
            "N1",
            "Table 1",
            "Train and test images are alike (not said)",
            f"people per image differ by no more than {ALIKE:g} %",
        ),
        _train_and_test_are_alike,
    ),
)
