"""Plant label errors into real COCO people and count how many come first in an audit.

    python bench/label_audit.py [FILE.json] [--seeds 3] [--peer sleap=PYTHON] [--peer trekr=PYTHON]

Of the people with at least 12 labelled joints (703 in the file that the README measures), 60 get an
error: 12 each of five kinds. All are ranked by suspicion; the numbers are the errors among the
first 60, and the share of the other people above the threshold. Boxes stay as they are. A peer is
run in its own environment, which has it installed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.core.instances import Instances
from smallpose.core.predictions import Predictions, make_predictions
from smallpose.dataset.label_audit.audit_file import audit_file
from smallpose.io.coco_annotations import read_coco

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared/data/real/coco/annotations"
DEFAULT_FILE = REAL / "person_keypoints_val2017.subset538.json.gz"
MIN_JOINTS = 12
NUM_EACH = 12
OURS = ("smallpose", "with predictions")

Floats = NDArray[np.float64]
Planter = Callable[[Instances, int, np.random.Generator], Floats | None]


def _list_columns(people: Instances, *parts: str) -> NDArray[np.intp]:
    names = [f"{side}_{part}" for side in ("left", "right") for part in parts]
    return people.skeleton.joint_indices(names)


def mix_two_people(people: Instances, row: int, _: np.random.Generator) -> Floats | None:
    """Take hips, knees and ankles from the nearest other person of the image."""
    lower = _list_columns(people, "hip", "knee", "ankle")
    others = np.flatnonzero(people.image_rows == people.image_rows[row])
    others = others[(others != row) & (people.num_labelled[others] >= MIN_JOINTS)]
    others = others[(people.keypoints[others][:, lower, 2] > 0).sum(axis=1) >= 4]
    if not len(others):
        return None
    centres = people.boxes_xywh[:, :2] + people.boxes_xywh[:, 2:] / 2
    nearest = others[np.linalg.norm(centres[others] - centres[row], axis=1).argmin()]
    pose = people.keypoints[row].copy()
    pose[lower] = people.keypoints[nearest, lower]
    return pose


def flip_sides(people: Instances, row: int, _: np.random.Generator) -> Floats | None:
    """Exchange left and right of all joints."""
    return people.keypoints[row][people.skeleton.flip_indices]


def cross_legs(people: Instances, row: int, _: np.random.Generator) -> Floats | None:
    """Exchange left and right of knees and ankles."""
    left, right = np.split(_list_columns(people, "knee", "ankle"), 2)
    pose = people.keypoints[row].copy()
    if (pose[[*left, *right], 2] == 0).any():
        return None
    pose[[*left, *right]] = pose[[*right, *left]]
    return pose


def move_wrist(people: Instances, row: int, rng: np.random.Generator) -> Floats | None:
    """Move a wrist by .4 to .8 of the root of the box's area in any direction."""
    pose = people.keypoints[row].copy()
    wrists = [column for column in _list_columns(people, "wrist") if pose[column, 2] > 0]
    if not wrists:
        return None
    column, angle = rng.choice(wrists), rng.uniform(0, 2 * np.pi)
    distance = rng.uniform(0.4, 0.8) * np.sqrt(people.area[row])
    pose[column, :2] += distance * np.array([np.cos(angle), np.sin(angle)])
    return pose


def exchange_elbow(people: Instances, row: int, rng: np.random.Generator) -> Floats | None:
    """Exchange elbow and wrist of one arm."""
    pose = people.keypoints[row].copy()
    elbows, wrists = _list_columns(people, "elbow"), _list_columns(people, "wrist")
    arms = [pair for pair in zip(elbows, wrists, strict=True) if (pose[list(pair), 2] > 0).all()]
    if not arms:
        return None
    pair = list(arms[rng.integers(len(arms))])
    pose[pair] = pose[pair[::-1]]
    return pose


KINDS: dict[str, Planter] = {
    "two people": mix_two_people,
    "sides": flip_sides,
    "legs": cross_legs,
    "wrist": move_wrist,
    "elbow": exchange_elbow,
}


def plant_errors(people: Instances, seed: int) -> tuple[Instances, dict[int, str]]:
    """Plant `NUM_EACH` errors of each kind; return the people, and row to kind.

    Args:
        people: all of whom may get an error.
    """
    rng = np.random.default_rng(seed)
    keypoints = people.keypoints.copy()
    kind_of: dict[int, str] = {}
    for kind, plant in KINDS.items():
        left = NUM_EACH
        for row in rng.permutation(len(people)).tolist():
            pose = None if row in kind_of or not left else plant(people, row, rng)
            if pose is not None:
                keypoints[row] = pose
                kind_of[row] = kind
                left -= 1
    return replace(people, keypoints=keypoints), kind_of


def select_people(path: Path) -> Instances:
    """Read the people with enough labelled joints."""
    people = read_coco(path)
    return people.take(np.flatnonzero(people.is_counted & (people.num_labelled >= MIN_JOINTS)))


def simulate_predictions(people: Instances, seed: int) -> Predictions:
    """Simulate a model with errors of its own, from the labels before errors were planted.

    Joints spread 1.5 times as much as annotators', and 4 % are elsewhere; 5 % of the people have
    their sides exchanged, and 10 % are not detected.
    """
    rng = np.random.default_rng(seed + 1000)
    n, k = people.keypoints.shape[:2]
    poses = people.keypoints.copy()
    scale = np.sqrt(people.area)[:, None, None]
    sigmas = people.skeleton.sigmas[None, :, None]
    poses[:, :, :2] += rng.normal(0, 1.5, (n, k, 2)) * scale * sigmas
    is_unlabelled = people.keypoints[:, :, 2] == 0
    corner, size = people.boxes_xywh[:, None, :2], people.boxes_xywh[:, None, 2:]
    poses[is_unlabelled, :2] = (corner + rng.random((n, k, 2)) * size)[is_unlabelled]
    poses[:, :, 2] = np.where(is_unlabelled, 0.3, 0.9)
    is_lost = rng.random((n, k)) < 0.04
    poses[is_lost, :2] += (rng.normal(0, 0.3, (n, k, 2)) * scale)[is_lost]
    is_flipped = rng.random(n) < 0.05
    poses[is_flipped] = poses[is_flipped][:, people.skeleton.flip_indices]
    rows = np.flatnonzero(rng.random(n) >= 0.1)
    images = people.images.ids[people.image_rows[rows]]
    return make_predictions(people.skeleton, images, poses[rows], rng.uniform(0.5, 1, len(rows)))


def score_with_us(
    people: Instances, predictions: Predictions | None = None
) -> tuple[Floats, float]:
    """Return the suspicion of each pose, and CPU seconds of the whole audit."""
    begin = time.process_time()
    audit = audit_file(Path("planted.json"), people, predictions)
    return audit.scores.total, time.process_time() - begin


def score_with_peer(name: str, python: str, people: Instances) -> tuple[Floats, float]:
    """Return the suspicion of each pose by another package, and its CPU seconds."""
    points = np.where(people.keypoints[:, :, 2:] > 0, people.keypoints[:, :, :2], np.nan)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "poses.npz"
        np.savez(
            path,
            points=points,
            images=people.image_rows,
            joints=np.array(people.skeleton.joints),
            edges=np.array(people.skeleton.edges),
        )
        script = Path(__file__).parent / "label_audit" / "peer.py"
        done = subprocess.run(
            [python, str(script), name, str(path)], capture_output=True, text=True, check=True
        )
    result = json.loads(done.stdout.splitlines()[-1])
    return np.array(result["scores"]), result["cpu_s"]


def measure_speed(people: Instances, num_people: int = 10_000) -> float:
    """Return CPU seconds of an audit of that many people, copied from the table."""
    rows = np.resize(np.arange(len(people)), num_people)
    copies = people.take(rows)
    images = people.images
    many = replace(
        copies,
        images=images.take(np.resize(np.arange(len(images)), num_people)),
        image_rows=np.arange(num_people),
        ids=np.arange(num_people),
    )
    return score_with_us(many)[1]


def print_row(name: str, seed: int, scores: Floats, kind_of: dict[int, str], cpu_s: float) -> int:
    """Print one line of the table; return the number of errors among the first 60."""
    num_first = len(kind_of)
    first = np.argsort(-scores, kind="stable")[:num_first].tolist()
    counts = Counter(kind_of[row] for row in first if row in kind_of)
    by_kind = " | ".join(f"{counts[kind]}" for kind in KINDS)
    is_sound = ~np.isin(np.arange(len(scores)), list(kind_of))
    above = f"{(scores[is_sound] > 1).mean():.1%}" if name in OURS else ""
    print(f"| {name} | {seed} | {by_kind} | {counts.total()} | {above} | {cpu_s:.2f} |", flush=True)
    return counts.total()


def main() -> None:
    """Print the table of all seeds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=DEFAULT_FILE, metavar="FILE")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="Number of plantings.")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    args = parser.parse_args()
    if not args.file.exists():
        print(f"no file {args.file}; give COCO keypoint annotations")
        sys.exit(0)
    people = select_people(args.file)
    print(f"{len(people):,} people with at least {MIN_JOINTS} joints\n")
    print(f"| | seed | {' | '.join(KINDS)} | first 60 | sound above 1 | CPU s |")
    print("|---|---:|" + "---:|" * len(KINDS) + "---:|---:|---:|")
    for seed in range(args.seeds):
        planted, kind_of = plant_errors(people, seed)
        print_row("smallpose", seed, *_join(score_with_us(planted), kind_of))
        predicted = score_with_us(planted, simulate_predictions(people, seed))
        print_row("with predictions", seed, *_join(predicted, kind_of))
        for peer in args.peer:
            name, _, python = peer.partition("=")
            print_row(name, seed, *_join(score_with_peer(name, python, planted), kind_of))
    print(f"\n10,000 people: {measure_speed(people):.2f} CPU s")


def _join(
    scored: tuple[Floats, float], kind_of: dict[int, str]
) -> tuple[Floats, dict[int, str], float]:
    return scored[0], kind_of, scored[1]


if __name__ == "__main__":
    main()
