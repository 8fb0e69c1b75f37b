"""Make a small built set with images, and finished runs on it."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.predictions import Predictions, make_predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.io.coco_annotations import write_coco
from smallpose.io.coco_results import write_results

# A standing person in a box of 1 × 2.
STANDING = np.array(
    [
        (0.5, 0.16),
        (0.5, 0.04),
        (0.54, 0.13),
        (0.46, 0.13),
        (0.6, 0.15),
        (0.4, 0.15),
        (0.5, 0.26),
        (0.5, 0.34),
        (0.68, 0.36),
        (0.32, 0.36),
        (0.78, 0.64),
        (0.22, 0.64),
        (0.82, 0.92),
        (0.18, 0.92),
        (0.6, 0.98),
        (0.4, 0.98),
        (0.5, 0.98),
        (0.62, 1.42),
        (0.38, 1.42),
        (0.63, 1.88),
        (0.37, 1.88),
    ]
)
HEIGHTS = (36, 60, 100, 150, 230, 380)
METRICS = ("AP", "AP_S", "AP_M", "AP_L", "AP_S_sparse", "AP_S_moderate", "AP_S_dense", "AR")


@dataclass(frozen=True)
class Project:
    """A built set, its test split, and the folders of runs by name."""

    data: Path
    test: Instances
    runs: dict[str, Path]


def make_split(seed: int, first_id: int, name: str) -> Instances:
    """Make ten images of 640 × 480 with three people each, of all five sources."""
    rng = np.random.default_rng(seed)
    files = [f"{name}/{i}.png" for i in range(10)]
    source = np.arange(10) % 5 + 1
    images = make_images(range(first_id, first_id + 10), files, [640] * 10, [480] * 10, source)
    rows = np.repeat(np.arange(10), 3)
    height = np.array([HEIGHTS[i % len(HEIGHTS)] for i in range(30)], dtype=np.float64)
    x, y = rng.uniform(0, 640 - height / 2), rng.uniform(0, 480 - height)
    boxes = np.stack([x, y, height / 2, height], axis=1)
    xy = boxes[:, None, :2] + STANDING * (height / 2)[:, None, None]
    v = np.where(rng.random((30, 21, 1)) < 0.2, 1.0, 2.0)
    people = make_instances(
        SMALLPOSE, images, rows, boxes, np.concatenate([xy, v], axis=2), source=source[rows]
    )
    return replace(people, ids=np.arange(first_id * 10, first_id * 10 + 30))


def write_run(
    folder: Path, truth: Instances, data: Path, setting: str, epochs: int, points: float
) -> Path:
    """Write a run whose poses are the ground truth with noise; its scores are made up."""
    labelled = truth if setting == "B" else truth.to_skeleton(COCO17)
    rng = np.random.default_rng(epochs)
    noise = rng.normal(0, 1, labelled.keypoints[:, :, :2].shape) * (0.02 + 0.3 * (epochs == 0))
    poses = labelled.keypoints.copy()
    poses[:, :, :2] += noise * truth.boxes_xywh[:, None, 3:]
    predictions = make_predictions(
        labelled.skeleton,
        labelled.images.ids[labelled.image_rows],
        poses,
        np.ones(len(labelled)),
        truth.boxes_xywh,
    )
    write_results(predictions, folder / "found.json")
    scores = {name: points / 100 + 0.01 * i for i, name in enumerate(METRICS)}
    scores["AP_S_dense"] = None  # type: ignore[assignment]
    result = {
        "method": "simple_baseline_r18_tiny",
        "setting": setting,
        "recipe": {"name": "quick", "learning_rate": 0.001, "augment": {"flip": 0.5}},
        "seed": 0,
        "parameters": 2_814_485,
        "steps": epochs * 10,
        "epochs": epochs,
        "seconds": 83.0,
        "data": str(data),
        "weights": {"file": "model.safetensors", "sha256": "0" * 64},
        "environment": {"torch": "2.9", "device": "<cpu>"},
        "evaluation": {
            "protocols": {"coco": scores, "owned": scores, "recall": scores},
            "people": {},
            "settings": {"max_found": 20},
            "notes": ["20 detections count per image"],
        },
    }
    if setting == "B":
        on_17 = {name: None if s is None else s - 0.05 for name, s in scores.items()}
        result["B17"] = {"protocols": {"coco": on_17, "owned": on_17, "recall": on_17}}
    (folder / "result.json").write_text(json.dumps(result))
    records = [{"step": step, "epoch": 1, "loss": 1 / step} for step in range(1, 21)]
    records.append({"step": 20, "AP": 0.2, "AP_S": 0.1})
    (folder / "log.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    return folder


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("project")
    data = root / "set"
    parts = {"train": make_split(1, 1, "train"), "test": make_split(2, 11, "test")}
    rng = np.random.default_rng(3)
    for name, part in parts.items():
        write_coco(part, data / "annotations" / f"{name}.json")
        for file in part.images.file_names:
            path = data / "images" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = rng.integers(60, 200, (6, 8, 3), dtype=np.uint8)
            cv2.imwrite(str(path), cv2.resize(noise, (640, 480), interpolation=cv2.INTER_NEAREST))
    manifest = {"synthetic": True, "split": "grouped", "seed": 5}
    manifest |= {"sources": {}, "files": {}, "pictures": {}}
    (data / "manifest.json").write_text(json.dumps(manifest))
    runs = {
        name: write_run(root / name, parts["test"], data, setting, epochs, points)
        for name, setting, epochs, points in (
            ("untrained", "B", 0, 0.5),
            ("A", "A", 6, 23.0),
            ("B", "B", 6, 43.0),
        )
    }
    return Project(data, parts["test"], runs)


@pytest.fixture(scope="session")
def report_of_runs(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report of the runs, which is only read."""
    from smallpose.report import make_report

    out = tmp_path_factory.mktemp("report")
    make_report(list(project.runs.values()), out)
    return out


@pytest.fixture(scope="session")
def crowded() -> tuple[Instances, Predictions]:
    """Make six images of 30 overlapping people, some ignored, with 40 noisy predictions each."""
    rng = np.random.default_rng(0)
    num_images, per_image = 6, 30
    n = num_images * per_image
    rows = np.repeat(np.arange(num_images), per_image)
    ids = np.arange(1, num_images + 1)
    images = make_images(ids, [f"{i}.png" for i in ids], [640] * num_images, [480] * num_images)
    height = rng.uniform(40, 120, n)
    corner = rng.uniform(0, (40, 30), (n, 2))
    boxes = np.concatenate([corner, height[:, None] / 2, height[:, None]], axis=1)
    xy = corner[:, None] + STANDING * (height / 2)[:, None, None]
    keypoints = np.concatenate([xy, np.full((n, 21, 1), 2.0)], axis=2)
    truth = make_instances(SMALLPOSE, images, rows, boxes, keypoints)
    truth = replace(
        truth,
        iscrowd=np.arange(n) % 29 == 0,
        num_keypoints=np.where(np.arange(n) % 17 == 0, 0, truth.num_keypoints),
    )
    of = np.concatenate([np.arange(n), np.flatnonzero(np.arange(n) % 3 == 0)])
    poses = keypoints[of]
    noise = rng.normal(0, 1, (len(of), 21, 2)) * rng.uniform(0.01, 0.12, len(of))[:, None, None]
    shift = rng.normal(0, 0.1, (len(of), 1, 2))
    poses[:, :, :2] += (noise + shift) * height[of, None, None]
    return truth, make_predictions(SMALLPOSE, ids[rows[of]], poses, rng.random(len(of)))
