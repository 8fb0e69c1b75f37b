"""Videos of walking people and tracked predictions, as COCO records with PoseTrack's fields."""

import copy
import json
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import smallpose
from smallpose.core.skeleton import POSETRACK17
from smallpose.evaluation.video.evaluate_video import evaluate_video
from smallpose.evaluation.video.video_tables import to_dict
from smallpose.io.track_records import read_result_tracks, read_video_records

JOINTS = POSETRACK17.joints
EARS = (3, 4)


@dataclass
class Videos:
    """Records of a ground truth and of results."""

    truth: dict[str, Any]
    results: list[dict[str, Any]]

    def copy(self) -> "Videos":
        return copy.deepcopy(self)


def make_videos(seed, videos=3, frames=8, people=4, noise=3.0):
    """Every difficult case: gaps, people who leave, misses, exchanged identities, regions."""
    rng = np.random.default_rng(seed)
    images, annotations, results = [], [], []
    for v in range(videos):
        start = rng.uniform(100, 900, (people, 2))
        speed = rng.normal(0, 6, (people, 2))
        height = rng.uniform(60, 260, people)
        shape = rng.uniform(0, 1, (people, 17, 2)) * [0.5, 1.0]
        step = int(rng.integers(1, 4))
        for f in range(frames):
            if f == 2 and v == 1:
                continue  # a frame that is missing in the file
            number = 10**6 * v + step * f
            image_id = 1000 * (v + 1) + f
            image = {"id": image_id, "file_name": f"v{v}/{f}.jpg", "vid_id": f"v{v}"}
            image |= {"frame_id": number, "width": 1200, "height": 1200, "is_labeled": True}
            if rng.random() < 0.4:
                x, y = rng.uniform(0, 1000, 2)
                image["ignore_regions_x"] = [[float(x), float(x + 150), float(x + 60)]]
                image["ignore_regions_y"] = [[float(y), float(y + 20), float(y + 170)]]
                box = [float(x), float(y), 150.0, 170.0]
                crowd = {"id": 0, "image_id": image_id, "category_id": 1, "bbox": box}
                crowd |= {"area": 150 * 170, "iscrowd": 1, "num_keypoints": 0}
                annotations.append(crowd | {"keypoints": [0.0] * 51})
            images.append(image)
            for p in range(people):
                if f == 5 or rng.random() < 0.1:
                    continue  # nobody at all in the sixth frame
                xy = start[p] + f * speed[p] + shape[p] * height[p]
                seen = rng.random(17) < 0.9
                seen[list(EARS)] = False
                box = [*(start[p] + f * speed[p]).tolist(), height[p] / 2, height[p]]
                points = np.where(seen[:, None], np.c_[xy, np.ones(17)], 0.0)
                if not seen.any():
                    continue
                person = {"id": 0, "image_id": image_id, "category_id": 1, "bbox": box}
                person |= {"area": box[2] * box[3], "iscrowd": 0, "num_keypoints": int(seen.sum())}
                head = [0.0, 0.0, float(height[p] / 5), float(height[p] / 6)]
                person |= {"track_id": p, "bbox_head": head}
                annotations.append(person | {"keypoints": points.ravel().tolist()})
            tracks = list(range(20, 20 + people))
            if f > 3:
                tracks[0], tracks[1] = tracks[1], tracks[0]
            if f == 6:
                continue  # nothing is detected
            for p in range(people + 1):
                if rng.random() < 0.1:
                    continue
                if p == people:
                    place, size = rng.uniform(0, 1000, 2), 100
                    xy, track = place + rng.uniform(0, 1, (17, 2)) * size, 90 + f
                else:
                    xy = start[p] + f * speed[p] + shape[p] * height[p]
                    track = tracks[p] if rng.random() < 0.9 else 60 + p
                xy = xy + rng.normal(0, noise, (17, 2))
                scores = rng.uniform(0.05, 1, 17)
                points = np.c_[xy, scores]
                points[list(EARS)] = 0
                points[rng.random(17) < 0.05] = 0
                result = {"image_id": image_id, "category_id": 1, "track_id": track}
                result |= {"keypoints": points.ravel().tolist(), "score": float(rng.random())}
                results.append(result)
    for index, annotation in enumerate(annotations, 1):
        annotation["id"] = index
    category = {"id": 1, "name": "person", "keypoints": list(JOINTS), "skeleton": []}
    truth = {"images": images, "annotations": annotations, "categories": [category]}
    return Videos(truth, results)


def shuffle_records(data, seed=0):
    """Return the same records in another order."""
    shuffled = data.copy()
    rng = random.Random(seed)
    for records in (shuffled.truth["images"], shuffled.truth["annotations"], shuffled.results):
        rng.shuffle(records)
    return shuffled


@pytest.fixture
def evaluate_records(tmp_path):
    """Return a function that writes records, reads them back and evaluates the videos."""

    def evaluate(data, **options):
        truth_path, results_path = write(tmp_path, data)
        truth = smallpose.read_coco(truth_path)
        predictions = smallpose.read_results(results_path, truth)
        records = read_video_records(truth_path, truth)
        tracks = read_result_tracks(results_path, truth, predictions)
        result = to_dict(evaluate_video(truth, predictions, records, tracks, **options))
        return result | {"joints": {joint.pop("name"): joint for joint in result["joints"]}}

    return evaluate


def write(folder, data):
    paths = folder / "truth.json", folder / "results.json"
    paths[0].write_text(json.dumps(data.truth))
    paths[1].write_text(json.dumps(data.results))
    return paths


@pytest.fixture
def write_records(tmp_path):
    return lambda data: write(tmp_path, data)


@pytest.fixture(name="make_videos")
def _make_videos():
    return make_videos


@pytest.fixture(name="shuffle_records")
def _shuffle_records():
    return shuffle_records
