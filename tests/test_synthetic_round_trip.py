"""End to end: the builder recovers the synthetic world through the five published layouts."""

from pathlib import Path

import numpy as np
import pytest

import smallpose
from smallpose.core.instances import SOURCES, Instances
from smallpose.core.sizes import MEDIUM_BELOW, SMALL_BELOW
from smallpose.dataset.builder.build import BuildOptions, build_dataset
from smallpose.dataset.verify import check_set
from smallpose.sources import READERS
from smallpose.synthetic import make_synthetic_dataset

# Half a pixel where a format keeps whole ones, next to nothing where it keeps decimals.
ROUNDING = {"coco": 0.5, "mpii": 0.5, "aic": 0.5, "hieve": 0.5, "posetrack": 0.51}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("world") / "world"
    make_synthetic_dataset(out, size="tiny", seed=11)
    return out


@pytest.fixture(scope="module")
def built(world, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("built") / "set"
    build_dataset({s: world / s for s in READERS}, out, BuildOptions(seed=1))
    return out


def by_image(people: Instances) -> dict[str, np.ndarray]:
    rows: dict[str, list[int]] = {}
    for row in np.flatnonzero(people.is_counted).tolist():
        rows.setdefault(people.images.file_names[people.image_rows[row]], []).append(row)
    return {name: np.array(r) for name, r in rows.items()}


def splits(built: Path) -> list[Instances]:
    return [smallpose.read_coco(built / "annotations" / f"{s}.json") for s in ("train", "test")]


def matched(built: Path, world: Path):
    """(built table, row, truth table, row) of every person in the set."""
    truth = smallpose.read_coco(world / "truth.json")
    wanted = by_image(truth)
    for part in splits(built):
        for name, rows in by_image(part).items():
            candidates = wanted[name]
            assert len(rows) == len(candidates), f"{name}: people lost or made up"
            far = np.abs(
                part.keypoints[rows][:, None, :, :2] - truth.keypoints[candidates][None, :, :, :2]
            ).max(axis=(2, 3))
            partner = far.argmin(axis=1)
            assert len(set(partner.tolist())) == len(rows), f"{name}: two rows match one person"
            for row, p in zip(rows, partner, strict=True):
                yield part, row, truth, candidates[p]


def test_every_person_is_recovered_within_the_rounding_of_the_format(built, world):
    seen = set()
    for part, row, truth, other in matched(built, world):
        source = SOURCES[part.source[row]]
        seen.add(source)
        labelled = truth.keypoints[other][:, 2] > 0
        far = np.abs(part.keypoints[row] - truth.keypoints[other])[labelled, :2]
        assert far.max() <= ROUNDING[source] + 1e-6, f"{source}: {far.max():.3f} px off"
    assert seen == set(READERS), "every source is in the set"


def test_visibility_is_recovered_as_far_as_the_source_has_it(built, world):
    for part, row, truth, other in matched(built, world):
        assert np.array_equal(part.keypoints[row][:, 2], truth.keypoints[other][:, 2])


def test_size_classes_follow_each_sources_box_rule(built, world):
    limits = np.array([SMALL_BELOW, MEDIUM_BELOW])
    for part, row, truth, other in matched(built, world):
        assert part.box_rule[row] == truth.box_rule[other]
        far = np.abs(part.boxes_xywh[row] - truth.boxes_xywh[other]).max()
        assert far <= 1.5, f"{SOURCES[part.source[row]]}: box {far:.2f} px off"
        # A box a pixel larger each way may cross a limit; farther away it must not.
        slack = 1.5 * truth.boxes_xywh[other, 2:].sum() + 3
        if np.abs(limits - truth.area[other]).min() > slack:
            assert part.size_class[row] == truth.size_class[other]


def test_every_image_with_a_small_person_is_selected_with_all_its_people(built, world):
    truth = smallpose.read_coco(world / "truth.json")
    names = {n for part in splits(built) for n in part.images.file_names}
    for name, rows in by_image(truth).items():
        source, frame = name.split("/")[0], name.rsplit("/", 1)[1]
        if source == "hieve" and int(frame.split(".")[0]) % 20:
            continue  # only every twentieth frame of a video is taken
        area = truth.area[rows]
        if ((truth.size_class[rows] == 0) & (area < SMALL_BELOW * 0.95)).any():
            assert name in names, f"{name} holds a small person"


def test_the_data_set_passes_check_and_its_card_says_synthetic(built):
    findings, _ = check_set(built, 1)
    assert findings == []
    assert "**Synthetic.**" in (built / "README.md").read_text()


def test_no_video_is_in_both_splits(built):
    train, test = (set(p.images.groups) - {""} for p in splits(built))
    assert train
    assert test
    assert not train & test
