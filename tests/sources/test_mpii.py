"""MPII's MATLAB file (paper, D2)."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.io import savemat
from tables import check_same_table

from smallpose.core.boxes import BOX_RULES
from smallpose.core.errors import RefusedError
from smallpose.core.skeleton import MPII16
from smallpose.sources.mpii import FILE, FOLDER, parse_mpii, read_mpii

EMPTY = np.zeros((0, 0))


def structs(*rows):
    """A MATLAB struct array (1 × n); every field may hold anything."""
    names = list(rows[0])
    out = np.zeros((1, len(rows)), dtype=[(name, object) for name in names])
    for number, row in enumerate(rows):
        for name in names:
            out[0, number][name] = row[name]
    return out


def point(joint, x, y, **flag):
    return {"id": np.uint8(joint), "x": x, "y": y} | flag


def person(*points, **fields):
    return {"annopoints": structs({"point": structs(*points)})} | fields


HEAD = {"x1": np.uint8(11), "y1": np.uint8(21), "x2": np.uint8(31), "y2": np.uint8(61)}
RIGHT_ANKLE, LEFT_ANKLE = 0, 5
TWO = (
    point(LEFT_ANKLE, np.uint8(101), np.uint16(301), is_visible=np.uint8(0)),
    point(RIGHT_ANKLE, np.uint8(1), np.float64(201.5), is_visible="1"),
)


def entry(*people, name="000000001.jpg", vididx=EMPTY):
    rects = structs(*people) if people else EMPTY
    return {"image": structs({"name": name}), "annorect": rects, "vididx": vididx}


def write(root, *entries, train=None, **replaced):
    release = {
        "annolist": structs(*entries) if entries else EMPTY,
        "img_train": np.array([train or [1] * len(entries)], dtype=np.uint8),
    }
    release = {k: v for k, v in (release | replaced).items() if v is not None}
    root.mkdir(exist_ok=True)
    savemat(root / FILE, {"RELEASE": release})
    return root / FILE


def test_coordinates_lose_one_and_flags_become_cocos(tmp_path):
    write(tmp_path, entry(person(*TWO)))
    people = parse_mpii(tmp_path).people
    assert people.keypoints[0, LEFT_ANKLE].tolist() == [100, 300, 1]
    assert people.keypoints[0, RIGHT_ANKLE].tolist() == [0, 200.5, 2]
    assert people.num_keypoints.tolist() == [2]


def test_the_points_order_says_nothing_and_right_comes_first(tmp_path):
    write(tmp_path, entry(person(*TWO[::-1])))
    people = parse_mpii(tmp_path).people
    assert MPII16.joints[0] == "right_ankle"
    assert people.keypoints[0, 0].tolist() == [0, 200.5, 2]


def test_an_empty_or_absent_flag_means_seen(tmp_path):
    write(
        tmp_path,
        entry(person(point(8, 5.0, 6.0, is_visible=EMPTY)), name="1.jpg"),
        entry(person(point(8, 5.0, 6.0)), name="2.jpg"),
    )
    assert parse_mpii(tmp_path).people.keypoints[:, 8, 2].tolist() == [2, 2]


def test_small_integers_do_not_wrap_around(tmp_path):
    """0 - 1 in uint8 is 255, and so is a width of 10 - 31."""
    zero = point(0, np.uint8(0), np.uint8(0), is_visible=np.uint8(1))
    head = HEAD | {"x2": np.uint8(10)}
    write(tmp_path, entry(person(zero, TWO[0], **head)))
    people = parse_mpii(tmp_path).people
    assert people.keypoints[0, 0].tolist() == [-1, -1, 2]


def test_the_box_is_extent_and_head_times_one_point_three(tmp_path):
    write(tmp_path, entry(person(*TWO, **HEAD)))
    people = parse_mpii(tmp_path).people
    x, y, w, h = 0.0, 20.0, 100.0, 280.0  # keypoints 0…100 × 200.5…300, head 10…30 × 20…60
    grown = [x - 0.15 * w, y - 0.15 * h, 1.3 * w, 1.3 * h]
    assert np.allclose(people.boxes_xywh, [grown])
    assert BOX_RULES[people.box_rule[0]] == "extent_head130"


def test_without_a_head_rectangle_the_keypoints_alone_make_the_box(tmp_path):
    write(tmp_path, entry(person(*TWO)))
    assert np.allclose(parse_mpii(tmp_path).people.boxes_xywh[0, 2:], [130, 1.3 * 99.5])


def test_people_without_points_are_left_out_and_counted(tmp_path):
    nobody = {"annopoints": EMPTY} | HEAD
    write(tmp_path, entry(person(*TWO, **HEAD), nobody), entry({"scale": 1.0}, name="2.jpg"))
    people = parse_mpii(tmp_path).people
    assert len(people) == 1
    assert "2 people without labelled keypoints left out" in people.notes[0]


def test_test_images_are_left_out_and_counted_and_empty_training_images_stay(tmp_path):
    write(
        tmp_path,
        entry(name="1.jpg"),
        entry(person(*TWO), name="2.jpg"),
        entry(name="3.jpg"),
        train=[1, 1, 0],
    )
    source = parse_mpii(tmp_path)
    assert source.people.images.source_ids == ("1", "2")
    assert source.people.image_rows.tolist() == [1]
    assert source.splits == ("", "")
    assert "1 test image left out" in source.people.notes[0]


def test_a_video_is_a_group_and_an_image_without_one_is_a_group_of_its_own(tmp_path):
    write(
        tmp_path,
        entry(name="1.jpg", vididx=np.uint16(3418)),
        entry(name="2.jpg"),
        entry(name="3.jpg", vididx=np.int8(-1)),
    )
    groups = ("mpii_video_003418", "mpii_position_000002", "mpii_position_000003")
    assert parse_mpii(tmp_path).people.images.groups == groups


def test_every_position_of_the_list_is_kept_test_images_included(tmp_path):
    write(
        tmp_path,
        entry(name="1.jpg", vididx=np.uint16(7)),
        entry(name="2.jpg", vididx=np.uint16(9)),
        entry(name="3.jpg"),
        entry(name="1.jpg", vididx=np.uint16(8)),
        train=[1, 0, 0, 1],
    )
    assert parse_mpii(tmp_path).listed_images == (
        ("mpii_video_000007", True),
        ("mpii_video_000009", False),
        ("mpii_position_000003", False),
        ("mpii_video_000007", True),  # the image is in the list twice, and in the set once
    )


def test_the_file_may_lie_in_the_folder_its_archive_makes(tmp_path):
    write(tmp_path / FOLDER, entry())
    (tmp_path / "images").mkdir()
    assert parse_mpii(tmp_path).image_files[0].path == tmp_path / "images/000000001.jpg"


def test_an_image_listed_twice_keeps_the_people_of_both_once(tmp_path):
    other = person(point(3, 7.0, 7.0), point(4, 9.0, 9.0))
    write(tmp_path, entry(person(*TWO)), entry(person(*TWO)), entry(other))
    people = parse_mpii(tmp_path).people
    assert (len(people.images), len(people)) == (1, 2)
    assert "1 image is listed twice" in people.notes[0]
    assert "1 identical one merged" in people.notes[0]


def test_cells_instead_of_struct_arrays_are_looked_through(tmp_path):
    """What `savemat` makes of a list of dicts, as in a file that went through Python."""
    plain = {"image": {"name": "1.jpg"}, "vididx": 5.0}
    points = [{"id": 0, "x": 2, "y": 3, "is_visible": 1}, {"id": 1, "x": 4, "y": 8}]
    plain["annorect"] = [{"annopoints": {"point": points}}, HEAD]
    write(tmp_path, annolist=[plain, plain | {"image": {"name": "2.jpg"}}], img_train=[1, 1])
    people = parse_mpii(tmp_path).people
    assert people.num_keypoints.tolist() == [2, 2]
    assert people.images.groups == ("mpii_video_000005", "mpii_video_000005")


def test_a_single_image_with_a_single_person_and_point_survives_squeezing(tmp_path):
    one = {"image": {"name": "1.jpg"}, "vididx": 5}
    one["annorect"] = {"annopoints": {"point": {"id": 0, "x": 2, "y": 3}}} | HEAD
    write(tmp_path, annolist=one, img_train=1)
    assert parse_mpii(tmp_path).people.num_keypoints.tolist() == [1]


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"img_train": None}, ["no field img_train"]),
        ({"annolist": None}, ["no field annolist"]),
        ({"annolist": EMPTY}, ["field annolist holds no images"]),
        ({"img_train": [1, 0]}, ["img_train has 2 values for 1 image"]),
        ({"annolist": structs({"image": structs({"name": "1.jpg"})})}, ["no field vididx"]),
        ({"annolist": structs({"image": EMPTY})}, ["annolist(1)", "image.name is empty"]),
        ({"annolist": structs({"annorect": EMPTY})}, ["annolist(1)", "no field image"]),
        ({"annolist": structs(entry() | {"image": structs({"n": 1})})}, ["no field name"]),
        ({"annolist": structs(entry(person({"id": 1, "x": 1})))}, ["person 1", "no field y"]),
        (
            {"annolist": structs(entry({"annopoints": structs({"p": 1})}))},
            ["person 1", "no field point"],
        ),
    ],
)
def test_a_missing_field_is_named_with_the_mend(tmp_path, refuses, replaced, words):
    path = write(tmp_path, entry(), **replaced)
    line = refuses(parse_mpii, tmp_path, str(path), *words)
    assert "-v7" in line


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (point(16, 1.0, 1.0), "a point has id 16.0"),
        (point(1, np.nan, 1.0), "field x is 'nan'"),
        (point(1, "a", 1.0), "field x is 'a'"),
        (point(1, [1.0, 2.0], 1.0), "field x has 2 values"),
        (point(1, EMPTY, 1.0), "a point has id 1.0, x None"),
        (point(1, 1.0, 1.0, is_visible=3.0), "point 1 has is_visible 3"),
        (point(LEFT_ANKLE, 1.0, 1.0, is_visible=1.0), "point 5 (left_ankle) is listed twice"),
    ],
)
def test_a_broken_point_is_named_with_image_and_person(tmp_path, refuses, bad, words):
    first = TWO[0] if "is_visible" in bad else point(LEFT_ANKLE, 5.0, 5.0)
    write(tmp_path, entry(person(first, bad)))
    refuses(parse_mpii, tmp_path, "image 000000001.jpg, person 1", words)


def test_an_hdf5_file_is_named_with_the_mend(tmp_path, refuses):
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512)
    (tmp_path / FILE).write_bytes(header + b"\x89HDF\r\n\x1a\n" + bytes(100))
    refuses(parse_mpii, tmp_path, FILE, "v7.3", "-v7")


@pytest.mark.parametrize("keep", [0, 1, 100, 130, 150, 400])
def test_a_broken_file_is_one_line(tmp_path, refuses, keep):
    path = write(tmp_path, entry(person(*TWO)))
    path.write_bytes(path.read_bytes()[:keep])
    refuses(parse_mpii, tmp_path, str(path))


def test_a_file_of_something_else_is_one_line(tmp_path, refuses):
    savemat(tmp_path / FILE, {"other": 1})
    refuses(parse_mpii, tmp_path, "no variable RELEASE")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\\b.jpg", "x" * 2000])
def test_an_image_name_that_leads_out_is_refused(tmp_path, refuses, name):
    write(tmp_path, entry(name=name))
    refuses(parse_mpii, tmp_path, "path leaves the data root", kind=RefusedError)


def test_the_real_structs_give_their_known_numbers(real):
    source = parse_mpii(real / "mpii")
    people = source.people
    assert (len(people.images), len(people)) == (1367, 1471)
    assert people.is_counted.all()
    assert "3 test images left out" in people.notes[0]
    assert sum(p.path.is_file() for p in source.image_files) == 5


def test_five_people_equal_somebody_elses_conversion_minus_one(real):
    theirs = json.loads((real / "mpii/annot_json/test_mpii.json").read_text())
    people = parse_mpii(real / "mpii").people
    row_of = {one: row for row, one in enumerate(people.images.source_ids)}
    assert len(theirs) == 5
    for record in theirs:
        seen = np.array(record["joints_vis"]) > 0
        mine = people.keypoints[people.image_rows == row_of[record["image"].removesuffix(".jpg")]]
        expected = np.array(record["joints"])[seen] - 1
        assert any(np.allclose(k[seen, :2], expected, atol=1e-3) for k in mine)


def test_a_crash_while_the_file_is_read_is_one_line(tmp_path, monkeypatch, refuses):
    (tmp_path / FILE).write_bytes(b"damaged")
    (tmp_path / "images").mkdir()
    fake = tmp_path / "fake" / "scipy"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("")
    (fake / "io.py").write_text("import os\ndef whosmat(file): os.abort()\nloadmat = whosmat\n")
    monkeypatch.syspath_prepend(str(fake.parent))
    refuses(read_mpii, tmp_path, FILE, "crashed (SIGABRT)", "download the publisher's file again")


def test_the_process_of_its_own_returns_the_same_tables(real):
    read, parsed = read_mpii(real / "mpii"), parse_mpii(real / "mpii")
    check_same_table(read.people, parsed.people)
    assert replace(read, people=parsed.people) == parsed
