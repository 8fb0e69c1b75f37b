"""People are the annotations of the right categories, and a note names what was left out."""

import json

import numpy as np
import pytest

import smallpose
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_annotations_slow import read_coco_slow
from smallpose.io.coco_results import read_results

RACKET = ["handle", "throat", "top"]
PEOPLE = list(COCO17.joints)


def make_annotation(annotation_id, category_id, num_joints=17, **more):
    record = {"id": annotation_id, "image_id": 1, "category_id": category_id, "iscrowd": 0}
    record |= {"bbox": [10, 10, 30, 40], "area": 1200, "num_keypoints": num_joints}
    return record | {"keypoints": [12, 13, 2] * num_joints} | more


def save(tmp_path, categories, annotations, name="truth.json"):
    images = [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 64}]
    records = [
        {"id": category_id, "name": name} | ({"keypoints": joints} if joints else {})
        for category_id, name, joints in categories
    ]
    path = tmp_path / name
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": records})
    )
    return path


def read_both(path, assert_same_table, **options):
    """Read with the fast and the slow reader, which must agree."""
    people = read_coco(path, **options)
    wanted = options.get("category", ())
    assert_same_table(
        people, read_coco_slow(path, category=(wanted,) if isinstance(wanted, str) else wanted)
    )
    return people


def test_person_is_found_in_any_case_behind_another_category(tmp_path, assert_same_table):
    annotations = [make_annotation(1, 1, 3), make_annotation(2, 2), make_annotation(3, 2)]
    path = save(tmp_path, [(1, "racket", RACKET), (2, "Person", PEOPLE)], annotations)
    people = read_both(path, assert_same_table)
    assert people.ids.tolist() == [2, 3]
    assert people.skeleton is COCO17
    assert people.category_ids == (2,)
    assert people.notes == (
        "category used: Person (id 2); left out: racket (id 1) with 1 annotation",
    )


def test_without_that_name_the_categories_with_joints_of_people_are_used(
    tmp_path, assert_same_table
):
    categories = [(1, "racket", RACKET), (2, "man", PEOPLE), (3, "woman", PEOPLE)]
    annotations = [make_annotation(1, 2), make_annotation(2, 3), make_annotation(3, 1, 3)]
    people = read_both(save(tmp_path, categories, annotations), assert_same_table)
    assert people.ids.tolist() == [1, 2]
    assert people.category_ids == (2, 3)
    (note,) = people.notes
    assert note == (
        "categories used: man (id 2), woman (id 3); left out: racket (id 1) with 1 annotation"
    )


def test_two_ids_called_person_are_both_read_and_named(tmp_path, assert_same_table):
    categories = [(0, "person", PEOPLE), (1, "person", PEOPLE)]
    annotations = [make_annotation(1, 0), make_annotation(2, 1)]
    people = read_both(save(tmp_path, categories, annotations), assert_same_table)
    assert len(people) == 2
    assert people.notes == ("categories used: person (id 0), person (id 1)",)


def test_a_person_category_without_joints_goes_before_objects_with_joints(
    tmp_path, assert_same_table
):
    categories = [(1, "racket", RACKET), (2, "person", [])]
    annotations = [make_annotation(1, 1, 3), make_annotation(2, 2)]
    people = read_both(save(tmp_path, categories, annotations), assert_same_table)
    assert people.ids.tolist() == [2]
    assert people.skeleton is COCO17


def test_boxes_called_person_beside_poses_of_another_name_are_not_the_people(
    tmp_path, assert_same_table
):
    categories = [(1, "person", []), (2, "pose", PEOPLE)]
    box = make_annotation(1, 1, 0)
    people = read_both(save(tmp_path, categories, [box, make_annotation(2, 2)]), assert_same_table)
    assert people.ids.tolist() == [2]


def test_an_ordinary_file_has_no_note(tmp_path, assert_same_table):
    categories = [(1, "person", PEOPLE), (2, "bicycle", [])]
    people = read_both(save(tmp_path, categories, [make_annotation(1, 1)]), assert_same_table)
    assert people.notes == ()


@pytest.mark.parametrize("wanted", ["racket", "RACKET", "1", ("racket",)])
def test_a_category_is_chosen_by_name_in_any_case_or_by_id(tmp_path, assert_same_table, wanted):
    annotations = [make_annotation(1, 1, 3), make_annotation(2, 2)]
    path = save(tmp_path, [(1, "racket", RACKET), (2, "person", PEOPLE)], annotations)
    people = read_both(path, assert_same_table, category=wanted)
    assert people.skeleton.joints == tuple(RACKET)
    assert people.ids.tolist() == [1]


def test_the_fast_reader_reads_files_of_several_categories(tmp_path, without_slow_readers):
    categories = [(1, "man", PEOPLE), (2, "woman", PEOPLE)]
    path = save(tmp_path, categories, [make_annotation(1, 1), make_annotation(2, 2)])
    assert read_coco(path).category_ids == (1, 2)
    for category in (["man", "woman"], [1, 2]):
        assert read_coco(path, category=category).category_ids == (1, 2)


REFUSED = {
    "unknown": ([(1, "person", PEOPLE)], "cat", "has no such category; use one of person"),
    "no categories": ([], "cat", "has no such category; leave --category out"),
    "other joints": (
        [(1, "person", PEOPLE), (2, "racket", RACKET)],
        ("person", "racket"),
        "person and racket have different joints",
    ),
    "one id twice": (
        [(0, "person", PEOPLE), (0, "car", PEOPLE), (1, "person", PEOPLE)],
        (),
        "categories[0] and [1]: 'person' and 'car' both have id 0",
    ),
}


@pytest.mark.parametrize(("categories", "wanted", "words"), REFUSED.values(), ids=REFUSED)
def test_a_choice_that_cannot_be_made_is_one_line(tmp_path, categories, wanted, words):
    path = save(tmp_path, categories, [make_annotation(1, 1)])
    with pytest.raises(InputError) as caught:
        read_coco(path, category=wanted)
    assert words in str(caught.value)


def test_a_category_that_is_repeated_as_it_is_does_no_harm(tmp_path, assert_same_table):
    categories = [(1, "person", PEOPLE), (1, "person", PEOPLE)]
    people = read_both(save(tmp_path, categories, [make_annotation(1, 1)]), assert_same_table)
    assert len(people) == 1


WITHOUT_KEYPOINTS = {
    "instances": ([(1, "person", []), (2, "car", [])], {"keypoints": None}, 1),
    "empty lists": ([(1, "person", [])], {"keypoints": []}, 1),
    "empty lists and joints": ([(1, "person", PEOPLE)], {"keypoints": []}, 1),
    "no categories": ([], {"keypoints": None}, 1),
}


@pytest.mark.parametrize(
    ("categories", "changes", "category_id"), WITHOUT_KEYPOINTS.values(), ids=WITHOUT_KEYPOINTS
)
def test_a_file_without_keypoints_is_one_line_or_boxes(tmp_path, categories, changes, category_id):
    record = make_annotation(1, category_id, 0, **changes)
    crowd = make_annotation(2, category_id, 0, iscrowd=1, **changes)
    path = save(tmp_path, categories, [record, crowd])
    with pytest.raises(InputError, match=r"of its 2 annotations.* has keypoints; give a file with"):
        read_coco(path)
    people = read_coco(path, keypoints_required=False)
    assert len(people) == 2
    assert len(people.skeleton) == 0
    assert people.keypoints.shape == (2, 0, 3)
    assert not people.is_counted.any()


def test_one_category_per_joint_is_one_line(tmp_path):
    categories = [(i, name, [name]) for i, name in enumerate(PEOPLE)]
    path = save(tmp_path, categories, [make_annotation(i, i, 1) for i in range(17)])
    with pytest.raises(InputError, match="each of its 17 categories is one joint, such as 'nose'"):
        read_coco(path)


def test_a_file_without_people_is_no_file_without_keypoints(tmp_path):
    categories = [(1, "person", PEOPLE), (2, "car", [])]
    people = read_coco(save(tmp_path, categories, [make_annotation(1, 2, 0)]))
    assert len(people) == 0
    assert "left out: car (id 2) with 1 annotation" in people.notes[0]


def test_null_and_whole_floats_are_read_as_integers_and_flags(tmp_path, assert_same_table):
    plain = make_annotation(1, 1, area=None)
    odd = plain | {"id": 1.0, "image_id": 1.0, "category_id": 1.0, "iscrowd": None}
    odd |= {"num_keypoints": 17.0, "segmentation": None, "source": None, "box_rule": None}
    path = save(tmp_path, [(1, "person", PEOPLE)], [plain])
    expected = read_coco(path)
    assert_same_table(read_coco(save(tmp_path, [(1, "person", PEOPLE)], [odd])), expected)
    coco = json.loads(path.read_text())
    coco["images"][0] |= {"id": 1.0, "width": 64.0, "height": None, "group": None}
    coco["categories"][0] |= {"id": 1.0, "skeleton": None}
    (tmp_path / "floats.json").write_text(json.dumps(coco))
    people = read_coco(tmp_path / "floats.json")
    assert np.array_equal(people.keypoints, expected.keypoints)
    assert (people.images.width.tolist(), people.images.height.tolist()) == ([64], [0])
    coco["annotations"][0]["iscrowd"] = 0.5
    (tmp_path / "half.json").write_text(json.dumps(coco))
    with pytest.raises(InputError, match=r"annotations\[0\].*: Expected .*: iscrowd"):
        read_coco(tmp_path / "half.json")


def test_null_and_whole_floats_are_read_in_results(tmp_path):
    truth = read_coco(save(tmp_path, [(7, "person", PEOPLE)], [make_annotation(1, 7)]))
    record = {"image_id": 1.0, "category_id": 7.0, "keypoints": [1.5] * 51, "score": 1}
    path = tmp_path / "results.json"
    for changes in ({}, {"category_id": None}, {"bbox": None, "file_name": None}):
        path.write_text(json.dumps([record | changes]))
        assert read_results(path, truth).image_ids.tolist() == [1]
    path.write_text(json.dumps([record | {"image_id": 1.5}]))
    with pytest.raises(InputError, match=r"entry\[0\]: Expected .*image_id"):
        read_results(path, truth)


def test_several_categories_score_as_pycocotools_without_categories(
    tmp_path, random_coco, score_with_pycocotools
):
    for seed in range(6):
        coco, results = random_coco(seed, num_images=10, max_people=5)
        coco["categories"] = [
            {"id": category_id, "name": name, "keypoints": PEOPLE}
            for category_id, name in ((3, "man"), (5, "woman"))
        ]
        rng = np.random.default_rng(seed)
        scores = rng.permutation(len(results)) / len(results)  # ties would go by category there
        for record in [*coco["annotations"], *results]:
            record["category_id"] = int(rng.choice([3, 5]))
        for annotation in coco["annotations"]:
            annotation["area"] = annotation["bbox"][2] * annotation["bbox"][3]
        for result, score in zip(results, scores.tolist(), strict=True):
            result["score"] = score
        (tmp_path / "t.json").write_text(json.dumps(coco))
        (tmp_path / "r.json").write_text(json.dumps(results))
        truth = read_coco(tmp_path / "t.json")
        result = smallpose.evaluate(truth, read_results(tmp_path / "r.json", truth))
        expected = score_with_pycocotools(coco, results, (3, 5))
        assert [result["coco"][name] for name in ("AP", "AP50", "AP75", "AR")] == expected
