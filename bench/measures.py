"""People per second of angles, tilts and lengths, against poseaudit 0.7.2 on the same people.

    python bench/measures.py [--people 20000] [--runs 3] [--resamples 200]

Reading of files is not timed; matching people is. Both sides must give the same numbers to 1e-9
(for the length all but the share of large errors, whose limit is in px there).
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import smallpose
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.measures.definition import parse_measures
from smallpose.evaluation.measures.measure_people import measure_people

PEER = "poseaudit==0.7.2"
FOLDER = Path(__file__).parent / "measures"
MEASURES = "angle:left_elbow,tilt:trunk,length:left_thigh"
PEOPLE_IN_IMAGE = 5
# Joints of a standing person in shares of width and height of the box, in COCO's order.
POSE = """
.50 .08 .54 .06 .46 .06 .58 .07 .42 .07 .70 .22 .30 .22 .85 .36 .15 .36 .90 .50 .10 .50 .62 .52
.38 .52 .64 .74 .36 .74 .65 .96 .35 .96
"""


def make_files(folder: Path, num_people: int) -> tuple[Path, Path]:
    """Write people side by side, of 30 to 300 px, and predictions with noise; a tenth is missed."""
    rng = np.random.default_rng(0)
    height = np.exp(rng.uniform(np.log(30), np.log(300), num_people))
    shape = np.array([float(word) for word in POSE.split()]).reshape(17, 2)
    xy = shape + rng.normal(0, 0.04, (num_people, 17, 2))
    place = np.arange(num_people) % PEOPLE_IN_IMAGE
    xy = xy * height[:, None, None] * [0.5, 1.0]
    xy[:, :, 0] += 400 * place[:, None]
    v = np.where(rng.random((num_people, 17)) < 0.9, 2, 0)
    found = xy + rng.normal(0, 0.03, xy.shape) * height[:, None, None]
    score = np.where(rng.random(v.shape) < 0.97, rng.uniform(0.1, 1, v.shape), 0)
    images = [
        {"id": i + 1, "file_name": f"{i}.jpg", "width": 2000, "height": 400}
        for i in range(-(-num_people // PEOPLE_IN_IMAGE))
    ]
    boxes = np.stack([400.0 * place, 0 * height, height / 2, height], axis=1)
    people, results = [], []
    for i in range(num_people):
        record = {"image_id": i // PEOPLE_IN_IMAGE + 1, "category_id": 1, "bbox": boxes[i].tolist()}
        keypoints = np.concatenate([xy[i], v[i][:, None]], axis=1) * (v[i][:, None] > 0)
        area = float(boxes[i, 2] * boxes[i, 3])
        more = {"num_keypoints": int((v[i] > 0).sum()), "area": area, "iscrowd": 0}
        people.append(record | {"id": i + 1, "keypoints": keypoints.ravel().tolist()} | more)
        if i % 10:
            poses = np.concatenate([found[i], score[i][:, None]], axis=1)
            results.append(record | {"keypoints": poses.ravel().tolist(), "score": 0.9})
    names = list(COCO17.joints)
    category = {"id": 1, "name": "person", "keypoints": names, "skeleton": []}
    truth = {"images": images, "annotations": people, "categories": [category]}
    paths = (folder / "truth.json", folder / "results.json")
    paths[0].write_text(json.dumps(truth))
    paths[1].write_text(json.dumps(results))
    return paths


def add_middles(path: Path, target: Path) -> Path:
    """Write a copy whose poses have the middles of hips and shoulders as two more keypoints."""
    content = json.loads(path.read_text())
    for record in content if isinstance(content, list) else content["annotations"]:
        poses = np.array(record["keypoints"]).reshape(17, 3)
        for pair in ((11, 12), (5, 6)):
            x, y = poses[list(pair), :2].mean(axis=0)
            record["keypoints"] += [x, y, poses[list(pair), 2].min()]
    target.write_text(json.dumps(content))
    return target


def find_difference(ours: dict[str, Any], theirs: dict[str, Any], skip: set[str]) -> float:
    """Return the largest difference of two sets of numbers, relative where they are above 1."""
    largest = 0.0
    for name in theirs.keys() - skip:
        a, b = np.atleast_1d(ours[name]).astype(float), np.atleast_1d(theirs[name]).astype(float)
        largest = max(largest, float((np.abs(a - b) / np.maximum(1, np.abs(b))).max()))
    return largest


def prepare_peer(folder: Path) -> Path:
    """Make an environment with poseaudit and return its Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", PEER], check=True)
    return python


def main() -> None:
    """Measure both sides and print one line for each setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=20_000, metavar="N")
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--resamples", type=int, default=200, metavar="N")
    parser.add_argument("--folder", type=Path, default=Path("runs/bench/measures"), metavar="DIR")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    python = prepare_peer(arguments.folder / "venv")
    paths = make_files(arguments.folder, arguments.people)
    copies = [str(add_middles(p, p.with_name(f"peer_{p.name}"))) for p in paths]
    truth = smallpose.read_coco(paths[0])
    predictions = smallpose.read_results(paths[1], truth)
    measures = parse_measures(MEASURES, truth.skeleton)
    for resamples in (0, arguments.resamples):
        seconds, ratios = [], []
        for _ in range(arguments.runs):
            start = time.perf_counter()
            results = measure_people(truth, predictions, measures, num_resamples=resamples)
            seconds.append(time.perf_counter() - start)
            command = [
                python,
                FOLDER / "peer.py",
                *copies,
                *([str(resamples)] if resamples else []),
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            theirs = json.loads(done.stdout)
            ratios.append(theirs["seconds"] / seconds[-1])
        difference = max(
            find_difference(
                one.classes[0].to_dict(),
                theirs["measures"][one.measure.name],
                {"share_beyond"} if one.measure.kind == "length" else set(),
            )
            for one in results
        )
        assert difference < 1e-9, difference
        print(
            f"{resamples:>5} resamples, {arguments.people:,} people, {len(measures)} measures: "
            f"{statistics.median(seconds):.3f} s, poseaudit {theirs['version']} "
            f"{theirs['seconds']:.1f} s, ratio {statistics.median(ratios):.0f}, largest "
            f"difference {difference:.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
