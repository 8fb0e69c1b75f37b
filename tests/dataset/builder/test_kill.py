"""Tests of builds that are killed at any time: the result equals that of an undisturbed build."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

import smallpose.dataset.builder.build as build_module
from smallpose.core.errors import InputError
from smallpose.dataset.builder.build import build_dataset
from smallpose.dataset.options import BuildOptions

FRAMES = 60


def write_sources(root):
    """Write COCO images and two HiEve videos with a person in every frame."""
    rng = np.random.default_rng(0)
    for split, n in (("train2017", 30), ("val2017", 10)):
        images, people = [], []
        for i in range(1, n + 1):
            name = f"{i:012d}.jpg"
            (root / "coco" / split).mkdir(parents=True, exist_ok=True)
            image = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            cv2.imwrite(str(root / "coco" / split / name), image)
            images.append({"id": i, "file_name": name, "width": 64, "height": 48})
            points = rng.integers(1, 40, (17, 3))
            points[:, 2] = 2
            record = {"id": i, "image_id": i, "category_id": 1, "iscrowd": 0, "num_keypoints": 17}
            record |= {"bbox": [1, 2, 30, 30 + i / 7], "keypoints": points.ravel().tolist()}
            people.append(record | {"area": 5.5})
        path = root / "coco/annotations" / f"person_keypoints_{split}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"images": images, "annotations": people}))
    for clip in (1, 2):
        write_clip(root / "hieve", clip, FRAMES)
    return {"coco": root / "coco", "hieve": root / "hieve"}


def write_clip(root, clip, frames):
    video = root / f"HIE20/videos/train/{clip}.mp4"
    video.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"mp4v"), 25, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), 4 * number % 256, np.uint8))
    writer.release()
    point = [{"id": [i], "x": [9.0 + i], "y": [9.0], "score": [1]} for i in range(14)]
    person = {"x1": [1], "y1": [1], "x2": [40], "y2": [40], "annopoints": [{"point": point}]}
    labels = [
        {"image": [{"name": f"{n:06d}.jpg"}], "annorect": [person], "ignore_regions": []}
        for n in range(frames)
    ]
    path = root / f"HIE20/labels/train/track2&3/{clip}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"annolist": labels}))


def read_files(folder):
    return {
        p.relative_to(folder).as_posix(): p.readlink() if p.is_symlink() else p.read_bytes()
        for p in folder.rglob("*")
        if p.is_symlink() or p.is_file()
    }


# Imports once, then forks one build after another and kills each at a random time.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
import smallpose.dataset.duplicates.leaks, smallpose.sources.hieve, cv2
from PIL import Image; Image.init()
from smallpose.dataset.builder.build import build_dataset
from smallpose.dataset.options import BuildOptions
root, out, images = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
rng = random.Random(images)
os.fsync = lambda _: None  # only a power failure would show it
options = BuildOptions(seed=3, images=images, workers=2)

def build():
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            build_dataset({"coco": root / "coco", "hieve": root / "hieve"}, out, options)
        except BaseException as error:
            os._exit(9)
        os._exit(0)
    return child

start = time.perf_counter()
child = build()
assert os.waitpid(child, 0)[1] == 0
took = time.perf_counter() - start
import shutil
shutil.rmtree(out)
kills = 0
for _ in range(200):
    child = build()
    if kills < 20:
        time.sleep(rng.uniform(0, took))
        os.kill(child, signal.SIGKILL)
    ended = os.waitpid(child, 0)[1]
    if ended == 0:
        if kills >= 20:
            break
        shutil.rmtree(out)  # it ended before the kill: start again
        continue
    assert os.WIFSIGNALED(ended), f"the build failed: {ended}"
    kills += 1
    if out.exists():  # killed between the last rename and the end
        assert (out / "manifest.json").is_file()
        shutil.rmtree(out)
print(kills)
"""


@pytest.mark.slow
@pytest.mark.parametrize("images", ["link", "copy"])
def test_twenty_kills_at_random_times_change_no_byte(images, tmp_path):
    roots = write_sources(tmp_path)
    build_dataset(roots, tmp_path / "undisturbed", BuildOptions(seed=3, images=images, workers=1))
    command = [sys.executable, "-c", KILLER, str(tmp_path), str(tmp_path / "set"), images]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 20
    assert read_files(tmp_path / "set") == read_files(tmp_path / "undisturbed")
    assert not (tmp_path / ".set.building").exists()


def test_a_partially_written_file_of_a_killed_build_is_not_in_the_data_set(tmp_path, monkeypatch):
    roots = write_sources(tmp_path)
    build_dataset(roots, tmp_path / "undisturbed", BuildOptions(images="copy"))

    def kill(build, out):
        """Leave files as SIGKILL does: nothing is removed."""
        (build.data_set / "annotations/.train.json.abcdefgh.part").write_text('{"categories":[')
        (build.data_set / ".leaks.json.abcdefgh.part").touch()
        (build.data_set / "images/coco/train2017/000000000001.jpg.part").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build_module, "move_into_place", kill)
        with pytest.raises(KeyboardInterrupt):
            build_dataset(roots, tmp_path / "set", BuildOptions(images="copy"))
    assert len(list((tmp_path / ".set.building").rglob("*.part"))) == 3
    build_dataset(roots, tmp_path / "set", BuildOptions(images="copy"))
    assert read_files(tmp_path / "set") == read_files(tmp_path / "undisturbed")


@pytest.mark.parametrize("workers", [2, 5])
def test_the_number_of_workers_changes_no_byte(workers, tmp_path):
    roots = write_sources(tmp_path)
    for name, n in (("one", 1), ("other", workers)):
        build_dataset(roots, tmp_path / name, BuildOptions(seed=3, images="copy", workers=n))
    assert read_files(tmp_path / "one") == read_files(tmp_path / "other")
    build_dataset(roots, tmp_path / "seed", BuildOptions(seed=4, images="copy"))
    assert json.loads((tmp_path / "seed/manifest.json").read_text())["seed"] == 4


def test_file_times_change_no_byte(tmp_path):
    roots = write_sources(tmp_path)
    build_dataset(roots, tmp_path / "now", BuildOptions(images="copy"))
    for number, path in enumerate(sorted(tmp_path.glob("coco/*2017/*.jpg"))):
        os.utime(path, [(0, 0), (4_000_000_000, 4_000_000_000)][number % 2])
    build_dataset(roots, tmp_path / "then", BuildOptions(images="copy"))
    assert read_files(tmp_path / "now") == read_files(tmp_path / "then")


def test_a_build_works_when_the_home_folder_cannot_be_written(tmp_path):
    write_sources(tmp_path)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
    environment |= {"HOME": "/dev/null/nowhere"}
    command = [sys.executable, "-m", "smallpose", "build", str(tmp_path / "set")]
    command += ["--coco", str(tmp_path / "coco")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "terms.json cannot be written" in done.stderr
    assert (tmp_path / "set/annotations/train.json").is_file()


def test_missing_frames_of_a_video_are_counted(tmp_path, capsys):
    write_clip(tmp_path / "hieve", 7, 100)
    labels = tmp_path / "hieve/HIE20/labels/train/track2&3/7.json"
    kept = labels.read_text()
    write_clip(tmp_path / "hieve", 7, 50)  # frames 0, 20, 40 of the 0, 20, 40, 60, 80 wanted
    labels.write_text(kept)
    roots = {"hieve": tmp_path / "hieve"}
    with pytest.raises(InputError, match=r"2 of 5 .*video 7: 3 of 5 frames readable"):
        build_dataset(roots, tmp_path / "set", BuildOptions())
    manifest = build_dataset(roots, tmp_path / "set", BuildOptions(missing_images="drop"))
    note = "video 7: 3 of 5 frames readable (damaged or missing: 60, 80)"
    assert note in manifest["sources"]["hieve"]["notes"]
    assert "video 7: 3 of 5 frames readable" in capsys.readouterr().err
    assert manifest["sources"]["hieve"]["images"] == 3
    # Each image is the frame of its label: frame n has the grey level 4 n.
    for number in (0, 20, 40):
        image = cv2.imread(str(tmp_path / f"set/images/hieve/7/{number:06d}.jpg"))
        assert abs(float(image.mean()) - 4 * number) < 4


@pytest.mark.parametrize("content", [b"", b"\0\0\0\x18ftypmp42" + bytes(16)])
def test_a_video_without_frames_is_counted(content, tmp_path, capfd):
    write_clip(tmp_path / "hieve", 7, 30)
    (tmp_path / "hieve/HIE20/videos/train/7.mp4").write_bytes(content)
    roots = {"hieve": tmp_path / "hieve"}
    with pytest.raises(InputError, match=r"2 of 2 .*video 7: 0 of 2 frames readable"):
        build_dataset(roots, tmp_path / "set", BuildOptions())
    assert not (tmp_path / "set").exists()
    capfd.readouterr()  # drops the messages of FFmpeg
