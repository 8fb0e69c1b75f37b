"""Records are given to the image that they mean, by id, by name, or not at all."""

import json
from dataclasses import replace

import numpy as np
import pytest

import smallpose
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import read_results, write_results
from smallpose.io.image_lookup import ImageLookup, number_ids


def find(images, image_id=None, file_name=None):
    return ImageLookup(images).find_id(image_id, file_name, "entry")


def refuse(images, *words, image_id=None, file_name=None):
    with pytest.raises(InputError) as caught:
        find(images, image_id, file_name)
    for word in words:
        assert word in str(caught.value)


# Ids count from 1; the stem of each name is the id of another image.
SHIFTED = make_images([1, 2, 3], ["a/000003.jpg", "a/000001.jpg", "a/000002.jpg"])


@pytest.mark.parametrize("image_id", [2, "2"])
def test_an_id_decides_where_it_fits_one(image_id):
    assert find(SHIFTED, image_id) == 2


def test_a_name_decides_where_no_id_fits():
    images = make_images([1, 2], ["b/000785.jpg", "b/cat.v2.png"])
    for image_id in ("000785", "785", 785, "b/000785.jpg", "000785.jpg"):
        assert find(images, image_id) == 1, image_id
    assert find(images, "cat.v2") == 2
    refuse(images, "image 'cat' is not in the truth", image_id="cat")
    refuse(images, "image 7 is not in the truth", image_id=7)


def test_a_padded_number_is_an_id_where_it_is_no_name():
    assert find(make_images([7], ["a.jpg"]), "007") == 7


def test_the_file_name_of_ultralytics_decides():
    """It writes int(stem) as the id, which may fit another image by chance."""
    assert find(SHIFTED, 3, "000003.jpg") == 1
    assert find(SHIFTED, "000003", "000003.jpg") == 1
    assert find(SHIFTED, None, "000001.jpg") == 2
    assert find(SHIFTED, 99, "000001.jpg") == 2


def test_a_contradiction_names_the_id_and_the_file():
    both = ("image_id 2 is the image 'a/000001.jpg'", "file_name is 'a/000003.jpg'")
    refuse(SHIFTED, *both, image_id=2, file_name="a/000003.jpg")
    refuse(SHIFTED, "file_name is 'lost.jpg'", image_id=2, file_name="lost.jpg")
    refuse(SHIFTED, "'lost.jpg' is not in the truth", image_id=99, file_name="lost.jpg")


def test_folders_and_suffixes_tell_images_apart_where_both_have_them():
    images = make_images([1, 2, 3], ["a/1.jpg", "b/1.jpg", "b/2.png"])
    assert find(images, None, "b/1.jpg") == 2
    assert find(images, None, "data\\b\\1.jpg") == 2
    assert find(images, None, "b/2.jpg") == 3
    refuse(images, "several images are called '1.jpg'", file_name="1.jpg")
    refuse(images, "is not in the truth", file_name="c/2.png")


def test_an_id_decides_between_images_of_one_name():
    images = make_images([10, 20], ["a/x.jpg", "b/x.jpg"])
    assert find(images, 20, "x.jpg") == 20


def test_images_without_names_are_found_by_id():
    assert find(make_images([4], [""]), 4, "x.jpg") == 4
    refuse(make_images([4], [""]), "''", image_id="")


def test_a_record_without_id_and_name_is_refused():
    refuse(SHIFTED, "missing required field image_id")


def test_numbers_that_are_partly_ids_and_partly_names_are_refused():
    """285 and 139 are images of COCO; the first is also the id of another one here."""
    images = make_images([285, 286], ["000000000139.jpg", "000000000285.jpg"])
    lookup = ImageLookup(images)
    assert lookup.find_id(285, None, "entry[0]") == 285
    lookup.refuse_mixture()
    assert lookup.find_id(139, None, "entry[1]") == 285
    with pytest.raises(InputError, match=r"entry\[0\]: image_id 285 is the id of .*139\.jpg and"):
        lookup.refuse_mixture()


@pytest.mark.parametrize("slow", [False, True])
def test_numbers_that_are_all_ids_and_names_of_other_images_are_noted(tmp_path, slow):
    truth = make_instances(COCO17, SHIFTED, [], [], [])
    poses = make_poses(3)
    records = [make_record(i, pose) for i, pose in enumerate(poses, 1)]
    if slow:
        records[0]["image_id"] = "1"
    path = tmp_path / "results.json"
    path.write_text(json.dumps(records))
    (note,) = read_results(path, truth).notes
    assert "1 is a/000003.jpg by id and a/000001.jpg by name; write file_name" in note
    for record, name in zip(records, ("3", "1", "2"), strict=True):
        record["file_name"] = f"00000{name}.jpg"
        record["image_id"] = int(name)
    path.write_text(json.dumps(records))
    assert read_results(path, truth).notes == ()


def test_ids_that_are_the_names_of_their_images_are_not_noted(tmp_path):
    images = make_images([139, 285], ["000000000139.jpg", "000000000285.jpg"])
    truth = make_instances(COCO17, images, [], [], [])
    path = tmp_path / "results.json"
    path.write_text(json.dumps([make_record(285, make_poses(1)[0])]))
    assert read_results(path, truth).notes == ()


def test_texts_are_numbered_in_the_order_of_pycocotools():
    ids = ["b10", "b9", "a", "b9"]
    numbers, texts = number_ids(ids)
    assert texts == tuple(ids)
    assert np.unique(ids)[numbers - 1].tolist() == ids
    assert number_ids([3, 1]) == (pytest.approx([3, 1]), ())


def make_poses(num_images):
    return np.random.default_rng(3).random((num_images, 17, 3)).round(3) * [600, 400, 1]


def make_record(image_id, pose, **more):
    record = {"image_id": image_id, "category_id": 1, "keypoints": pose.ravel().tolist()}
    return record | {"score": 0.5} | more


@pytest.mark.parametrize("style", ["int", "text", "file_name", "digits", "float"])
def test_all_forms_of_results_give_the_table_of_plain_ids(tmp_path, style, assert_same_table):
    images = make_images(range(1, 6), [f"val/{n:06d}.jpg" for n in (5, 4, 1, 2, 3)])
    truth = make_instances(COCO17, images, [], [], [])
    poses = make_poses(5)
    stems = list(zip([5, 4, 1, 2, 3], poses, strict=True))
    records = {
        "int": [make_record(s, p, file_name=f"{s:06d}.jpg") for s, p in stems],
        "text": [make_record(f"{s:06d}", p) for s, p in stems],
        "file_name": [
            {
                k: v
                for k, v in make_record(0, p, file_name=f"{s:06d}.jpg").items()
                if k != "image_id"
            }
            for s, p in stems
        ],
        "digits": [make_record(str(i), p) for i, p in enumerate(poses, 1)],
        "float": [make_record(float(i), p, category_id=1.0) for i, p in enumerate(poses, 1)],
    }
    plain, other = tmp_path / "plain.json", tmp_path / "other.json"
    plain.write_text(json.dumps([make_record(i, p) for i, p in enumerate(poses, 1)]))
    other.write_text(json.dumps(records[style]))
    # The notes differ: plain numbers could be names here.
    first, second = (replace(read_results(path, truth), notes=()) for path in (other, plain))
    assert_same_table(first, second)


def test_text_ids_are_read_in_truths_and_written_back(tmp_path):
    names = ["seq/b", "seq/a", "10"]
    coco = {
        "images": [{"id": name, "file_name": f"{i}.jpg"} for i, name in enumerate(names)],
        "annotations": [
            {"id": f"p{i}", "image_id": name, "category_id": 1, "bbox": [1, 2, 3, 4]}
            | {"keypoints": [1, 1, 2] * 17, "num_keypoints": 17}
            for i, name in enumerate(names)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.joints)}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(coco))
    truth = read_coco(tmp_path / "truth.json")
    assert truth.images.file_ids == names
    assert truth.file_ids == ["p0", "p1", "p2"]
    records = [make_record(name, pose) for name, pose in zip(names, make_poses(3), strict=True)]
    records[2]["image_id"] = 10
    (tmp_path / "results.json").write_text(json.dumps(records))
    predictions = read_results(tmp_path / "results.json", truth)
    assert np.array_equal(predictions.image_ids, truth.images.ids)
    write_results(predictions, tmp_path / "copy.json", 1, truth.images)
    written = [record["image_id"] for record in json.loads((tmp_path / "copy.json").read_text())]
    assert written == names
    assert truth.take(np.array([2, 0])).file_ids == ["p2", "p0"]
    assert truth.images.take(np.array([2, 0])).file_ids == ["10", "seq/b"]


def test_a_number_is_no_internal_number_of_a_text_id(tmp_path):
    """Where ids are text, 1 must not be taken for the first of them."""
    coco = {"images": [{"id": "x", "file_name": "000009.jpg"}], "annotations": []}
    (tmp_path / "truth.json").write_text(json.dumps(coco))
    (tmp_path / "results.json").write_text(json.dumps([make_record(1, make_poses(1)[0])]))
    with pytest.raises(InputError, match="image 1 is not in the truth"):
        read_results(tmp_path / "results.json", read_coco(tmp_path / "truth.json"))


@pytest.mark.parametrize("kind", ["ultralytics", "words"])
def test_scores_of_other_forms_equal_pycocotools_with_plain_ids(
    tmp_path, random_coco, kind, score_with_pycocotools
):
    """The reference is given the plain form of the same files."""
    for seed in range(4):
        coco, results = random_coco(seed, num_images=12, max_people=4)
        for annotation in coco["annotations"]:
            annotation["area"] = annotation["bbox"][2] * annotation["bbox"][3]
        expected = score_with_pycocotools(coco, results)
        ids = [image["id"] for image in coco["images"]]
        # Names of files are a permutation of the ids, so that each number means two images.
        stems = dict(zip(ids, np.roll(ids, 1).tolist(), strict=True))
        if kind == "ultralytics":
            for image in coco["images"]:
                image["file_name"] = f"{stems[image['id']]:06d}.jpg"
            for result in results:
                stem = stems[result["image_id"]]
                result |= {"image_id": stem, "file_name": f"{stem:06d}.jpg"}
        else:
            words = {one: f"img_{one:012d}" for one in ids}  # their order is that of the numbers
            for image in coco["images"]:
                image["id"] = words[image["id"]]
            for record in [*coco["annotations"], *results]:
                record["image_id"] = words[record["image_id"]]
        (tmp_path / "t.json").write_text(json.dumps(coco))
        (tmp_path / "r.json").write_text(json.dumps(results))
        truth = read_coco(tmp_path / "t.json")
        result = smallpose.evaluate(truth, read_results(tmp_path / "r.json", truth))
        assert [result["coco"][name] for name in ("AP", "AP50", "AP75", "AR")] == expected


def write_records(path, truth, numbers, names):
    records = [
        {"image_id": number, "file_name": name, "category_id": 1, "score": 0.5}
        | {"keypoints": truth.keypoints[row].ravel().tolist()}
        for row, (number, name) in enumerate(zip(numbers, names, strict=True))
    ]
    path.write_text(json.dumps(records))
    return path


@pytest.fixture
def four():
    """Labels of four images with ids from 1, one person in each."""
    names = ["b.jpg", "d.jpg", "a.jpg", "c.jpg"]
    images = make_images([1, 2, 3, 4], names, [640] * 4, [480] * 4)
    rng = np.random.default_rng(0)
    keypoints = np.concatenate([rng.uniform(10, 400, (4, 17, 2)), np.full((4, 17, 1), 2.0)], 2)
    return make_instances(COCO17, images, range(4), [[10, 10, 390, 390]] * 4, keypoints)


def test_names_decide_where_results_number_the_images_themselves(four, tmp_path):
    """`predict` numbers a folder in the order of its names."""
    path = write_records(tmp_path / "r.json", four, [2, 4, 1, 3], four.images.file_names)
    predictions = read_results(path, four)
    assert [note for note in predictions.notes if "matched by file_name" in note]
    assert smallpose.evaluate(four, predictions)["coco"]["AP"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("numbers", "names"),
    [
        ([2, 4, 1, 3], ["b.jpg", "d.jpg", "a.jpg", "e.jpg"]),  # an image that the labels lack
        ([1, 2, 3, 3], ["b.jpg", "d.jpg", "a.jpg", "c.jpg"]),  # two names of one number
        ([2, 2, 1, 3], ["b.jpg", "b.jpg", "a.jpg", "b.jpg"]),  # two numbers of one name
        ([2, 4, 1, 3], ["b.jpg", "d.jpg", "a.jpg", None]),  # no name
    ],
)
def test_names_that_do_not_fit_one_to_one_leave_the_contradiction(four, tmp_path, numbers, names):
    path = write_records(tmp_path / "r.json", four, numbers, names)
    with pytest.raises(InputError, match="but file_name is"):
        read_results(path, four)


def test_frames_that_ffmpeg_numbered_from_1_are_named_as_such():
    """To go by the names, as the remedy said, scored each label against the next frame."""
    images = make_images([1, 7, 13], ["000001.jpg", "000007.jpg", "000013.jpg"])
    refuse(images, "ffmpeg numbered from 1", image_id=7, file_name="drone/000006.jpg")
    refuse(images, "with fps= it numbers anew", image_id=7, file_name="drone/000006.jpg")
    refuse(images, "go by the names alone", image_id=7, file_name="drone/000001.jpg")
