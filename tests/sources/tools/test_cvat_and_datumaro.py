"""CVAT's XML and datumaro's JSON are read person by person."""

import json
from pathlib import Path

import pytest

from smallpose.core.boxes import box_around_keypoints, scale_boxes
from smallpose.core.errors import InputError, RefusedError
from smallpose.sources.custom import read_mapped_coco

NOSE = '<points label="nose" occluded="0" outside="0" points="40.50,15.25"/>'
WRIST = '<points label="left_wrist" occluded="1" outside="0" points="25.00,50.00"/>'
OUT = '<points label="left_ankle" occluded="0" outside="1" points="1.00,1.00"/>'
BOX = '<box label="person" occluded="0" xtl="20" ytl="10" xbr="60" ybr="90" group_id="{}"/>'


def skeleton(*points: str, group: int = 0, label: str = "person") -> str:
    inner = "".join(points)
    return f'<skeleton label="{label}" source="manual" group_id="{group}">{inner}</skeleton>'


def write(folder: Path, *shapes: str, subset: str = "", name: str = "a.jpg") -> Path:
    part = f' subset="{subset}"' if subset else ""
    image = f'<image id="0" name="{name}"{part} width="160" height="120">{"".join(shapes)}</image>'
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{image}'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "annotations.xml").write_text(text + "</annotations>")
    return folder


def read(folder: Path, category=()):
    return read_mapped_coco("shop", folder, {}, category)


@pytest.mark.parametrize(
    ("group", "box"), [(3, BOX.format(3)), (0, BOX.format(0)), (0, BOX.replace("group_id", "x"))]
)
def test_a_skeleton_gets_the_box_of_its_group_or_the_only_one_around_it(
    tmp_path, save_image, group, box
):
    save_image(tmp_path / "images" / "Train" / "a.jpg")
    source = read(write(tmp_path, skeleton(NOSE, WRIST, OUT, group=group), box, subset="Train"))
    assert source.people.skeleton.joints == ("nose", "left_wrist")
    assert source.people.keypoints.tolist() == [[[40.5, 15.25, 2], [25, 50, 1]]]
    assert source.people.boxes_xywh.tolist() == [[20, 10, 40, 80]]
    assert source.splits == ("train",) and source.image_files[0].path.is_file()


def test_without_a_box_it_is_that_around_the_joints(tmp_path, save_image):
    save_image(tmp_path / "images" / "a.jpg")
    people = read(write(tmp_path, skeleton(NOSE, WRIST), '<tag label="night"/>')).people
    around = scale_boxes(box_around_keypoints(people.keypoints), 1.3)
    assert people.boxes_xywh.tolist() == around.tolist()


def test_points_of_a_group_are_a_person_and_other_shapes_are_counted(tmp_path, save_image):
    save_image(tmp_path / "images" / "a.jpg")
    points = [one.replace("/>", ' group_id="4"/>') for one in (NOSE, WRIST)]
    car = BOX.format(0).replace("person", "car")
    people = read(write(tmp_path, *points, BOX.format(4), car)).people
    assert people.keypoints.tolist() == [[[40.5, 15.25, 2], [25, 50, 1]]]
    assert people.boxes_xywh.tolist() == [[20, 10, 40, 80]]
    assert people.notes == ("left out: 1 shape box 'car'",)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ('<points label="person" points="1,2;3,4"/>', "2 points 'person' without names of joints"),
        (NOSE + NOSE, "two points 'nose' of group 0"),
        (skeleton(NOSE.replace("40.50,", "")), "a point is '15.25'"),
        (skeleton(NOSE) + BOX.format(0).replace('"20"', '"x"'), "xtl is 'x'"),
        (skeleton(), "no person has a joint"),
    ],
)
def test_a_broken_or_nameless_shape_is_refused_in_a_line(tmp_path, save_image, shape, said):
    save_image(tmp_path / "images" / "a.jpg")
    with pytest.raises(InputError, match=said):
        read(write(tmp_path, shape))


def test_tracks_of_a_video_broken_xml_and_entities_are_refused(tmp_path):
    path = tmp_path / "annotations.xml"
    path.write_text('<annotations><track id="0" label="person"/></annotations>')
    with pytest.raises(InputError, match="CVAT for images"):
        read(tmp_path)
    path.write_text("<annotations><image")
    with pytest.raises(InputError, match="broken XML"):
        read(tmp_path)
    path.write_text('<!DOCTYPE x [<!ENTITY a "b">]><annotations/>')
    with pytest.raises(RefusedError, match="ENTITY"):
        read(tmp_path)


POINTS = {"type": "points", "group": 8, "label_id": 0, "z_order": 0, "attributes": {}}
POINTS |= {"points": [40.5, 15.25, 25.0, 50.0], "visibility": [2, 1]}
DM_BOX = {"type": "bbox", "group": 8, "label_id": 0, "bbox": [20.0, 10.0, 40.0, 80.0]}


def write_datumaro(folder: Path, *annotations: dict, joints=("nose", "left_wrist")) -> Path:
    labels = [{"name": "person", "parent": "", "attributes": []}, {"name": "car"}]
    points = {"items": [{"label_id": 0, "labels": list(joints), "joints": [], "positions": []}]}
    file = {"dm_format_version": "1.0", "media_type": 2, "infos": {}}
    file |= {"categories": {"label": {"labels": labels}, "points": points}}
    image = {"path": "a.jpg", "size": [120, 160]}
    file["items"] = [{"id": "a", "annotations": list(annotations), "image": image}]
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    (folder / "annotations" / "val.json").write_text(json.dumps(file))
    return folder


def test_datumaro_groups_are_people(tmp_path, save_image):
    save_image(tmp_path / "images" / "val" / "a.jpg")
    car = DM_BOX | {"label_id": 1, "group": 0}
    source = read(write_datumaro(tmp_path, POINTS, DM_BOX, car, {"type": "mask", "label_id": 0}))
    assert source.people.keypoints.tolist() == [[[40.5, 15.25, 2], [25, 50, 1]]]
    assert source.people.boxes_xywh.tolist() == [[20, 10, 40, 80]]
    assert source.splits == ("test",) and source.image_files[0].path.is_file()
    note = "left out: 1 annotation of type bbox, 1 annotation of type mask"
    assert source.people.notes == (note,)


def test_datumaro_crowds_are_regions_to_ignore(tmp_path, save_image):
    save_image(tmp_path / "images" / "a.jpg")
    crowd = DM_BOX | {"group": 9, "attributes": {"is_crowd": True}}
    people = read(write_datumaro(tmp_path, POINTS, DM_BOX, crowd)).people
    assert people.iscrowd.tolist() == [False, True]


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        ([POINTS | {"points": [1.0, 2.0]}], "1 point for 2 joints"),
        ([POINTS | {"visibility": [2, 5]}], "visibility 5"),
        ([POINTS, POINTS], "group 8 has several poses"),
    ],
)
def test_datumaro_points_that_do_not_fit_are_refused(tmp_path, save_image, annotations, said):
    save_image(tmp_path / "images" / "a.jpg")
    with pytest.raises(InputError, match=said):
        read(write_datumaro(tmp_path, *annotations))
