"""Frames come by their number, and as many as can be decoded."""

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
        pytest.skip("this OpenCV writes no MP4")
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
    with pytest.raises(RefusedError, match="no MP4"):
        list(read_frames(tmp_path / "1.mp4", [0]))
