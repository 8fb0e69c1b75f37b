"""Files in the forms that other tools leave behind: read as they are meant, told, or refused.

Each form was written by the tool in its name; docs/peers.md lists versions and what was measured.
"""

import json

import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.io.coco_annotations import write_coco
from smallpose.io.coco_results import read_results, write_results
from smallpose.io.track_records import read_result_tracks

MASK = [[20, 30, 140, 30, 140, 120]]


def make_person(number, **changes):
    points = [v for j in range(17) for v in (20.5 + 7 * j + number, 30.25 + 5 * j, 2)]
    person = {"id": number, "image_id": number, "category_id": 1, "bbox": [20, 30, 120, 90]}
    person |= {"area": 10800.0, "iscrowd": 0, "num_keypoints": 17, "keypoints": points}
    return {key: value for key, value in (person | changes).items() if value != "gone"}


PEOPLE = [make_person(1), make_person(2)]
IMAGES = [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in (1, 2)]
PERSON = {"id": 1, "name": "person", "keypoints": list(COCO17.joints)}


def make_region(number, person):
    """What sleap-io 0.9.5 writes beside a person with a segmentation."""
    mask = {"counts": [9630, 1, 479, 1], "size": [480, 640]}
    region = {"id": number, "image_id": person["image_id"], "category_id": 1, "iscrowd": 1}
    return region | {"bbox": [20.0, 30.0, 120.0, 90.0], "area": 5430.0, "segmentation": mask}


def detect(person, **changes):
    """Return the result that equals a person."""
    result = {"image_id": person["image_id"], "category_id": 1, "score": 0.9}
    return result | {"keypoints": person["keypoints"]} | changes


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A function that evaluates and checks files; returns AP or None, and what both print."""
    monkeypatch.chdir(tmp_path)

    def run_both(
        people=PEOPLE, results=None, images=IMAGES, categories=(PERSON,), subject="t.json"
    ):
        results = [detect(person) for person in PEOPLE] if results is None else results
        truth = {"images": images, "annotations": people, "categories": list(categories)}
        (tmp_path / "t.json").write_text(json.dumps(truth))
        (tmp_path / "r.json").write_text(json.dumps(results))
        code = main(["evaluate", "t.json", "r.json", "--protocol", "coco", "--json", "-"])
        printed = capsys.readouterr()
        ap = json.loads(printed.out)["protocols"]["coco"]["AP"] if code == 0 else None
        main(["check", subject, *(["--truth", "t.json"] if subject == "r.json" else [])])
        checked = capsys.readouterr()
        return ap, printed.out + printed.err, checked.out + checked.err

    return run_both


def test_the_files_as_they_should_be_cause_no_remark(run):
    assert run()[0] == 1.0
    assert "no faults" in run()[2]


def test_sleap_io_a_region_for_each_person_is_told_since_it_absorbs_false_positives(run):
    """Two poses on each person: AP is below 1 without the regions, and 1 with them."""
    twice = [detect(p) for p in PEOPLE]
    x = np.add(np.reshape(PEOPLE[0]["keypoints"], (17, 3)), (9, 9, 0))
    twice.insert(0, detect(PEOPLE[0], keypoints=x.ravel().tolist(), score=0.95))
    expected = run(results=twice)[0]
    regions = [make_region(10 + p["id"], p) for p in PEOPLE]
    ap, evaluated, checked = run(people=PEOPLE + regions, results=twice)
    assert ap > expected
    told = "2 of 2 people have a region to ignore (iscrowd 1) in their place"
    assert told in evaluated and told in checked
    # A crowd beside people, as in COCO, is none of them.
    crowd = make_region(9, PEOPLE[0]) | {"bbox": [300.0, 300.0, 200.0, 100.0]}
    assert "region to ignore" not in run(people=[*PEOPLE, crowd])[1]


def test_hotcoco_a_saved_file_is_read_as_before(run):
    """It writes false for 0 and null for a missing segmentation."""
    saved = [person | {"iscrowd": False, "segmentation": None} for person in PEOPLE]
    ap, _, checked = run(people=saved)
    assert ap == 1.0
    assert "no faults" in checked


def test_people_of_one_id_are_refused_since_evaluators_disagree_on_them(run):
    """AR is .5 in four evaluators and 1 in one."""
    ap, evaluated, checked = run(people=[make_person(1), make_person(2, id=1)])
    assert ap is None
    assert "both have id 1 and they differ; remove one of the two" in evaluated
    assert "both have id 1 and they differ" in checked


def test_vernier_an_image_that_is_listed_twice_counts_once_and_is_told(run):
    ap, evaluated, checked = run(images=[*IMAGES, IMAGES[0]])
    assert ap == 1.0
    assert "1 repeated image merged" in evaluated and "1 repeated image merged" in checked


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0, "annotation has id 0, which pycocotools never matches"),
        (-1, "1 annotation has negative ids (first: -1), which faster-coco-eval loses"),
    ],
)
def test_ids_that_other_evaluators_lose_are_scored_and_remarked(run, number, told):
    ap, _, checked = run(people=[make_person(1, id=number), PEOPLE[1]])
    assert ap == 1.0
    assert told in checked


def test_ids_that_are_text_are_scored_and_remarked(run):
    names = {1: "a", 2: "b"}
    images = [image | {"id": names[image["id"]]} for image in IMAGES]
    people = [person | {"image_id": names[person["image_id"]]} for person in PEOPLE]
    results = [detect(person) for person in people]
    ap, _, checked = run(people=people, images=images, results=results)
    assert ap == 1.0
    assert "ids of images are text (first: 'a'): pycocotools reads that, other" in checked


@pytest.mark.parametrize("field", ["num_keypoints", "iscrowd", "area"])
def test_a_missing_field_that_other_evaluators_refuse_or_lose_is_replaced(run, field):
    ap, evaluated, checked = run(
        people=[make_person(number, **{field: "gone"}) for number in (1, 2)]
    )
    assert ap == 1.0
    if field != "iscrowd":  # of people, 0 is what every tool takes
        words = {"num_keypoints": "num_keypoints counted in 2", "area": "no area field"}[field]
        assert words in evaluated and words in checked


def test_joints_without_known_sigmas_are_refused_not_scored_with_those_of_coco(run):
    """Two evaluators take COCO's first five sigmas for five joints."""
    five = {"id": 1, "name": "person", "keypoints": ["a", "b", "c", "d", "e"]}
    people = [p | {"keypoints": p["keypoints"][:15], "num_keypoints": 5} for p in PEOPLE]
    ap, evaluated, _ = run(people=people, categories=[five], results=[detect(p) for p in people])
    assert ap is None
    assert "no OKS sigma is known for joint 'a'; give 5 sigmas with --sigmas FILE" in evaluated


def test_labelme2coco_two_categories_of_one_id_are_refused(run):
    people = [make_person(number, category_id=0) for number in (1, 2)]
    categories = [PERSON | {"id": 0}, {"id": 0, "name": "car"}]
    ap, evaluated, _ = run(people=people, categories=categories)
    assert ap is None
    assert "'person' and 'car' both have id 0; give each category an id of its own" in evaluated


def test_label_studio_people_merged_into_one_pose_are_remarked(run):
    points = PEOPLE[0]["keypoints"][:24] + [
        v + 200 * (i % 3 == 0) for i, v in enumerate(PEOPLE[0]["keypoints"][24:])
    ]
    merged = make_person(1, keypoints=points, bbox=[0, 0, 640, 480], area=307200.0)
    boxes = [
        {"id": 7 + i, "image_id": 1, "category_id": 1, "bbox": box, "area": 1e4, "iscrowd": 0}
        for i, box in enumerate(([20, 30, 60, 45], [270, 60, 100, 70]))
    ]
    assert "pose lies in several boxes that have no pose" in run(people=[merged, *boxes])[2]


def test_rtmlib_a_person_of_zeros_where_nobody_is_gets_a_remark(run):
    zeros = detect(PEOPLE[0], keypoints=[0.0] * 51, score=0.95)
    _, _, checked = run(results=[zeros, *map(detect, PEOPLE)], subject="r.json")
    assert "has all keypoints at" in checked


def test_xtcocotools_results_whose_keypoint_scores_are_all_0_are_scored_and_remarked(run):
    x = [v if i % 3 < 2 else 0 for i, v in enumerate(PEOPLE[0]["keypoints"])]
    results = [detect(PEOPLE[0], keypoints=x), detect(PEOPLE[1])]
    ap, _, checked = run(results=results, subject="r.json")
    assert ap == 1.0
    assert "xtcocotools" in checked


def test_an_empty_list_of_results_has_ap_0_where_others_stop(run):
    assert run(results=[])[0] == 0.0


def test_supervision_a_person_with_one_visible_joint_can_be_matched(run):
    """Its area is that of the box of visible joints, so that such a person never matches there."""
    points = PEOPLE[0]["keypoints"][:3] + [0] * 48
    people = [make_person(1, keypoints=points, num_keypoints=1), PEOPLE[1]]
    results = [detect(PEOPLE[0]), detect(PEOPLE[1])]
    assert run(people=people, results=results)[0] == 1.0


def list_columns(path):
    """Return every annotation of a file, and its images."""
    content = json.loads(path.read_text())
    return content["annotations"], content["images"], content["categories"]


def make_odd_truth():
    """People with ids from 0 and unlabelled joints, and a crowd without keypoints."""
    keypoints = np.array([np.reshape(p["keypoints"], (17, 3)) for p in [*PEOPLE, PEOPLE[0]]])
    keypoints[2] = 0
    keypoints[0, 3] = 0
    images = make_images([1, 2], ["1.jpg", "2.jpg"], [640] * 2, [480] * 2)
    boxes = [[20, 30, 120, 90]] * 3
    crowd = np.array([False, False, True])
    return make_instances(COCO17, images, [0, 1, 0], boxes, keypoints, ids=[1, 2, 3], iscrowd=crowd)


def test_what_we_write_has_every_field_that_some_evaluator_needs(tmp_path):
    """KeyError, -1, AP 0 or a crash without them; bool and null stop others."""
    truth = make_odd_truth()
    write_coco(truth, tmp_path / "t.json")
    annotations, images, categories = list_columns(tmp_path / "t.json")
    for one in annotations:
        assert {"id", "image_id", "category_id", "iscrowd", "num_keypoints"} <= {
            key for key, value in one.items() if type(value) is int
        }
        assert one["id"] >= 1 and one["iscrowd"] in (0, 1)
        assert one["area"] > 0 and len(one["bbox"]) == 4 and len(one["keypoints"]) == 51
        assert None not in one.values()
    assert len({one["id"] for one in annotations}) == len(annotations)
    assert len({one["id"] for one in images}) == len(images)
    assert all(type(one["id"]) is int and None not in one.values() for one in images)
    assert categories[0]["id"] == 1 and min(min(edge) for edge in categories[0]["skeleton"]) == 1


def test_polars_reads_results_that_begin_with_whole_numbers(tmp_path):
    """It takes a column's type from the first rows, so that 10.5 after 200 integers became 10."""
    polars = pytest.importorskip("polars")
    truth = make_odd_truth()
    keypoints = np.full((300, 17, 3), 12.0)
    keypoints[250:] += 0.5
    predictions = smallpose.core.predictions.make_predictions(
        COCO17, np.ones(300, np.int64), keypoints, np.ones(300), np.full((300, 4), 7.0)
    )
    write_results(predictions, tmp_path / "r.json", images=truth.images)
    read = polars.read_json(tmp_path / "r.json")
    assert np.array_equal(np.array(read["keypoints"].to_list()), keypoints.reshape(300, -1))
    assert read["score"].to_list() == [1.0] * 300


@pytest.mark.parametrize("is_lines", [False, True])
def test_trackers_minus_1_is_no_track_and_0_is_one(tmp_path, is_lines):
    """It writes -1 for people it has not confirmed; motmetrics and trackeval count them."""
    truth = make_odd_truth()
    records = [detect(PEOPLE[0], track_id=track) for track in (0, -1, 7, None, 0)]
    text = "\n".join(map(json.dumps, records)) if is_lines else json.dumps(records)
    (tmp_path / "r.json").write_text(text)
    predictions = read_results(tmp_path / "r.json", truth)
    tracks = read_result_tracks(tmp_path / "r.json", truth, predictions)
    assert tracks.tolist() == [0, -1, 1, -1, 0]
