"""Frames of videos come in the order and at the times at which players show them."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.sources.video import describe_video, iterate_frames, read_frames

av = pytest.importorskip("av", reason="PyAV is optional: pip install '.[video]'")
TICK = Fraction(1, 90_000)
WIDTH, HEIGHT = 64, 48


def make_frame(number: int) -> np.ndarray:
    """A frame whose red grows by 8 with the number, with a white corner at the upper left."""
    image = np.full((HEIGHT, WIDTH, 3), (8 * number, 60, 90), dtype=np.uint8)
    image[:12, :16] = 255
    return image


def write_video(path, times_s, *, codec="libx264", rotation=0, b_frames=2):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = stream.codec_context.time_base = TICK
        if codec == "libx264":
            stream.options = {"bf": str(b_frames), "crf": "10"}
        if rotation:
            stream.set_display_rotation(rotation)
        for number, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(make_frame(number), "rgb24")
            frame.pts, frame.time_base = round(time_s / TICK), TICK
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mov", "libx264"),
        ("a.mkv", "libx264"),
        ("a.ts", "libx264"),
        ("a.webm", "libvpx-vp9"),
    ],
)
def test_times_of_a_variable_rate_are_those_that_were_written(name, codec, tmp_path):
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    gaps = [0.04, 0.04, 0.4, 0.02, 0.04, 1.0, 0.04, 0.3, 0.04, 0.04, 0.04]
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    path = write_video(tmp_path / name, times, codec=codec)
    frames = list(iterate_frames(path))
    assert [frame.index for frame in frames] == list(range(12))
    np.testing.assert_allclose([frame.time_s for frame in frames], times, atol=2e-3)
    for frame in frames:
        assert frame.image.shape == (HEIGHT, WIDTH, 3) and frame.image.dtype == np.uint8
        assert abs(frame.image[30, 40].astype(int) - make_frame(frame.index)[30, 40]).max() < 9
    assert [number for number, _ in read_frames(path, [2, 7])] == [2, 7]  # as labels count them


def test_an_avi_without_times_in_its_packets_is_read_in_order(tmp_path):
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20, (WIDTH, HEIGHT))
    for number in range(10):
        writer.write(np.ascontiguousarray(make_frame(number)[:, :, ::-1]))
    writer.release()
    frames = list(iterate_frames(path))
    assert [frame.index for frame in frames] == list(range(10))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(10) / 20, atol=1e-3)
    assert describe_video(path).num_frames == 10


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_frames_are_turned_as_players_turn_them(rotation, tmp_path):
    path = write_video(tmp_path / "a.mp4", np.arange(3) / 25, rotation=rotation)
    capture = cv2.VideoCapture(str(path))  # OpenCV turns them, too
    expected = capture.read()[1][:, :, ::-1]
    capture.release()
    image = next(iterate_frames(path)).image
    assert image.shape == expected.shape
    assert image.shape[:2] == ((HEIGHT, WIDTH) if rotation == 180 else (WIDTH, HEIGHT))
    assert np.abs(image.astype(int) - expected).mean() < 3
    assert next(read_frames(path, [0]))[1].shape == expected.shape


def test_damaged_frames_are_missing_and_the_others_keep_their_indices(tmp_path):
    path = write_video(tmp_path / "a.mp4", np.arange(30) / 25, b_frames=0)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size and p.pos]
        start, size = packets[15].pos, packets[15].size
    data[start + 4 : start + size] = bytes(size - 4)
    path.write_bytes(data)
    indices = [frame.index for frame in iterate_frames(path)]
    assert indices[:15] == list(range(15)) and 15 not in indices
    times = {frame.index: frame.time_s for frame in iterate_frames(path)}
    assert all(abs(time - index / 25) < 1e-3 for index, time in times.items())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"not a video \(it is empty\)"),
        (b"#EXTM3U\nhttp://example.org/a.ts\n", r"not a video \(it starts with '#EXTM3U"),
        (b"\0\0\0\x18ftypisom" + bytes(400), r"cannot be read \("),
    ],
)
def test_what_is_no_video_is_one_line_with_a_remedy(content, message, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    for read in (describe_video, lambda p: list(iterate_frames(p))):
        with pytest.raises(InputError, match=message) as caught:
            read(path)
        assert "ffmpeg -i IN OUT.mp4" in str(caught.value) and "\n" not in str(caught.value)


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 44_100
        for _ in range(4):
            container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match="it has no stream of images"):
        list(iterate_frames(path))
