"""Frames that are missing, not labelled or in no video; identities that are missing; bad inputs."""

import json

import pytest
from video_references import assert_equal

from smallpose.cli.main import main


def run(capsys, *words):
    try:
        code = main([str(word) for word in words])
    except SystemExit as ended:  # of the parser
        code = ended.code
    return code, capsys.readouterr()


def test_results_without_track_id_have_steadiness_by_matching_and_no_identity(
    evaluate_records, make_videos
):
    data = make_videos(0)
    whole = evaluate_records(data)
    for result in data.results:
        del result["track_id"]
    ours = evaluate_records(data)
    assert ours["identity"] is None
    assert ours["posetrack"]["MOTA"] is None
    assert ours["posetrack"]["AP"] == whole["posetrack"]["AP"]
    assert list(ours["steadiness"]) == ["people"]
    assert ours["steadiness"]["people"] == whole["steadiness"]["people"]
    assert any("no result has a track_id" in note for note in ours["notes"])


def test_images_without_labels_have_the_steadiness_of_the_tracks(evaluate_records, make_videos):
    data = make_videos(0)
    whole = evaluate_records(data)["steadiness"]["tracks"]
    data.truth["annotations"] = []
    ours = evaluate_records(data)
    assert ours["steadiness"] == {"tracks": whole}
    assert ours["identity"] is None and ours["posetrack"] is None
    assert any("no label has a track_id" in note for note in ours["notes"])


def test_without_labels_nothing_but_the_videos_is_printed(make_videos, tmp_path, capsys):
    data = make_videos(0)
    data.truth["annotations"] = []
    files = [tmp_path / "truth.json", tmp_path / "results.json"]
    for file, content in zip(files, (data.truth, data.results), strict=True):
        file.write_text(json.dumps(content))
    assert main(["evaluate", *map(str, files), "--video"]) == 0
    text = capsys.readouterr().out
    assert "frames without labels: of the numbers only the steadiness" in " ".join(text.split())
    assert "labelled frame" not in text
    assert "AP_S" not in text and "coco" not in text and "are detected" not in text
    assert "steadiness of the tracks of the results" in text


def test_frames_that_are_not_labelled_are_as_if_they_were_not_there(evaluate_records, make_videos):
    data = make_videos(1)
    hidden = {1001, 2004}
    for image in data.truth["images"]:
        image["is_labeled"] = image["id"] not in hidden
    marked = evaluate_records(data)
    for name in ("images", "annotations"):
        key = "id" if name == "images" else "image_id"
        data.truth[name] = [r for r in data.truth[name] if r[key] not in hidden]
    data.results = [r for r in data.results if r["image_id"] not in hidden]
    absent = evaluate_records(data)
    for name in ("identity", "posetrack", "joints", "steadiness", "gaps"):
        assert_equal(marked[name], absent[name])
    assert any("2 frames marked as not labelled" in note for note in marked["notes"])


def test_stills_among_videos_are_left_out_and_counted(evaluate_records, make_videos):
    data = make_videos(1)
    before = evaluate_records(data)
    data.truth["images"].append({"id": 7, "file_name": "still.jpg"})
    person = dict(data.truth["annotations"][-1], id=9999, image_id=7)
    data.truth["annotations"].append(person)
    data.results.append(dict(data.results[0], image_id=7))
    after = evaluate_records(data)
    assert_equal(after["identity"], before["identity"])
    assert_equal(after["joints"], before["joints"])
    assert "left out: 1 image that is no frame of a video" in after["notes"]


def test_missing_frames_are_counted_and_no_window_goes_over_them(evaluate_records, make_videos):
    data = make_videos(3, videos=1, frames=9, noise=0.0)
    data.truth["annotations"] = []
    complete = evaluate_records(data)
    assert complete["gaps"] == 0
    data.truth["images"] = [i for i in data.truth["images"] if i["id"] != 1003]
    data.results = [r for r in data.results if r["image_id"] != 1003]
    ours = evaluate_records(data)
    assert ours["gaps"] == 1
    lost = complete["steadiness"]["tracks"]["all"]["windows"]
    assert 0 < ours["steadiness"]["tracks"]["all"]["windows"] < lost
    assert ours["steadiness"]["tracks"]["all"]["tracks"] > 0


def test_only_windows_with_matched_predictions_are_counted(evaluate_records, make_videos):
    """Those of the labels were counted, however few people were matched."""
    data = make_videos(3, videos=1, frames=9, noise=0.0)
    everyone = evaluate_records(data)["steadiness"]["people"]["all"]
    assert everyone["windows"] > 0 and everyone["tracks"] > 0
    one = data.results[0]["track_id"]
    complete = data.results
    data.results = [r for r in complete if r["track_id"] == one]
    alone = evaluate_records(data)["steadiness"]["people"]["all"]
    assert alone["tracks"] <= 1 and alone["windows"] < everyone["windows"]
    data.results = [r for r in complete if r["image_id"] % 3 == 0]  # no three frames in a row
    none = evaluate_records(data)["steadiness"]["people"]["all"]
    assert none["tracks"] == none["windows"] == 0


def test_a_detection_in_a_region_to_ignore_costs_no_hota(evaluate_records, make_videos):
    data = make_videos(2)
    crowd = next(a for a in data.truth["annotations"] if a["iscrowd"])
    before = evaluate_records(data)
    x, y, w, h = crowd["bbox"]
    pose = [x + w / 2, y + h / 2, 0.9] * 17
    extra = {"image_id": crowd["image_id"], "category_id": 1, "keypoints": pose}
    data.results.append(extra | {"score": 0.001, "track_id": 777})
    after = evaluate_records(data)
    assert after["identity"]["DetPr"] == pytest.approx(before["identity"]["DetPr"], abs=1e-12)
    assert after["joints"]["nose"]["false"] == before["joints"]["nose"]["false"]


@pytest.mark.parametrize("has_large_region", [False, True])
def test_labelled_joints_in_regions_are_counted_below_the_table_of_posetrack(
    evaluate_records, write_records, make_videos, capsys, has_large_region
):
    """AP and MOTA left out most labels without a word."""
    data = make_videos(0, videos=1)
    annotations = data.truth["annotations"]
    people = [a for a in annotations if not a["iscrowd"]]
    for image in data.truth["images"]:
        image.pop("ignore_regions_x", None)
        image.pop("ignore_regions_y", None)
    num_joints = sum(a["num_keypoints"] for a in people)
    annotations[:] = people
    assert not any("regions to ignore" in note for note in evaluate_records(data)["notes"])
    for image in data.truth["images"] if has_large_region else data.truth["images"][:1]:
        crowd = {"id": 10**6 + len(annotations), "image_id": image["id"], "category_id": 1}
        crowd |= {"bbox": [-999, -999, 9999, 9999], "area": 9e7, "iscrowd": 1}
        annotations.append(crowd | {"num_keypoints": 0, "keypoints": [0] * 51})
    gone = [a for a in people if has_large_region or a["image_id"] == people[0]["image_id"]]
    num_gone = sum(a["num_keypoints"] for a in gone)
    if has_large_region:  # of all frames but the last
        last = data.truth["images"][-1]["id"]
        annotations[:] = [a for a in annotations if not (a["iscrowd"] and a["image_id"] == last)]
        gone = [a for a in people if a["image_id"] != last]
        num_gone = sum(a["num_keypoints"] for a in gone)
    result = evaluate_records(data)
    assert sum(row["labelled"] for row in result["joints"].values()) == num_joints - num_gone
    (note,) = [note for note in result["notes"] if "regions to ignore" in note]
    assert note.startswith(f"{num_gone} of {num_joints} labelled joints are inside regions")
    assert f"so that {len(gone)} of {len(people)} people have none left" in note
    assert ("are in doubt" in note) == has_large_region
    code, printed = run(capsys, "evaluate", *write_records(data), "--video")
    assert code == 0
    table = printed.out.partition("PoseTrack's AP and MOTA, joints")[2].partition("\n\n")[0]
    assert note.partition(", ")[0] in " ".join(table.split())


def test_the_minimum_score_is_as_if_the_others_were_not_in_the_file(evaluate_records, make_videos):
    data = make_videos(0)
    ours = evaluate_records(data, min_score=0.3)
    data.results = [r for r in data.results if r["score"] > 0.3]
    alone = evaluate_records(data)
    for name in ("identity", "posetrack", "joints"):
        assert_equal(ours[name], alone[name])
    assert_equal(ours["steadiness"]["tracks"], alone["steadiness"]["tracks"])


def test_people_without_a_box_of_the_head_have_it_estimated_and_a_note(
    evaluate_records, make_videos
):
    data = make_videos(0)
    for person in data.truth["annotations"]:
        person.pop("bbox_head", None)
    notes = evaluate_records(data)["notes"]
    assert any("people have no bbox_head" in note for note in notes)


def test_results_without_track_id_count_as_people_seen_once(evaluate_records, make_videos):
    data = make_videos(0)
    del data.results[0]["track_id"]
    data.results[5]["track_id"] = None
    ours = evaluate_records(data)
    assert "2 results without track_id count as people seen in one frame only" in ours["notes"]
    data.results[0]["track_id"], data.results[5]["track_id"] = 4001, 4002
    assert_equal(evaluate_records(data)["identity"], ours["identity"])


def test_intervals_resample_videos(evaluate_records, make_videos):
    data = make_videos(4, videos=12, frames=7, people=2)
    ours = evaluate_records(data, num_resamples=50)
    for group, name in (("identity", "HOTA"), ("posetrack", "AP"), ("posetrack", "MOTA")):
        number = ours[group][name]
        assert number["low"] < number["value"] < number["high"]
    few = evaluate_records(make_videos(4), num_resamples=50)
    assert isinstance(few["identity"]["HOTA"], float)


def test_the_command_prints_what_it_writes_in_80_columns(write_records, make_videos, capsys):
    truth, results = write_records(make_videos(5, videos=11, frames=7, people=2))
    out = truth.with_name("out.json")
    words = ("evaluate", truth, results, "--video", "--intervals", 20, "--json", out)
    code, printed = run(capsys, *words)
    assert code == 0
    video = json.loads(out.read_text())["video"]
    assert video["videos"] == 11
    assert video["identity"]["HOTA"]["low"] < video["identity"]["HOTA"]["high"]
    assert "HOTA" in printed.out and "jitter" in printed.out
    assert max(map(len, printed.out.splitlines())) <= 80


def remove_tracks(data):
    for record in (*data.truth["annotations"], *data.results):
        record.pop("track_id", None)


def test_without_any_identity_ap_is_left_where_images_name_their_video(
    evaluate_records, make_videos, write_records, capsys
):
    data = make_videos(0)
    whole = evaluate_records(data)
    remove_tracks(data)
    ours = evaluate_records(data)
    assert ours["posetrack"]["AP"] == whole["posetrack"]["AP"]
    assert ours["identity"] is None and ours["steadiness"] == {}
    assert ours["notes"][0].startswith("neither labels nor results have a track_id")
    for image in data.truth["images"]:
        del image["vid_id"]
    code, printed = run(capsys, "evaluate", *write_records(data), "--video")
    assert code == 2 and "neither labels nor results have a track_id" in printed.err


def test_numbered_frames_without_identities_are_scored_as_a_note_advises(
    evaluate_records, make_videos
):
    """`--video` was refused for the images about which a note says "evaluate has --video"."""
    data = make_videos(0)
    remove_tracks(data)
    for number, image in enumerate(data.truth["images"]):
        del image["vid_id"]
        image["file_name"] = f"clip/{6 * number:06d}.jpg"
    assert len(data.truth["images"]) >= 10
    ours = evaluate_records(data)
    assert ours["videos"] == 1 and ours["identity"] is None


def test_steadiness_over_distant_frames_is_said_to_be_over_them(evaluate_records, make_videos):
    """Jitter over every sixth frame stood there as that of a video."""
    data = make_videos(0)
    for step in (1, 6):
        numbers = {}
        for image in sorted(data.truth["images"], key=lambda image: image["frame_id"]):
            image["frame_id"] = numbers.get(image["vid_id"], 0) + step
            numbers[image["vid_id"]] = image["frame_id"]
        notes = evaluate_records(data)["notes"]
        is_noted = any("of this file are 6 apart by their numbers" in note for note in notes)
        assert is_noted == (step == 6)
    assert "give the list of images that 'predict' writes" in " ".join(notes)
    data.truth["annotations"] = []  # the list is what was given
    notes = " ".join(evaluate_records(data)["notes"])
    assert "for those predict all frames (without --every)" in notes
    assert "give the list of images" not in notes


def set_image(**fields):
    def change(data):
        data.truth["images"][0].update(fields)

    return change


def set_person(**fields):
    def change(data):
        data.truth["annotations"][-1].update(fields)

    return change


def repeat_track(records):
    def change(data):
        people = data.truth["annotations"] if records == "truth" else data.results
        people = [p for p in people if p["image_id"] == 1000 and not p.get("iscrowd")]
        people[0]["track_id"] = people[1]["track_id"]

    return change


def set_result(**fields):
    def change(data):
        data.results[0].update(fields)

    return change


def name_frames(name):
    def change(data):
        for image in data.truth["images"]:
            del image["frame_id"]
            image["file_name"] = name.format(image["id"])

    return change


def mark_all_unlabelled(data):
    for image in data.truth["images"]:
        image["is_labeled"] = False


BAD = {
    "frame number is no whole number": set_image(frame_id=1.5),
    "frame number is infinite": set_image(frame_id=1e300),
    "frame number is text": set_image(frame_id="first"),
    "frame number twice in a video": set_image(frame_id=1, vid_id="v0"),
    "no frame number at all": name_frames("frame.jpg"),
    "no name and no number": name_frames(""),
    "regions of two lengths": set_image(ignore_regions_x=[[1, 2, 3]], ignore_regions_y=[]),
    "region is text": set_image(ignore_regions_x="all"),
    "labelled mark is text": set_image(is_labeled="yes"),
    "video is a list": set_image(vid_id=["a"]),
    "person twice in a frame": repeat_track("truth"),
    "track twice in a frame": repeat_track("results"),
    "identity is a list": set_person(track_id=[1]),
    "identity is an object": set_person(track_id={"id": 1}),
    "head has three numbers": set_person(bbox_head=[1, 2, 3]),
    "head is text": set_person(bbox_head="none"),
    "no frame is labelled": mark_all_unlabelled,
    "track of a result is a list": set_result(track_id=[3]),
    "track of a result is an object": set_result(track_id={"id": 3}),
    "track of a result is a truth value": set_result(track_id=True),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_answered_in_one_line_with_a_remedy(name, write_records, make_videos, capsys):
    data = make_videos(0, videos=2, frames=4)
    if name == "frame number twice in a video":
        data.truth["images"][1].update(frame_id=1, vid_id="v0")
    BAD[name](data)
    truth, results = write_records(data)
    code, printed = run(capsys, "evaluate", truth, results, "--video")
    assert code == 2, printed.out[-300:]
    lines = printed.err.strip().splitlines()
    assert len(lines) == 1 and ";" in lines[0], printed.err
    assert not printed.out


def test_the_minimum_score_belongs_to_videos(write_records, make_videos, capsys):
    paths = write_records(make_videos(0, videos=1, frames=3))
    code, printed = run(capsys, "evaluate", *paths, "--min-track-score", "0.5")
    assert code == 2 and "add --video" in printed.err
    code, printed = run(capsys, "evaluate", *paths, "--video", "--min-track-score", "nan")
    assert code == 2 and len(printed.err.strip().splitlines()) == 1
