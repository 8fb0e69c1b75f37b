"""The same people are found in every file, whoever is missing and whatever is wrong with them."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.evaluation.annotators.match_annotators import match_annotators
from smallpose.evaluation.annotators.measure import measure_annotators
from smallpose.evaluation.annotators.outliers import find_outliers


@pytest.fixture
def three(make_people, annotate):
    """Three annotators of 60 people in 20 images; ids say who is who."""
    rng = np.random.default_rng(0)
    people = make_people(rng, 60, per_image=3)
    return {name: annotate(people, rng, COCO17.sigmas) for name in "abc"}


def list_ids(tables):
    return {tuple(ids) for ids in match_annotators(tables).ids}


def test_people_are_matched_whatever_their_order(three):
    rng = np.random.default_rng(1)
    shuffled = {n: t.take(rng.permutation(len(t))) for n, t in three.items()}
    assert list_ids(shuffled) == {(i, i, i) for i in range(1, 61)}


def test_a_person_whom_one_annotator_left_out_is_matched_in_the_others(three):
    three["a"] = three["a"].take(np.arange(5, 60))
    three["b"] = three["b"].take(np.arange(0, 58))
    table = match_annotators(three)
    assert set(table.ids) == {
        (i if i > 5 else None, i if i <= 58 else None, i) for i in range(1, 61)
    }
    assert table.left_out["people labelled in one file only"] == 0


def test_people_side_by_side_are_not_exchanged(three):
    """All people of an image at nearly the same place, a third of their width apart."""
    tables = {}
    for name, table in three.items():
        keypoints = table.keypoints.copy()
        width = table.boxes_xywh[:, 2]
        place = np.arange(60) % 3 * width[table.image_rows * 3] / 3
        keypoints[:, :, 0] += (place - table.boxes_xywh[:, 0])[:, None]
        tables[name] = replace(table, keypoints=keypoints)
    assert list_ids(tables) == {(i, i, i) for i in range(1, 61)}


def test_images_with_other_ids_are_matched_by_file_name_and_by_its_last_part(three):
    images = three["b"].images
    names = tuple(f"export/images/{name}" for name in images.file_names)
    moved = replace(images, ids=images.ids[::-1] + 500, file_names=names)
    three["b"] = replace(three["b"], images=moved)
    del three["c"]
    assert list_ids(three) == {(i, i) for i in range(1, 61)}


def test_files_of_other_images_are_refused(three):
    images = replace(three["b"].images, file_names=tuple(f"x{i}.jpg" for i in range(20)))
    three["b"] = replace(three["b"], images=images)
    with pytest.raises(InputError, match="b: none of its images is in the other files; give"):
        match_annotators(three)


def test_files_of_other_people_are_refused(three):
    three["b"].keypoints[:, :, 1] += 5000
    del three["c"]
    with pytest.raises(InputError, match="no person is labelled in two of the files"):
        match_annotators(three)


def test_joints_are_matched_by_name(three):
    order = [*range(16, -1, -1)]
    turned = replace(
        three["b"], skeleton=COCO17.take(order), keypoints=three["b"].keypoints[:, order]
    )
    straight, by_name = match_annotators(three), match_annotators(three | {"b": turned})
    assert np.array_equal(straight.keypoints, by_name.keypoints)


def test_joints_that_one_file_lacks_are_measured_in_the_others(three):
    three["a"] = three["a"].to_skeleton(SMALLPOSE)
    report = measure_annotators(three)
    assert report.not_measured.keys() == {"head_top", "head_bottom", "chest", "pelvis"}
    assert report.joints[0].people == 60


def test_a_copy_is_refused_and_copied_people_are_left_out(three):
    with pytest.raises(InputError, match="one file is a copy"):
        match_annotators({"a": three["a"], "b": three["a"]})
    three["b"].keypoints[:7] = three["a"].keypoints[:7]
    table = match_annotators({"a": three["a"], "b": three["b"]})
    assert len(table) == 53
    assert table.left_out["people with the same joints in two files (copied labels)"] == 7


def test_a_joint_far_off_is_an_outlier_of_the_annotator_who_placed_it(three):
    clean = measure_annotators(three)
    three["b"].keypoints[7, 9, :2] += 400
    report = measure_annotators(three)
    (one,) = report.outliers
    assert (one.ids, one.joint, one.annotators) == ((8, 8, 8), "left_wrist", ("b",))
    assert one.kind == "far off"
    assert report.joints[9].with_outliers > 2 * report.joints[9].sigma.value
    assert report.joints[9].sigma.value == pytest.approx(clean.joints[9].sigma.value, rel=0.03)
    kept = measure_annotators(three, keep_outliers=True)
    assert kept.joints[9].sigma.value == report.joints[9].with_outliers


def test_exchanged_sides_are_named_once_and_of_two_annotators_either_may_be_wrong(three):
    for name in "abc":  # shoulders far apart, so that exchanging them shows
        three[name].keypoints[:, 5, 0] += 60
    keypoints = three["b"].keypoints
    keypoints[4, [5, 6]] = keypoints[4, [6, 5]]
    (one,) = measure_annotators(three).outliers
    assert (one.kind, one.joint, one.annotators) == ("sides exchanged", "left_shoulder", ("b",))
    del three["c"]
    (one,) = measure_annotators(three).outliers
    assert one.annotators == ("a", "b")


def test_a_person_with_all_sides_exchanged_is_matched_and_named(three):
    flip = COCO17.flip_indices
    three["c"].keypoints[10] = three["c"].keypoints[10][flip]
    table = match_annotators(three)
    assert (11, 11, 11) in table.ids
    is_out, outliers = find_outliers(table)
    assert {one.kind for one in outliers} == {"sides exchanged"}
    assert not is_out[:, :2].any()


def test_normal_errors_are_no_outliers(make_people, annotate):
    rng = np.random.default_rng(9)
    people = make_people(rng, 2000, per_image=1)
    tables = {name: annotate(people, rng, COCO17.sigmas) for name in "abc"}
    _, outliers = find_outliers(match_annotators(tables))
    assert not outliers
