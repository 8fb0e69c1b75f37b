"""MMPose's part of bench/loader.py and bench/loader_memory.py, run in MMPose's environment.

`speed`: samples per second of the training pipeline of its 256 × 192 heatmap configs, people in
the random order of its sampler. `memory`: of its table of people, in this process and in each
worker. Prints one JSON line.
"""

import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

HEATMAPS = {
    "type": "MSRAHeatmap",
    "input_size": (192, 256),
    "heatmap_size": (48, 64),
    "sigma": 2,
}
PIPELINE = [
    {"type": "LoadImage"},
    {"type": "GetBBoxCenterScale"},
    {"type": "RandomFlip", "direction": "horizontal"},
    {"type": "RandomHalfBody"},
    {"type": "RandomBBoxTransform"},
    {"type": "TopdownAffine", "input_size": (192, 256)},
    {"type": "GenerateTarget", "encoder": HEATMAPS},
    {"type": "PackPoseInputs"},
]


def make_metadata(names: list[str]) -> dict[str, list[int]]:
    """Return the metadata of a data set that flips and half bodies need."""
    other = {"left": "right", "right": "left"}
    partner = ["_".join(other.get(word, word) for word in name.split("_")) for name in names]
    lower = [i for i, n in enumerate(names) if n.endswith(("hip", "knee", "ankle", "pelvis"))]
    return {
        "flip_indices": [names.index(name) for name in partner],
        "lower_body_ids": lower,
        "upper_body_ids": sorted(set(range(len(names))) - set(lower)),
    }


def measure_speed(annotations: Path, images: Path, samples: int) -> dict[str, float]:
    """Measure samples per second of the training pipeline."""
    import cv2
    from mmpose.registry import TRANSFORMS
    from mmpose.utils import register_all_modules

    register_all_modules()
    cv2.setNumThreads(0)
    pipeline = [TRANSFORMS.build(step) for step in PIPELINE]
    file = json.loads(annotations.read_text())
    names = file["categories"][0]["keypoints"]
    path_of = {image["id"]: str(images / image["file_name"]) for image in file["images"]}
    meta = make_metadata(names)
    np.random.seed(0)  # noqa: NPY002  (its transforms draw from there)

    def make_record(person: dict) -> dict:
        x, y, w, h = person["bbox"]
        points = np.array([person["keypoints"]], np.float32).reshape(1, -1, 3)
        return meta | {
            "img_path": path_of[person["image_id"]],
            "img_id": person["image_id"],
            "id": person["id"],
            "category_id": 1,
            "iscrowd": 0,
            "bbox": np.array([[x, y, x + w, y + h]], np.float32),
            "bbox_score": np.ones(1, np.float32),
            "area": np.array([w * h], np.float32),
            "num_keypoints": len(names),
            "keypoints": points[..., :2].copy(),
            "keypoints_visible": np.minimum(points[..., 2], 1),
        }

    people = file["annotations"]
    rng = np.random.default_rng(0)
    epochs = -(-samples // len(people)) + 1
    order = np.concatenate([rng.permutation(len(people)) for _ in range(epochs)])[: samples + 20]
    for number, person in enumerate(order.tolist()):
        if number == 20:
            wall, cpu = time.perf_counter(), time.process_time()
        sample = make_record(people[person])
        for step in pipeline:
            sample = step(sample)
    return {
        "per_second": samples / (time.perf_counter() - wall),
        "per_cpu_second": samples / (time.process_time() - cpu),
    }


def measure_memory(annotations: Path, start: str) -> dict[str, float]:
    """Measure MiB of the data set in this process, and the growth and final size of a worker.

    Two workers, started by `start` (fork, spawn), process all records without opening an image.
    """
    from mmpose.datasets import CocoDataset
    from mmpose.utils import register_all_modules
    from torch.utils.data import DataLoader

    register_all_modules()
    before = measure_private_mib()
    file = "configs/_base_/datasets/coco.py"
    import mmpose

    meta = {"from_file": str(Path(mmpose.__file__).parent / ".mim" / file)}
    people = CocoDataset(ann_file=str(annotations), metainfo=meta, pipeline=[MeasureMemory()])
    loaded = measure_private_mib() - before
    loader = DataLoader(
        people,
        batch_size=64,
        num_workers=2,
        shuffle=True,
        collate_fn=list,
        multiprocessing_context=start,
    )
    mib_of_worker: dict[int, list[float]] = {}
    for batch in loader:
        for pid, mib in batch:
            if mib:
                mib_of_worker.setdefault(pid, []).append(mib)
    growth = float(np.mean([values[-1] - values[0] for values in mib_of_worker.values()]))
    end = float(np.mean([values[-1] for values in mib_of_worker.values()]))
    return {"people": len(people), "loaded": loaded, "growth": growth, "end": end}


class MeasureMemory:
    """A replacement of the pipeline that reports the memory of its process, sometimes."""

    num_calls = 0

    def __call__(self, record: dict) -> tuple[int, float]:
        self.num_calls += 1
        return os.getpid(), measure_private_mib() if self.num_calls % 500 == 400 else 0.0


def measure_private_mib() -> float:
    """Return the MiB of this process that no other one shares."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


if __name__ == "__main__":
    if sys.argv[1] == "memory":
        print(json.dumps(measure_memory(Path(sys.argv[2]), sys.argv[4])))
    if sys.argv[1] == "speed":
        print(json.dumps(measure_speed(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))))
