"""labelme's and X-AnyLabeling's files are read; what they do not tell is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from smallpose.core.boxes import box_around_keypoints, scale_boxes
from smallpose.core.errors import InputError, RefusedError
from smallpose.sources.custom import read_mapped_coco


def point(label: str, x: float, y: float, group: int | None = None, **more: Any) -> dict[str, Any]:
    shape = {"label": label, "points": [[x, y]], "group_id": group, "shape_type": "point"}
    return shape | {"flags": {}, "description": "", "mask": None} | more


def outline(label: str, points: list[list[float]], group: int | None = None, kind="rectangle"):
    return {"label": label, "points": points, "group_id": group, "shape_type": kind, "flags": {}}


def write(path: Path, shapes: list[dict[str, Any]], image: str = "a.jpg", version="6.3.1") -> None:
    """Write the keys that labelme 6.3.1 writes, in its order."""
    file = {"version": version, "flags": {}, "shapes": shapes, "imagePath": image}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(file | {"imageData": "AAAA", "imageHeight": 120, "imageWidth": 160}))


BOX = [[60.0, 90.0], [20.0, 10.0]]  # corners in any order


def test_people_are_groups_of_points_and_a_rectangle(tmp_path, save_image):
    save_image(tmp_path / "a.jpg")
    shapes = [
        outline("person", BOX, 1),
        point("nose", 40.5, 15.25, 1),
        point("left_wrist", 25, 50, 1, flags={"occluded": True}),
        point("tail", 30, 60, 1),
        point("nose", 120, 15, 2),
        point("left_wrist", 130, 55, 2),
        outline("car", BOX),
        outline("sky", [[0, 0], [5, 5]], kind="circle"),
    ]
    write(tmp_path / "a.json", shapes)
    source = read_mapped_coco("shop", tmp_path, {"tail": "pelvis"})
    people = source.people
    assert people.skeleton.joints == ("nose", "left_wrist", "pelvis")
    assert people.keypoints.tolist() == [
        [[40.5, 15.25, 2], [25, 50, 1], [30, 60, 2]],
        [[120, 15, 2], [130, 55, 2], [0, 0, 0]],
    ]
    around = scale_boxes(box_around_keypoints(people.keypoints[1:]), 1.3)
    assert people.boxes_xywh.tolist() == [[20, 10, 40, 80], around[0].tolist()]
    assert set(people.num_source_joints.tolist()) == {3}
    assert source.image_files[0].path == tmp_path / "a.jpg"
    assert people.images.width.tolist() == [160]
    text = "; ".join(people.notes)
    assert "1 shape of type circle" in text and "1 shape 'car'" in text


def test_x_anylabeling_marks_hidden_joints_and_writes_four_corners(tmp_path, save_image):
    save_image(tmp_path / "train" / "a.jpg")
    corners = [[20, 10], [60, 10], [60, 90], [20, 90]]
    shapes = [
        outline("person", corners, 0) | {"difficult": False, "attributes": {}},
        point("nose", 40, 15, 0, difficult=False, attributes={}, kie_linking=[]),
        point("left_wrist", 25, 50, 0, difficult=True, attributes={}),
    ]
    write(tmp_path / "train" / "a.json", shapes, version="3.2.1")
    source = read_mapped_coco("shop", tmp_path, {})
    assert source.people.keypoints[0].tolist() == [[40, 15, 2], [25, 50, 1]]
    assert source.people.boxes_xywh.tolist() == [[20, 10, 40, 80]]
    assert source.splits == ("train",)


@pytest.mark.parametrize(
    ("labels", "image", "name"),
    [
        ("labels/a.json", "..\\images\\a.jpg", "images/a.jpg"),
        ("labels/a.json", "../images/a.jpg", "images/a.jpg"),
        ("a.json", "C:\\work\\a.jpg", "a.jpg"),
        ("a.json", "/home/me/a.jpg", "images/a.jpg"),
        ("a.json", "renamed.jpg", "a.jpg"),
    ],
)
def test_the_image_is_found_by_its_path_or_beside_the_file(
    tmp_path, save_image, labels, image, name
):
    save_image(tmp_path / name)
    write(tmp_path / labels, [point("nose", 1, 2)], image)
    (file,) = read_mapped_coco("shop", tmp_path, {}).image_files
    assert file.path == tmp_path / name


def test_an_image_outside_of_the_folder_is_refused(tmp_path, save_image):
    save_image(tmp_path / "a.jpg")
    write(tmp_path / "src" / "a.json", [point("nose", 1, 2)], "../a.jpg")
    with pytest.raises(RefusedError, match="leaves the data root"):
        read_mapped_coco("shop", tmp_path / "src", {})


def test_points_without_groups_belong_to_the_only_person(tmp_path, save_image):
    save_image(tmp_path / "a.jpg")
    shapes = [outline("person", BOX), point("nose", 40, 15), point("left_wrist", 25, 50)]
    write(tmp_path / "a.json", shapes)
    people = read_mapped_coco("shop", tmp_path, {}).people
    assert len(people) == 1 and people.boxes_xywh.tolist() == [[20, 10, 40, 80]]


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ([point("nose", 1, 2, 1), point("nose", 3, 4, 1)], "two points 'nose' of one person"),
        ([point("nose", 1, 2), point("nose", 3, 4)], "two points 'nose' of one person"),
        (
            [outline("person", BOX), outline("person", BOX), point("nose", 1, 2)],
            "points without group_id, such as 'nose', beside several rectangles",
        ),
        ([outline("person", BOX)], "no person has a joint"),
        ([point("wheel", 1, 2)], "none of its joints is one of the 21"),
        ([{"label": "nose", "points": [[1]]}], r"shapes\[0\]"),
    ],
)
def test_what_the_files_do_not_tell_is_refused_in_a_line(tmp_path, save_image, shapes, said):
    save_image(tmp_path / "a.jpg")
    write(tmp_path / "a.json", shapes)
    with pytest.raises(InputError, match=said) as caught:
        read_mapped_coco("shop", tmp_path, {})
    assert "\n" not in str(caught.value)


def test_another_json_beside_labelme_files_is_named(tmp_path, save_image):
    save_image(tmp_path / "a.jpg")
    write(tmp_path / "a.json", [point("nose", 1, 2)])
    (tmp_path / "b.json").write_text('{"images": []}')
    with pytest.raises(InputError, match=r"b\.json"):
        read_mapped_coco("shop", tmp_path, {})


def test_a_category_chooses_the_label_of_people(tmp_path, save_image):
    save_image(tmp_path / "a.jpg")
    shapes = [outline("worker", BOX, 1), point("nose", 40, 15, 1)]
    write(tmp_path / "a.json", [*shapes, outline("dog", BOX, 2), point("nose", 41, 16, 2)])
    people = read_mapped_coco("shop", tmp_path, {}, ("Worker",)).people
    assert len(people) == 1 and people.keypoints[0, 0, 0] == 40
    assert any("'dog'" in note for note in people.notes)
