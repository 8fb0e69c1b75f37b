"""A build from the five published layouts recovers the synthetic data set."""

from pathlib import Path

import numpy as np
import pytest

import smallpose
from smallpose.core.instances import SOURCES, Instances
from smallpose.core.sizes import MEDIUM_BELOW, SMALL_BELOW
from smallpose.dataset.builder.build import BuildOptions, build_dataset
from smallpose.dataset.verify import check_set
from smallpose.sources import READERS

# px; half a pixel where the format has integer coordinates.
ROUNDING = {"coco": 0.5, "mpii": 0.5, "aic": 0.5, "hieve": 0.5, "posetrack": 0.51}


@pytest.fixture(scope="module")
def synthetic(tiny_synthetic) -> Path:
    return tiny_synthetic


@pytest.fixture(scope="module")
def built(synthetic, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("built") / "set"
    build_dataset({s: synthetic / s for s in READERS}, out, BuildOptions(seed=1))
    return out


def group_by_image(people: Instances) -> dict[str, np.ndarray]:
    rows: dict[str, list[int]] = {}
    for row in np.flatnonzero(people.is_counted).tolist():
        rows.setdefault(people.images.file_names[people.image_rows[row]], []).append(row)
    return {name: np.array(r) for name, r in rows.items()}


def read_splits(built: Path) -> list[Instances]:
    return [smallpose.read_coco(built / "annotations" / f"{s}.json") for s in ("train", "test")]


def match_people(built: Path, synthetic: Path):
    """Yield (built table, row, truth table, row) of every person in the data set."""
    truth = smallpose.read_coco(synthetic / "truth.json")
    truth_rows = group_by_image(truth)
    for part in read_splits(built):
        for name, rows in group_by_image(part).items():
            candidates = truth_rows[name]
            assert len(rows) == len(candidates), f"{name}: people are missing or added"
            distance = np.abs(
                part.keypoints[rows][:, None, :, :2] - truth.keypoints[candidates][None, :, :, :2]
            ).max(axis=(2, 3))
            partner = distance.argmin(axis=1)
            assert len(set(partner.tolist())) == len(rows), f"{name}: two rows match one person"
            for row, p in zip(rows, partner, strict=True):
                yield part, row, truth, candidates[p]


def test_every_person_is_recovered_within_the_rounding_of_the_format(built, synthetic):
    sources = set()
    for part, row, truth, other in match_people(built, synthetic):
        source = SOURCES[part.source[row]]
        sources.add(source)
        is_labelled = truth.keypoints[other][:, 2] > 0
        error = np.abs(part.keypoints[row] - truth.keypoints[other])[is_labelled, :2].max()
        assert error <= ROUNDING[source] + 1e-6, f"{source}: {error:.3f} px off"
    assert sources == set(READERS), "some sources are missing"


def test_visibility_is_recovered_as_far_as_the_source_has_it(built, synthetic):
    for part, row, truth, other in match_people(built, synthetic):
        assert np.array_equal(part.keypoints[row][:, 2], truth.keypoints[other][:, 2])


def test_size_classes_follow_each_sources_box_rule(built, synthetic):
    limits = np.array([SMALL_BELOW, MEDIUM_BELOW])
    for part, row, truth, other in match_people(built, synthetic):
        assert part.box_rule[row] == truth.box_rule[other]
        error = np.abs(part.boxes_xywh[row] - truth.boxes_xywh[other]).max()
        assert error <= 1.5, f"{SOURCES[part.source[row]]}: box {error:.2f} px off"
        # An error of one pixel per side may change the class near a limit, but not far from it.
        margin = 1.5 * truth.boxes_xywh[other, 2:].sum() + 3
        if np.abs(limits - truth.area[other]).min() > margin:
            assert part.size_class[row] == truth.size_class[other]


def test_every_image_with_a_small_person_is_selected_with_all_its_people(built, synthetic):
    truth = smallpose.read_coco(synthetic / "truth.json")
    names = {n for part in read_splits(built) for n in part.images.file_names}
    for name, rows in group_by_image(truth).items():
        source, frame = name.split("/")[0], name.rsplit("/", 1)[1]
        if source == "hieve" and int(frame.split(".")[0]) % 20:
            continue  # only every twentieth frame of a video is read
        area = truth.area[rows]
        if ((truth.size_class[rows] == 0) & (area < SMALL_BELOW * 0.95)).any():
            assert name in names, f"{name} shows a small person"


def test_the_data_set_passes_check_and_its_card_says_synthetic(built):
    findings, _ = check_set(built, 1)
    assert findings == []
    assert "**Synthetic.**" in (built / "README.md").read_text()


def test_no_video_is_in_both_splits(built):
    train, test = (set(p.images.groups) - {""} for p in read_splits(built))
    assert train
    assert test
    assert not train & test
