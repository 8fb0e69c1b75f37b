"""`smallpose predict` on videos: the same people as on their frames, with ids, times and tracks."""

import json
import re
import subprocess
import sys
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

from smallpose import create_method, read_coco, read_results
from smallpose.cli.main import main
from smallpose.inference.tracking import Tracker
from smallpose.io.image_files import list_media_files
from smallpose.sources.video import iterate_frames
from smallpose.training.checkpoint import save_model

av = pytest.importorskip("av", reason="PyAV is optional: pip install '.[video]'")
TOP_DOWN = "simple_baseline_r18_tiny"
FULL_IMAGE = "rtmo_tiny"
TIMES = np.cumsum([0, 0.04, 0.04, 0.5, 0.04, 0.1, 0.04])
TICK = Fraction(1, 90_000)


def write_video(path, times_s, size_wh=(96, 64), codec="libx264"):
    rng = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size_wh, "yuv420p"
        stream.time_base = stream.codec_context.time_base = TICK
        small = rng.integers(0, 256, (8, 12, 3), dtype=np.uint8)
        for number, time_s in enumerate(times_s):
            moved = np.roll(small, number % 12, axis=1)
            image = cv2.resize(moved, size_wh, interpolation=cv2.INTER_CUBIC)
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = round(float(time_s) / TICK), TICK
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weights of both kinds, a video of a variable rate, and its frames as PNG files."""
    folder = tmp_path_factory.mktemp("video")
    torch.manual_seed(0)
    for name in (TOP_DOWN, FULL_IMAGE):
        method = create_method(name)
        if name == TOP_DOWN:
            torch.nn.init.normal_(method.head.final_layer.weight, std=0.3)
        save_model(method, folder / name, method.recipes["quick"])
    write_video(folder / "clip.mp4", TIMES)
    (folder / "clip").mkdir()
    for frame in iterate_frames(folder / "clip.mp4"):
        name = f"{frame.index:06d}.png"
        cv2.imwrite(str(folder / "clip" / name), frame.image[:, :, ::-1])
    return folder


def run_predict(*words) -> int:
    return main(["predict", *map(str, words)])


def list_words(files, name):
    """The words that name a method: alone, or a top-down one with boxes of a detector."""
    if name != "boxes from":
        return (name, "--weights", files / name, "--score-above", 0)[
            : 5 if name == FULL_IMAGE else 3
        ]
    detector = ("--boxes-from", FULL_IMAGE, "--box-weights", files / FULL_IMAGE)
    return (TOP_DOWN, "--weights", files / TOP_DOWN, *detector, "--score-above", 0)


@pytest.mark.parametrize("name", [FULL_IMAGE, TOP_DOWN, "boxes from"])
@pytest.mark.parametrize("every", [1, 3])
def test_people_of_a_video_are_those_of_its_frames(files, name, every, tmp_path, capsys):
    words = (*list_words(files, name), "--max-people", 4)[: None if name != TOP_DOWN else 3]
    out, expected = tmp_path / "found.json", tmp_path / "frames" / "found.json"
    assert run_predict(*words, files / "clip.mp4", "--out", out, "--every", every) == 0
    kept = range(0, len(TIMES), every)
    assert f" people in {len(kept)} frames and images: {out}" in capsys.readouterr().out
    images = [files / "clip" / f"{index:06d}.png" for index in kept]
    assert run_predict(*words, *images, "--out", expected) == 0
    records = json.loads(out.read_text())
    wanted = json.loads(expected.read_text())
    assert len(records) == len(wanted) > 0
    for record, other in zip(records, wanted, strict=True):
        assert record["image_id"] == other["image_id"]
        np.testing.assert_allclose(record["keypoints"], other["keypoints"], atol=1e-4)
        np.testing.assert_allclose(record["score"], other["score"], atol=1e-5)
    listed = json.loads((tmp_path / "frames.json").read_text())
    assert [frame["index"] for frame in listed] == list(kept)
    assert [frame["image_id"] for frame in listed] == list(range(1, len(kept) + 1))
    np.testing.assert_allclose([f["time"] for f in listed], TIMES[::every], atol=1e-4)
    table = read_coco(tmp_path / "found.images.json").images
    assert table.file_names == tuple(frame["file_name"] for frame in listed)
    assert table.file_names[-1].endswith(f"clip/{kept[-1]:06d}.jpg")
    assert set(zip(table.width.tolist(), table.height.tolist(), strict=True)) == {(96, 64)}
    found = read_results(out, read_coco(tmp_path / "found.images.json"))
    assert len(found) == len(records)


def test_results_fit_labels_of_extracted_frames_by_the_names(files, tmp_path):
    out = tmp_path / "found.json"
    words = (*list_words(files, FULL_IMAGE), "--max-people", 1)
    assert run_predict(*words, files / "clip.mp4", "--out", out) == 0
    truth = json.loads((tmp_path / "found.images.json").read_text())
    for image in truth["images"]:  # as a set that build made of the same video
        image["file_name"] = f"hieve/{image['file_name']}"
        image["id"] += 500
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    found = read_results(out, read_coco(tmp_path / "truth.json"))
    assert found.image_ids.tolist() == list(range(501, 501 + len(TIMES)))


def test_videos_images_and_folders_of_both_are_numbered_together(files, tmp_path, capsys):
    folder = tmp_path / "mixed"
    (folder / "only").mkdir(parents=True)
    for name in ("b.mp4", "b.mkv", "only/c.mp4"):
        write_video(folder / name, TIMES[:2])
    for name in ("a.png", "z.png"):
        (folder / name).write_bytes((files / "clip" / "000000.png").read_bytes())
    (folder / "program.ts").write_text("const a = 1;")
    words = (*list_words(files, FULL_IMAGE), "--max-people", 2, "--track")
    out = tmp_path / "o" / "found.json"
    drawn = tmp_path / "drawn"
    assert run_predict(*words, folder, "--out", out, "--draw", drawn) == 0
    captured = capsys.readouterr()
    assert "in 8 frames and images" in captured.out
    assert "1 file is left out, by the name no image or video: .ts (1): program.ts" in captured.err
    names = read_coco(tmp_path / "o" / "found.images.json").images.file_names
    assert [name.removeprefix(f"{folder}/") for name in names] == [
        *("a.png", "b.mkv/000000.jpg", "b.mkv/000001.jpg", "b.mp4/000000.jpg", "b.mp4/000001.jpg"),
        *("c/000000.jpg", "c/000001.jpg", "z.png"),
    ]
    frames = json.loads((tmp_path / "o" / "frames.json").read_text())
    assert [frame["image_id"] for frame in frames] == [2, 3, 4, 5, 6, 7]
    records = json.loads(out.read_text())
    assert {r["image_id"] for r in records} == set(range(1, 9))
    assert all(("track_id" in r) == (r["image_id"] in range(2, 8)) for r in records)
    by_video = [
        {r["track_id"] for r in records if r["image_id"] in ids} for ids in ((2, 3), (4, 5))
    ]
    assert not by_video[0] & by_video[1]
    names = ["000001-a.jpg", "000008-z.jpg", "b-2.mp4", "b.mp4", "c.mp4"]
    assert sorted(path.name.replace("mixed-", "") for path in drawn.iterdir()) == names
    assert run_predict(*words, folder / "only", "--out", out) == 0


def test_a_drawn_video_shows_its_frames_at_their_times(files, tmp_path):
    drawn = tmp_path / "new" / "clip_drawn.mp4"
    words = (*list_words(files, FULL_IMAGE), "--max-people", 20, "--track")
    words = (*words, "--out", tmp_path / "f.json", "--draw", drawn)
    assert run_predict(*words, files / "clip.mp4") == 0
    with av.open(str(drawn)) as container:
        assert container.streams.video[0].codec_context.name in ("h264", "mpeg4")
        frames = list(container.decode(video=0))
    times = [float(frame.pts * frame.time_base) for frame in frames]
    np.testing.assert_allclose(times, TIMES, atol=2e-3)
    size = (frames[3].width, frames[3].height)
    assert size[0] % 2 == 0 and 64 <= size[1] <= 2560  # larger, where the people are small
    plain = cv2.resize(cv2.imread(str(files / "clip/000003.png")), size)
    shown = frames[3].to_ndarray(format="bgr24").astype(int)
    assert 5 < np.abs(shown - plain).mean() < 100  # the same frame, with people drawn into it
    assert [path.name for path in drawn.parent.iterdir()] == ["clip_drawn.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_a_drawn_video_beside_its_source_is_not_read_with_the_folder(
    files, tmp_path, capsys, suffix
):
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "clip.mp4").write_bytes((files / "clip.mp4").read_bytes())
    words = (*list_words(files, FULL_IMAGE), "--max-people", 1, "--out", tmp_path / "f.json")
    assert run_predict(*words, folder / "clip.mp4", "--draw", folder / f"drawn{suffix}") == 0
    assert run_predict(*words, folder) == 0
    assert f"in {len(TIMES)} frames" in capsys.readouterr().out.splitlines()[-1]
    assert list_media_files([folder]) == [folder / "clip.mp4"]
    assert f"left out as drawings of predict --draw: drawn{suffix}; name a file" in (
        capsys.readouterr().err
    )
    named = [folder / f"drawn{suffix}"]
    assert list_media_files(named) == named


def test_drawings_inside_the_folder_that_is_read_are_refused(files, tmp_path, capsys):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "clip.mp4").write_bytes((files / "clip.mp4").read_bytes())
    words = (*list_words(files, FULL_IMAGE), "--out", tmp_path / "f.json", tmp_path / "videos")
    for name in ("drawn", "drawn.mp4"):
        assert run_predict(*words, "--draw", tmp_path / "videos" / name) == 2
        assert "is inside" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--shards", "s"), "clip.mp4: is a video, and shards are of images"),
        (("--every", 0), "--every 0: is below 1"),
        (("--draw", "x.mp4", "IMAGE"), "--draw x.mp4: is one video, and 2 files are drawn"),
        (("VIDEO",), "clip.mp4: the same video was given twice; pass it once"),
        (("--draw", "VIDEO"), "which would be overwritten"),
    ],
)
def test_options_that_do_not_fit_videos_are_one_line(
    files, more, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    paths = {"IMAGE": files / "clip" / "000000.png", "VIDEO": files / "clip.mp4"}
    more = [paths.get(word, word) for word in more]
    words = (*list_words(files, FULL_IMAGE), files / "clip.mp4", "--out", "f.json", *more)
    before = (files / "clip.mp4").read_bytes()
    assert run_predict(*words) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert message in line
    assert list(tmp_path.iterdir()) == [] and (files / "clip.mp4").read_bytes() == before


@pytest.mark.parametrize("flag", [("--every", 2), ("--track",), ("--draw", "a.mp4")])
def test_options_of_videos_are_refused_for_images(files, flag, tmp_path, capsys):
    image = files / "clip" / "000000.png"
    words = (*list_words(files, FULL_IMAGE), image, "--out", tmp_path / "f.json")
    assert run_predict(*words, *flag) == 2
    assert "video" in capsys.readouterr().err


def test_labelled_frames_are_not_tracked_as_they_may_be_some_alone(files, tmp_path, capsys):
    """They were answered by "for numbered frames, and none are given"."""
    words = list_words(files, FULL_IMAGE)
    data = ("--data", tmp_path / "ten.json", "--images", files / "clip")
    frames = [{"id": 1, "file_name": "000000.png", "width": 64, "height": 64}]
    content = {"images": frames, "annotations": [], "categories": []}
    (tmp_path / "ten.json").write_text(json.dumps(content))
    assert run_predict(*words, *data, "--track", "--out", tmp_path / "f.json") == 2
    message = "--track: cannot be combined with --data, whose images may be some frames alone;"
    assert message in capsys.readouterr().err


def test_numbered_frames_of_a_folder_are_tracked_in_the_order_of_their_numbers(
    files, tmp_path, capsys
):
    """A folder of frames was answered by "is for videos"."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(len(TIMES)):  # f8.png to f14.png: their names sort otherwise
        image = cv2.imread(str(files / "clip" / f"{number:06d}.png"))
        cv2.imwrite(str(folder / f"f{number + 8}.png"), image)
    cv2.imwrite(str(folder / "other.png"), image)
    out = tmp_path / "o" / "found.json"
    words = (*list_words(files, FULL_IMAGE), "--max-people", 2, folder, "--out", out)
    drawn = ("--draw", tmp_path / "drawn")
    assert run_predict(*words, "--track", *drawn) == 0
    printed = capsys.readouterr()
    assert "7 images are frames of a video, 25 a second" in printed.err
    assert re.search(r"8 frames and images, \d+ tracks?: ", printed.out)
    assert len(list((tmp_path / "drawn").iterdir())) == 8
    records = json.loads(out.read_text())
    # As docs/video.md says: the list of images serves as labels for the steadiness of tracks.
    frames = out.with_name("found.images.json")
    assert main(["evaluate", str(frames), str(out), "--video"]) == 0
    assert "steadiness of the tracks of the results" in capsys.readouterr().out
    names = {image["id"]: image["file_name"] for image in read_images(out)}
    is_frame = [not names[r["image_id"]].endswith("other.png") for r in records]
    assert ["track_id" in r for r in records] == is_frame and sum(is_frame) > 7
    frames = {
        f["file_name"]: f["index"] for f in json.loads((out.parent / "frames.json").read_text())
    }
    assert sorted(frames.values()) == list(range(8, 15))
    found = read_results(out, read_coco(tmp_path / "o" / "found.images.json"))
    tracker = Tracker(create_method(FULL_IMAGE).skeleton.sigmas)
    for name, index in sorted(frames.items(), key=lambda frame: frame[1]):
        image_id = next(key for key, value in names.items() if value == name)
        rows = np.flatnonzero(found.image_ids == image_id)
        expected = tracker.assign(found.take(rows), (index - 8) / 25)
        assert [records[row]["track_id"] for row in rows] == expected
    assert run_predict(*words, "--track", "--shards", tmp_path / "s") == 2
    assert "cannot be combined with --track; leave them out" in capsys.readouterr().err


def read_images(out):
    return json.loads(out.with_name("found.images.json").read_text())["images"]


def test_tracks_of_distant_frames_are_said_to_break(files, tmp_path, capsys):
    words = (*list_words(files, FULL_IMAGE), "--max-people", 1, files / "clip.mp4", "--track")
    for every, is_noted in ((1, False), (3, True)):
        out = tmp_path / str(every) / "found.json"
        assert run_predict(*words, "--every", every, "--out", out) == 0
        printed = capsys.readouterr().err
        assert ("move fast get new track numbers" in " ".join(printed.split())) == is_noted


def test_a_file_that_is_no_video_leaves_nothing_behind(files, tmp_path, capsys):
    (tmp_path / "b.mp4").write_bytes(b"<html>404")
    words = (*list_words(files, FULL_IMAGE), "--max-people", 1, files / "clip.mp4")
    words = (*words, tmp_path / "b.mp4")
    out = tmp_path / "o" / "f.json"
    assert run_predict(*words, "--out", out, "--draw", tmp_path / "drawn") == 2
    assert "b.mp4: not a video (it starts with '<html>404')" in capsys.readouterr().err
    assert not out.exists() and list((tmp_path / "o").iterdir()) == []


@pytest.mark.usefixtures("unrendered_figures")
@pytest.mark.parametrize("verb", ["check", "report", "build"])
def test_a_video_where_an_image_is_due_is_called_a_video(files, verb, tmp_path, capsys):
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "a.mp4").write_bytes((files / "clip.mp4").read_bytes())
    truth = {
        "images": [{"id": 1, "file_name": "a.mp4", "width": 96, "height": 64}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 40], "iscrowd": 0}
            | {"keypoints": [9, 9, 2] * 17, "num_keypoints": 17, "area": 800}
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(create_joints())}],
    }
    (folder / "truth.json").write_text(json.dumps(truth))
    results = [{"image_id": 1, "category_id": 1, "keypoints": [9, 9, 1] * 17, "score": 1}]
    (tmp_path / "found.json").write_text(json.dumps(results))
    words = {
        "check": ["check", folder / "truth.json", "--images", folder],
        "report": ["report", folder / "truth.json", tmp_path / "found.json", "--images", folder],
        "build": ["build", tmp_path / "set", "--source", f"own={folder}"],
    }[verb]
    out = ["--out", tmp_path / "page"] if verb == "report" else []
    main([str(word) for word in (*words, *out)])
    captured = capsys.readouterr()
    assert "a.mp4: is a video, and an image is due" in captured.out + captured.err


def create_joints():
    return create_method(TOP_DOWN).skeleton.joints


@pytest.mark.long
def test_memory_does_not_depend_on_the_length_of_a_video(files, tmp_path):
    peaks = []
    for num_frames in (200, 2000):
        path = write_video(tmp_path / f"{num_frames}.mp4", np.arange(num_frames) / 25, (640, 360))
        command = [sys.executable, "-m", "smallpose", "predict"]
        command += [str(word) for word in list_words(files, FULL_IMAGE)]
        command += [str(path), "--out", str(tmp_path / "f.json"), "--max-people", "5"]
        code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
        code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        done = subprocess.run(
            [sys.executable, "-c", code, *command], check=True, capture_output=True, text=True
        )
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] < 1.1 * peaks[0]
