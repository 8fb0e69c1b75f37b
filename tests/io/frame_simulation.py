"""Simulate a video with some labelled frames, and results of all frames that need not be good."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import smallpose
from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17

Floats = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Video:
    """What a simulated video is like.

    Args:
        shift: of the labels against the frames that they name.
        bias: of all results, in the same direction, relative to the height of people.
        lag: share of the last frame's pose in each pose, as smoothed tracks have.
        is_still: neither the camera nor the people move; by default in 3 of 10 videos.
        num_labelled: frames; by default 5 to 40.
        saved_every: so many frames, one is labelled, and called 0, 1, 2, …; 1 for the first frames
            of a video of 20 times as many. By default labelled frames have their numbers.
    """

    shift: int = 0
    bias: float = 0.0
    lag: float = 0.0
    is_still: bool | None = None
    num_labelled: int | None = None
    saved_every: int | None = None


def simulate(
    rng: np.random.Generator, video: Video
) -> tuple[Instances, Callable[[Instances], Predictions]]:
    """Return labels of 1 to 8 people of 15 to 250 px, and what reads the results for such labels.

    Cameras pan by a few px a frame and shake, people walk by 2 % of their height. Joints of results
    err by 0.5 to 10 % of the height each, poses by up to 5 %; up to 40 % of the people are missed,
    1 in 20 poses is far off, and 3 in 10 frames have a detection of nobody.
    """
    count = video.num_labelled or int(rng.integers(5, 41))
    numbers = 3 + int(rng.integers(1, 11)) * np.arange(count)
    heights = rng.uniform(15, 250, int(rng.integers(1, 9)))
    num_frames = int(numbers[-1]) + 5
    labelled = numbers + video.shift
    if video.saved_every is not None:
        numbers = np.arange(count)
        labelled = video.saved_every * numbers
        num_frames = count * (20 if video.saved_every == 1 else video.saved_every)
    places = _draw_places(rng, heights, num_frames, video.is_still)
    records = _detect(rng, places, heights, numbers, video)
    labels = places[labelled]
    labels = labels + rng.normal(0, 0.01, labels.shape) * heights[:, None, None]
    keypoints = np.concatenate([labels, np.full((*labels.shape[:3], 1), 2.0)], axis=3)
    keypoints = keypoints.reshape(-1, 17, 3)
    low = keypoints[:, :, :2].min(axis=1)
    boxes = np.hstack([low, keypoints[:, :, :2].max(axis=1) - low])
    names = [f"drone/{number:06d}.jpg" for number in numbers]
    images = smallpose.make_images(range(1, count + 1), names, [1280] * count, [720] * count)
    rows = np.repeat(np.arange(count), len(heights))
    truth = smallpose.make_instances(COCO17, images, rows, boxes, keypoints)
    return truth, lambda other: _read(records, other)


def _draw_places(
    rng: np.random.Generator, heights: Floats, num_frames: int, is_still: bool | None
) -> Floats:
    """Return (frames, people, 17, 2) the joints of people, who keep their poses."""
    if is_still is None:
        is_still = rng.random() < 0.3
    size = np.stack([0.4 * heights, heights], axis=1)[:, None]
    poses = rng.uniform(200, 900, (len(heights), 1, 2)) + size * rng.random((len(heights), 17, 2))
    if is_still:
        return np.repeat(poses[None], num_frames, axis=0)
    frames = np.arange(num_frames)[:, None]
    camera = frames * rng.normal(0, 4, 2) + np.cumsum(rng.normal(0, 1, (num_frames, 2)), axis=0)
    walks = frames[:, :, None] * rng.normal(0, 0.02, (len(heights), 2)) * heights[:, None]
    return poses + (camera[:, None] + walks)[:, :, None]


def _detect(
    rng: np.random.Generator, places: Floats, heights: Floats, numbers: Floats, video: Video
) -> list[tuple[int, Floats, float]]:
    """Return the frame, (17, 2) and score of each detection, in the frames that matter."""
    joint_error = np.exp(rng.uniform(np.log(0.005), np.log(0.1)))
    pose_error = rng.uniform(0, 0.05)
    missed = rng.uniform(0, 0.4)
    angle = rng.uniform(0, 2 * np.pi)
    bias = video.bias * np.array([np.cos(angle), np.sin(angle)])
    wanted = {int(number) + step for number in numbers for step in (-1, 0, 1)}
    smooth = places[0]
    records = []
    for frame, pose in enumerate(places):
        smooth = video.lag * smooth + (1 - video.lag) * pose
        if frame not in wanted and video.saved_every is None:
            continue
        error = rng.normal(0, joint_error, smooth.shape) + bias
        error += rng.normal(0, pose_error, (len(heights), 1, 2))
        error[rng.random(len(heights)) < 0.05] *= 5
        found = smooth + error * heights[:, None, None]
        seen = np.flatnonzero(rng.random(len(heights)) >= missed)
        records += [(frame, found[person], float(rng.random())) for person in seen]
        if rng.random() < 0.3:
            records.append((frame, rng.uniform(0, 1000, (17, 2)), 0.5 * float(rng.random())))
    return records


def _read(records: list[tuple[int, Floats, float]], truth: Instances) -> Predictions:
    stems = [name.rpartition("/")[2].partition(".")[0] for name in truth.images.file_names]
    ids = dict(zip(stems, truth.images.ids.tolist(), strict=True))
    kept = [record for record in records if f"{record[0]:06d}" in ids]
    keypoints = np.ones((len(kept), 17, 3))
    keypoints[:, :, :2] = np.array([record[1] for record in kept]).reshape(-1, 17, 2)
    image_ids = [ids[f"{record[0]:06d}"] for record in kept]
    scores = np.array([record[2] for record in kept])
    return smallpose.make_predictions(COCO17, image_ids, keypoints, scores)
