from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.io.coco_annotations import read_coco
from smallpose.stats.counts import Counts, build_table1, count_by_source, count_people


def make_people(sides: list[tuple[float, float]], labelled: int = 17, **more: object) -> Instances:
    """One image per person, boxes of the given widths and heights."""
    n = len(sides)
    images = make_images(range(1, n + 1), [f"{i}.jpg" for i in range(n)], source=1)
    keypoints = np.zeros((n, 21, 3))
    keypoints[:, :labelled] = (10.0, 10.0, 2.0)
    boxes = [(0.0, 0.0, w, h) for w, h in sides]
    return make_instances(SMALLPOSE, images, range(n), boxes, keypoints, source=1, **more)  # type: ignore[arg-type]


SMALL, MEDIUM, LARGE = (40.0, 100.0), (128.0, 96.0), (256.0, 192.0)


def test_each_person_is_in_one_size_class():
    counts = count_people(make_people([SMALL, SMALL, MEDIUM, LARGE]))
    assert counts.sizes == (2, 1, 1)
    assert sum(counts.sizes) == counts.people == counts.images == 4


def test_only_small_people_have_a_density_class():
    # 17 of COCO's 17 points in 1,200 px² are dense, 17 in 4,000 moderate (paper, Sec. 4.2).
    counts = count_people(make_people([(30.0, 40.0), SMALL, MEDIUM, LARGE]))
    assert counts.densities == (0, 1, 1)


def test_crowd_regions_and_people_without_keypoints_are_counted_as_ignored_only():
    table = make_people(
        [SMALL, SMALL, LARGE], num_keypoints=[17, 0, 17], iscrowd=[False, False, True]
    )
    assert count_people(table) == Counts(
        images=1, images_in_file=3, people=1, sizes=(1, 0, 0), densities=(0, 1, 0), ignored=2
    )


def test_a_box_without_area_is_in_no_size_class():
    counts = count_people(make_people([SMALL, (0.0, 50.0)]))
    assert counts.people == 2
    assert counts.sizes == (1, 0, 0)


def test_an_empty_table_has_zeros():
    counts = count_people(make_people([]))
    assert counts.people == counts.images == 0
    assert np.isnan(counts.people_per_image)


def test_the_counts_of_the_sources_are_those_of_the_table():
    first, second = make_people([SMALL, MEDIUM]), make_people([LARGE, LARGE, SMALL])
    mixed = first.take(np.array([], dtype=np.intp))
    assert count_by_source(mixed)["coco"].people == 0
    parts = count_by_source(second)
    assert list(parts) == ["coco"]
    assert parts["coco"] == count_people(second)


def test_table_1_adds_up_in_every_column():
    table = build_table1(make_people([SMALL, SMALL, MEDIUM]), make_people([LARGE, SMALL]))
    train, test, total = table.rows["train"], table.rows["test"], table.rows["total"]
    assert train + test == total
    assert total.to_dict() == {
        key: train.to_dict()[key] + test.to_dict()[key] for key in train.to_dict()
    }


def test_table_1_has_the_papers_layout(golden: Callable[[str, str], None]):
    table = build_table1(
        make_people([SMALL] * 56 + [MEDIUM] * 36 + [LARGE] * 8), make_people([SMALL, LARGE])
    )
    golden("stats_table1.md", table.to_markdown() + "\n")


@pytest.mark.parametrize(
    ("file", "images", "sizes", "densities"),
    [
        (
            "coco/annotations/person_keypoints_val2017.subset538.json.gz",
            538,
            (613, 450, 291),
            (86, 527, 0),
        ),
        ("coco/val_subset250/val_subset.json.gz", 250, (155, 110, 64), (29, 126, 0)),
        ("other/crowdpose/crowdpose_val.json.gz", 2000, (1963, 1700, 3411), (266, 1697, 0)),
    ],
)
def test_real_files_have_their_known_counts(
    real: Path,
    file: str,
    images: int,
    sizes: tuple[int, int, int],
    densities: tuple[int, int, int],
):
    counts = count_people(read_coco(real / file))
    assert (counts.images_in_file, counts.sizes, counts.densities) == (images, sizes, densities)
    assert counts.people == sum(sizes)


def test_density_uses_the_number_of_joints_of_the_skeleton():
    images = make_images([1], ["a.jpg"])
    keypoints = np.full((1, 17, 3), 2.0)
    table = make_instances(COCO17, images, [0], [[0, 0, 30, 40]], keypoints)
    assert count_people(table).densities == (0, 0, 1)
