"""Frames come by their number, and as many as can be decoded."""

import struct

import numpy as np
import pytest

from smallpose.core.errors import InputError, RefusedError
from smallpose.sources.video import read_frames

cv2 = pytest.importorskip("cv2")
FRAMES = 12


@pytest.fixture
def video(tmp_path):
    """Twelve frames whose red grows by 20 a frame, on blue 40."""
    path = tmp_path / "1.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes not an MP4")
    for number in range(FRAMES):
        picture = np.full((48, 64, 3), (40, 0, 20 * number), dtype=np.uint8)
        writer.write(picture)
    writer.release()
    return path


def test_frames_are_rgb_and_come_in_order_whatever_order_is_asked(video):
    found = list(read_frames(video, [7, 0, 3, 3]))
    assert [number for number, _ in found] == [0, 3, 7]
    for number, picture in found:
        assert picture.shape == (48, 64, 3)
        assert picture.dtype == np.uint8
        red, _, blue = picture.mean(axis=(0, 1))
        assert abs(red - 20 * number) < 6
        assert abs(blue - 40) < 6


def test_frames_beyond_the_end_are_simply_not_there(video):
    assert [n for n, _ in read_frames(video, [10, FRAMES, 1000])] == [10]


def test_nothing_asked_nothing_read(video):
    assert list(read_frames(video, [])) == []


@pytest.mark.parametrize("keep", [0, 20, 500])
def test_a_video_that_is_cut_off_ends_early(video, keep, capfd):
    video.write_bytes(video.read_bytes()[:keep])
    assert len(list(read_frames(video, range(FRAMES)))) < FRAMES
    capfd.readouterr()  # FFmpeg says what it thinks of it


def test_a_video_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no such video"):
        list(read_frames(tmp_path / "1.mp4", [0]))


@pytest.mark.parametrize("text", ["#EXTM3U\nhttp://example.org/a.ts", "ffconcat version 1.0\n"])
def test_a_playlist_that_calls_itself_mp4_is_refused(tmp_path, text):
    (tmp_path / "1.mp4").write_text(text)
    with pytest.raises(RefusedError, match="not an MP4"):
        list(read_frames(tmp_path / "1.mp4", [0]))


def with_durations(data: bytes, durations: list[int]) -> bytes:
    """The MP4 with a time to show each frame for, in ticks: its `stts` box written anew.

    The index (`moov`) must stand behind the frames, so that no offset to one of them moves.
    """
    at = data.index(b"stts") - 4
    old = int.from_bytes(data[at : at + 4], "big")
    assert data.index(b"mdat") < at
    entries = b"".join(struct.pack(">II", 1, d) for d in durations)
    box = struct.pack(">I4sII", 16 + len(entries), b"stts", 0, len(durations)) + entries
    out = bytearray(data[:at] + box + data[at + old :])
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        place = out.index(parent) - 4
        size = int.from_bytes(out[place : place + 4], "big") + len(box) - old
        out[place : place + 4] = struct.pack(">I", size)
    return bytes(out).replace(b"edts", b"free")  # an edit list ends the video at its old length


def test_frames_of_a_video_of_variable_rate_are_counted_and_not_timed(video):
    """As phones record: every third frame stays ten times as long. Labels count frames."""
    tick = int.from_bytes(video.read_bytes().split(b"stts")[1][12:16], "big")
    durations = [tick * (10 if n % 3 == 2 else 1) for n in range(FRAMES)]
    video.write_bytes(with_durations(video.read_bytes(), durations))
    capture = cv2.VideoCapture(str(video))
    times = []
    while capture.grab():
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC))
    capture.release()
    gaps = np.diff(times)
    assert gaps.max() > 8 * gaps.min()  # the file really has a variable rate
    found = list(read_frames(video, range(FRAMES)))
    assert [number for number, _ in found] == list(range(FRAMES))
    for number, picture in found:
        assert abs(picture[:, :, 0].mean() - 20 * number) < 6
    assert [number for number, _ in read_frames(video, [4, 9])] == [4, 9]


@pytest.fixture
def busy_video(tmp_path):
    """Forty frames of a moving pattern with keyframes at 0, 12, 24 and 36."""
    path = tmp_path / "busy.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25, (160, 120))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes not an MP4")
    pattern = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    pattern = cv2.GaussianBlur(pattern, (0, 0), 4) * 3
    for number in range(40):
        writer.write(np.roll(pattern, 3 * number, axis=1))
    writer.release()
    return path


def read_all(path):
    return dict(read_frames(path, range(40)))


def damage(path, start, stop, count, seed):
    """Overwrite random bytes of the frames' data between two shares of the file."""
    data = bytearray(path.read_bytes())
    first, last = data.index(b"mdat") + 8, data.rindex(b"moov") - 4
    low, high = first + int(start * (last - first)), first + int(stop * (last - first))
    rng = np.random.default_rng(seed)
    for place in rng.integers(low, high, count):
        data[place] = rng.integers(256)
    path.write_bytes(data)


def test_sound_frames_are_the_same_with_and_without_pyav(busy_video, monkeypatch):
    pytest.importorskip("av", reason="PyAV is optional: pip install '.[video]'")
    with_pyav = read_all(busy_video)
    monkeypatch.setattr("smallpose.sources.video.detects_damage", lambda: False)
    with_opencv = read_all(busy_video)
    assert list(with_pyav) == list(with_opencv) == list(range(40))
    assert all(np.array_equal(with_pyav[n], with_opencv[n]) for n in range(40))


@pytest.mark.parametrize("seed", range(4))
def test_damaged_frames_of_a_video_are_left_out_and_the_others_keep_their_numbers(
    busy_video, seed, monkeypatch, capfd
):
    pytest.importorskip("av", reason="PyAV is optional: pip install '.[video]'")
    sound = read_all(busy_video)
    damage(busy_video, 0.4, 0.55, 200, seed)
    kept = read_all(busy_video)
    assert set(range(12)) <= set(kept)  # before the damage
    assert set(range(36, 40)) <= set(kept)  # after the next keyframe
    assert len(kept) < 40
    assert all(np.array_equal(kept[n], sound[n]) for n in kept)
    monkeypatch.setattr("smallpose.sources.video.detects_damage", lambda: False)
    garbled = [
        n for n, frame in read_all(busy_video).items() if not np.array_equal(frame, sound[n])
    ]
    assert garbled  # what was taken for frames of the video without PyAV
    capfd.readouterr()  # drops the messages of FFmpeg
