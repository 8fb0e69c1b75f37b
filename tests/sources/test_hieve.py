"""HiEve's two label forms and its videos (paper, D4)."""

import json

import numpy as np
import pytest

from smallpose.core.boxes import BOX_RULES
from smallpose.core.errors import InputError, RefusedError
from smallpose.core.skeleton import HIEVE14
from smallpose.sources.hieve import read_hieve

LIST = "HIE20/labels/train/track2&3/{}.json"
SHEET = "HIE20/labels/train/all-track/{}/{:06d}.xml"


def one(**values):
    """Every scalar in a list of one, as HiEve has it."""
    return {name: [value] for name, value in values.items()}


def person(points=((2, 10, 20), (5, 30, 40)), box=(1, 2, 51, 102), **more):
    corners = one(x1=box[0], y1=box[1], x2=box[2], y2=box[3], score=1, track_id=7)
    triples = [one(id=i, x=x, y=y, score=0) for i, x, y in points]
    return corners | {"annopoints": [{"point": triples}]} | more


def frame(name, *people, regions=()):
    return {
        "image": [{"name": name}],
        "ignore_regions": list(regions),
        "annorect": list(people),
    }


def lists(*frames):
    return {"annolist": list(frames)}


POINTS = {"Nose": "10,20,0", "Right-shoulder": "30,40,1", "Left-shoulder": "5,6,-1"}
CORNERS = {"xmin": "1", "ymin": "2", "xmax": "51", "ymax": "102"}


def frame_record(number=0, *people, **more):
    people = people or ({"name": "P-1", "bndbox": CORNERS | POINTS},)
    content = {"folder": "hm", "filename": f"{number}.jpg", "path": f"D:\\hm\\{number}.jpg"}
    content |= {"size": {"width": "1920", "height": "1080", "depth": "3"}}
    return {"annotation": content | {"object": list(people)} | more}


def xml(value, tag="annotation"):
    if isinstance(value, list):
        return "".join(xml(v, tag) for v in value)
    inner = "".join(xml(v, k) for k, v in value.items()) if isinstance(value, dict) else value
    return f"<{tag}>{inner}</{tag}>"


def write_xml(root, number=0, *people, clip="1", text=None, **more):
    path = root / SHEET.format(clip, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text or xml(frame_record(number, *people, **more)["annotation"]))
    return path


def test_points_that_are_there_are_seen_and_the_rest_is_not_labelled(tmp_path, write_json):
    write_json(tmp_path / LIST.format(1), lists(frame("000000.jpg", person())))
    people = read_hieve(tmp_path).people
    assert people.boxes_xywh.tolist() == [[1, 2, 50, 100]]
    assert people.keypoints[0, 2].tolist() == [10, 20, 2]
    assert people.num_keypoints.tolist() == [2]
    assert not people.keypoints[0, 0].any()
    assert BOX_RULES[people.box_rule[0]] == "drawn"


def test_right_comes_before_left(tmp_path, write_json):
    write_json(tmp_path / LIST.format(1), lists(frame("000000.jpg", person())))
    keypoints = read_hieve(tmp_path).people.keypoints[0]
    assert keypoints[HIEVE14.joints.index("right_shoulder"), 0] == 10
    assert keypoints[HIEVE14.joints.index("left_shoulder"), 0] == 30


def test_bare_scalars_and_strings_mean_the_same(tmp_path, write_json):
    bare = {"x1": 1, "y1": "2", "x2": 51.0, "y2": 102}
    bare["annopoints"] = {"point": {"id": "2", "x": 10, "y": 20}}
    entry = {"image": {"name": ["0.jpg"]}, "annorect": bare}
    write_json(tmp_path / LIST.format(1), lists(entry))
    people = read_hieve(tmp_path).people
    assert people.boxes_xywh.tolist() == [[1, 2, 50, 100]]
    assert people.keypoints[0, 2].tolist() == [10, 20, 2]


def test_every_twentieth_frame_is_read_beginning_with_frame_0(tmp_path, write_json):
    frames = [frame(f"{n:06d}.jpg", person()) for n in range(45)]
    write_json(tmp_path / LIST.format(3), lists(*frames[::-1]))
    source = read_hieve(tmp_path)
    assert source.people.images.source_ids == ("3/000000", "3/000020", "3/000040")
    assert source.people.images.file_names[1] == "hieve/3/000020.jpg"
    assert source.people.images.groups == ("3", "3", "3")
    assert "3 of 45 labelled frames read" in source.people.notes[0]
    assert len(read_hieve(tmp_path, frame_step=1).people) == 45


def test_an_extracted_frame_wins_over_the_video(tmp_path, write_json):
    frames = [frame("000000.jpg"), frame("000020.jpg")]
    write_json(tmp_path / LIST.format(1), lists(*frames))
    videos = tmp_path / "HIE20/videos/train"
    (videos / "images/1").mkdir(parents=True)
    (videos / "images/1/000020.jpg").write_bytes(b"")
    (videos / "1.mp4").write_bytes(b"")
    first, second = read_hieve(tmp_path).image_files
    assert (first.path, first.frame) == (videos / "1.mp4", 0)
    assert (second.path, second.frame) == (videos / "images/1/000020.jpg", None)


def test_frames_numbered_from_1_are_never_mistaken_for_frames_numbered_from_0(tmp_path, write_json):
    """As FFmpeg numbers them: its 000020.jpg is what the labels call 000019."""
    write_json(tmp_path / LIST.format(1), lists(frame("000000.jpg"), frame("000020.jpg")))
    videos = tmp_path / "HIE20/videos/train"
    (videos / "images/1").mkdir(parents=True)
    for number in range(1, 31):
        (videos / f"images/1/{number:06d}.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"numbered from 000001.*-start_number 0"):
        read_hieve(tmp_path)
    (videos / "1.mp4").write_bytes(b"")
    source = read_hieve(tmp_path)
    assert [(p.path, p.frame) for p in source.image_files] == [
        (videos / "1.mp4", 0),
        (videos / "1.mp4", 20),
    ]
    assert any("1 video was decoded because" in note for note in source.people.notes)


def test_without_video_and_frames_the_expected_path_stays(tmp_path, write_json):
    write_json(tmp_path / LIST.format(1), lists(frame("000000.jpg")))
    (picture,) = read_hieve(tmp_path).image_files
    assert (picture.path, picture.frame) == (tmp_path / "HIE20/videos/train/1.mp4", 0)


def test_a_video_without_labels_is_named(tmp_path, write_json):
    write_json(tmp_path / LIST.format(1), lists(frame("000000.jpg")))
    for clip in ("1", "2", "10"):
        (tmp_path / "HIE20/videos/train").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"HIE20/videos/train/{clip}.mp4").write_bytes(b"")
    assert read_hieve(tmp_path).missing == (
        "labels/train/track2&3/2.json",
        "labels/train/track2&3/10.json",
    )


@pytest.mark.parametrize(
    "name", ["labels/track2&3/track2/5.json", "HIE20/labels/track2&3/track2/5.json.gz"]
)
def test_the_other_place_of_the_lists_is_read_too(tmp_path, write_json, name):
    write_json(tmp_path / name, lists(frame("000000.jpg", person())))
    assert read_hieve(tmp_path).people.images.groups == ("5",)


def test_ignore_regions_become_crowds(tmp_path, write_json):
    polygon = {"point": [one(x=4, y=5), one(x=9, y=1), one(x=6, y=7)]}
    regions = [polygon, one(x1=1, y1=2, x2=4, y2=8)]
    write_json(tmp_path / LIST.format(1), lists(frame("0.jpg", person(), regions=regions)))
    people = read_hieve(tmp_path).people
    assert people.iscrowd.tolist() == [False, True, True]
    assert people.boxes_xywh[1:].tolist() == [[4, 1, 5, 6], [1, 2, 3, 6]]


def test_identical_frames_are_merged_and_counted(tmp_path, write_json):
    write_json(tmp_path / LIST.format(1), lists(frame("0.jpg", person()), frame("0.jpg", person())))
    people = read_hieve(tmp_path).people
    assert len(people) == 1
    assert "1 repeated frame merged" in people.notes


def without(record, key):
    return {k: v for k, v in record.items() if k != key}


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([frame("0.jpg", person([(14, 1, 1)]))], ["annolist[0]", "person 1", "keypoint id 14"]),
        ([frame("0.jpg", person([(1, 1, 1), (1, 2, 2)]))], ["keypoint 1 is listed twice"]),
        ([frame("0.jpg", person([(1, "a", 1)]))], ["person 1: x is 'a'"]),
        ([frame("0.jpg", person([(1, "nan", 1)]))], ["person 1: x is 'nan'"]),
        ([frame("0.jpg", person(x1=[1, 2]))], ["person 1: x1 has 2 values instead of one"]),
        ([frame("0.jpg", without(person(), "x1"))], ["annolist[0]", "field x1"]),
        ([frame("a.jpg", person())], ["annolist[0]", "frame name 'a.jpg' is not a number"]),
        (
            [frame("0.jpg"), frame("0.jpg", person())],
            ["[0] and [1]", "both have frame number 0 and they differ"],
        ),
        ([frame("0.jpg", regions=[{}])], ["ignore region 1", "x1 has 0 values"]),
        ([{"annorect": []}], ["annolist[0]", "field image"]),
        ([frame("0.jpg") | {"annorect": 3}], ["annolist[0]", "annorect"]),
    ],
)
def test_a_broken_record_of_a_list_is_named(tmp_path, write_json, refuses, frames, words):
    path = write_json(tmp_path / LIST.format(1), lists(*frames))
    refuses(read_hieve, tmp_path, str(path), *words)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("51", "NaN", "nan is no"),
        ("51", "1e400", "inf is no"),
        ('"annorect": [', '"annorect": [], "annorect": [', "'annorect' occurs twice"),
        ("}]}]}]}", "", "broken JSON at byte"),
    ],
)
def test_text_that_is_no_sound_json_is_refused(tmp_path, write_json, refuses, old, new, words):
    path = write_json(tmp_path / LIST.format(1), lists(frame("0.jpg", person())))
    path.write_text(path.read_text().replace(old, new))
    refuses(read_hieve, tmp_path, str(path), words)


# ---- XML files ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["xml", "json", "page"])
def test_an_xml_file_distinguishes_visible_hidden_and_unlabelled(tmp_path, form):
    """XML, sound JSON, and JSON with single backslashes as the publisher's page shows it."""
    text = json.dumps(frame_record())
    text = {"xml": None, "json": text, "page": text.replace("\\\\", "\\")}[form]
    write_xml(tmp_path, text=text)
    people = read_hieve(tmp_path).people
    assert people.boxes_xywh.tolist() == [[1, 2, 50, 100]]
    assert people.keypoints[0, HIEVE14.joint_indices(["nose"])[0]].tolist() == [10, 20, 2]
    assert people.keypoints[0, HIEVE14.joint_indices(["right_shoulder"])[0]].tolist() == [30, 40, 1]
    assert not people.keypoints[0, HIEVE14.joint_indices(["left_shoulder"])[0]].any()
    assert (people.images.width[0], people.images.height[0]) == (1920, 1080)
    assert people.images.source_ids == ("1/000000",)


def test_a_single_person_may_stand_without_a_list(tmp_path):
    write_xml(tmp_path, text=json.dumps(frame_record(object={"bndbox": CORNERS | POINTS})))
    assert len(read_hieve(tmp_path).people) == 1


def test_a_person_without_labelled_joints_stays_to_be_ignored(tmp_path):
    write_xml(tmp_path, 0, {"bndbox": CORNERS | {"Nose": "1,1,-1"}})
    people = read_hieve(tmp_path).people
    assert people.is_counted.tolist() == [False]
    assert not people.keypoints.any()


def test_only_the_sampled_xml_files_are_opened(tmp_path):
    write_xml(tmp_path, 0)
    write_xml(tmp_path, 7, text="not XML at all")
    assert len(read_hieve(tmp_path).people) == 1


def test_xml_files_win_over_the_json_list_of_the_same_video(tmp_path, write_json):
    write_xml(tmp_path, clip="1")
    write_json(tmp_path / LIST.format(1), lists(frame("0.jpg", person(), person())))
    write_json(tmp_path / LIST.format(2), lists(frame("0.jpg", person())))
    people = read_hieve(tmp_path).people
    assert people.images.groups == ("1", "2")
    assert len(people) == 2
    assert "videos 1 are labelled twice; all-track was used" in people.notes


def test_an_xml_file_that_names_another_frame_is_counted(tmp_path):
    write_xml(tmp_path, filename="4.jpg")
    source = read_hieve(tmp_path)
    assert source.people.images.source_ids == ("1/000000",)
    assert any("1 label file has the name of another frame" in note for note in source.people.notes)


def test_an_unknown_key_is_counted_and_an_unknown_joint_is_refused(tmp_path, refuses):
    write_xml(tmp_path, 0, {"bndbox": CORNERS | POINTS | {"colour": "red"}})
    assert any("'colour'" in note for note in read_hieve(tmp_path).people.notes)
    write_xml(tmp_path, 0, {"bndbox": CORNERS | {"Left-toe": "1,1,0"}})
    refuses(read_hieve, tmp_path, "person 1", "HiEve has no joint 'Left-toe'")


@pytest.mark.parametrize(
    ("bndbox", "words"),
    [
        (without(CORNERS, "xmax"), ["person 1", "no xmax"]),
        (CORNERS | {"xmax": "wide"}, ["person 1", "xmax is 'wide'"]),
        (CORNERS | {"Nose": "1,2"}, ["person 1", "Nose is '1,2'"]),
        (CORNERS | {"Nose": "1,b,0"}, ["person 1", "Nose is 'b'"]),
        (CORNERS | {"Nose": "1,1,2"}, ["person 1", "keypoint 1 has visibility 2"]),
        (CORNERS | {"Nose": ["1,1,0", "1,2,0"]}, ["person 1", "repeated"]),
    ],
)
def test_a_broken_person_of_an_xml_file_is_named(tmp_path, refuses, bndbox, words):
    path = write_xml(tmp_path, 0, {"bndbox": bndbox})
    refuses(read_hieve, tmp_path, str(path), *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<annotation><object>", "broken XML"),
        ("<annotation/>\0", "broken XML"),
        ("", "broken XML"),
        ("<svg/>", "XML with root 'svg'"),
        ("<annotation><object/></annotation>", "bndbox"),
        ('{"annotation": {"object": 3}}', "annotation.object"),
        ('{"annotation": {"filename": "0.jpg", "filename": "1.jpg"}}', "occurs twice"),
        ('{"annotation"', "broken JSON"),
    ],
)
def test_a_file_that_is_no_label_file_is_refused_in_one_line(tmp_path, refuses, text, words):
    path = write_xml(tmp_path)
    path.write_text(text)
    refuses(read_hieve, tmp_path, str(path), words)


BOMB = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;">]>'


@pytest.mark.parametrize(
    "text",
    [
        BOMB + "<annotation>&y;</annotation>",
        f"<?hide <!-- ?>{BOMB}<?seek --> ?><annotation>&y;</annotation>",
    ],
)
def test_xml_that_declares_entities_is_refused_before_it_is_parsed(tmp_path, refuses, text):
    write_xml(tmp_path, text=text)
    refuses(read_hieve, tmp_path, "DOCTYPE", kind=RefusedError)


@pytest.mark.parametrize("encoding", ["utf-16", "cp037"])
def test_no_encoding_hides_a_declaration(tmp_path, refuses, encoding):
    path = write_xml(tmp_path)
    path.write_bytes((BOMB + "<annotation>&y;</annotation>").encode(encoding))
    refuses(read_hieve, tmp_path, "broken XML")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/000000.jpg", "a\\0.jpg", "a\0.jpg"])
def test_a_frame_name_that_leads_out_is_refused(tmp_path, write_json, refuses, name):
    path = write_json(tmp_path / LIST.format(1), lists(frame(name)))
    refuses(read_hieve, tmp_path, str(path), "data root", kind=RefusedError)
    if "\0" not in name:
        write_xml(tmp_path, filename=name)
        refuses(read_hieve, tmp_path, "000000.xml", "data root", kind=RefusedError)


def test_an_extracted_frame_that_is_a_link_out_is_refused(tmp_path, write_json, refuses):
    write_json(tmp_path / LIST.format(1), lists(frame("000000.jpg")))
    frames = tmp_path / "HIE20/videos/train/images/1"
    frames.mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"")
    (frames / "000000.jpg").symlink_to(tmp_path / "secret")
    refuses(read_hieve, tmp_path, "path leaves the data root", kind=RefusedError)


def test_the_derived_example_holds_20_poses_in_5_frames(real):
    source = read_hieve(real / "hieve/derived_layout_example", frame_step=1)
    people = source.people
    assert np.bincount(people.image_rows).tolist() == [4] * 5
    assert all(p.path.is_file() for p in source.image_files)
    assert not people.keypoints[:, :2].any()  # that video has neither nose nor chest
    assert (people.num_labelled == 12).all()
    assert len(read_hieve(real / "hieve/derived_layout_example").people) == 4
