"""Random crowded datasets, and an independent driver of pycocotools that scores them."""

import contextlib
import copy
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.predictions import Predictions, make_predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE

SIZES = {
    "all": lambda a: 0 <= a <= 1e10,
    "small": lambda a: 0 < a < 12288,
    "medium": lambda a: 12288 <= a < 49152,
    "large": lambda a: 49152 <= a <= 1e10,
}
DENSITIES = {
    "sparse": lambda kd: kd < 0.35,
    "moderate": lambda kd: 0.35 <= kd < 0.95,
    "dense": lambda kd: kd >= 0.95,
}
# Written as pycocotools writes its 17, whose own are left to it.
TENTHS = [0.26, 0.79, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62]
SIGMAS21 = np.array([*TENTHS, 1.07, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89]) / 10.0
CLASSES = [*SIZES, *DENSITIES]


@dataclass
class Dataset:
    """The same people and detections as COCO's dicts and as our tables."""

    coco: dict[str, Any]
    results: list[dict[str, Any]]
    truth: Instances
    predictions: Predictions


def make_dataset(seed: int, joints: int = 17, images: int = 4, people: int = 5) -> Dataset:
    """Few images, all the trouble: ties, twins, crowds, unlabelled people, class ends, copies."""
    rng = np.random.default_rng(seed)
    skeleton = COCO17 if joints == 17 else SMALLPOSE
    annotations, results = [], []
    image_ids = rng.permutation(np.arange(1, 400))[:images].tolist()
    if rng.random() < 0.2:
        image_ids[0] += 2**33
    for image in image_ids:
        count = int(rng.integers(0, people + 1))
        for _ in range(count):
            annotations.append(_person(rng, image, joints, annotations))
    order = rng.permutation(len(annotations))
    annotations = [annotations[i] for i in order]
    ids = rng.permutation(np.arange(1, 5000))[: len(annotations)].tolist()
    for annotation, one in zip(annotations, ids, strict=True):
        annotation["id"] = one
    boxed = rng.random() < 0.3
    for image in image_ids:
        here = [a for a in annotations if a["image_id"] == image]
        most = 30 if rng.random() < 0.1 else 2 * people
        for _ in range(int(rng.integers(0, most))):
            results.append(_detection(rng, image, joints, here, results, boxed))
    results = [results[i] for i in rng.permutation(len(results))]
    coco = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in image_ids
        ],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeleton.joints)}],
    }
    return Dataset(coco, results, as_truth(coco), as_predictions(results, skeleton))


def _person(rng, image, joints, before):
    if before and rng.random() < 0.1:  # annotated twice: exact ties of the OKS
        return copy.deepcopy(before[int(rng.integers(len(before)))]) | {"image_id": image}
    w, h = [(128, 96), (256, 192), (20, 30), (60, 110), (90, 200), (300, 320), (0, 40)][
        int(rng.choice(7, p=[0.1, 0.1, 0.2, 0.25, 0.2, 0.1, 0.05]))
    ]
    x, y = rng.integers(0, 200, 2).tolist()
    points = np.stack(
        [
            x + rng.integers(0, w + 1, joints),
            y + rng.integers(0, h + 1, joints),
            0 * np.arange(joints),
        ]
    ).T.astype(float)
    if rng.random() < 0.3:
        points[:, :2] += rng.random((joints, 2)).round(2)
    labelled = int(rng.integers(0, joints + 1))
    points[rng.permutation(joints)[:labelled], 2] = rng.integers(1, 3, labelled)
    points[points[:, 2] == 0, :2] = 0
    crowd = int(rng.random() < 0.1)
    # The field decides who counts, and in other people's files it is not always the count.
    said = 0 if rng.random() < 0.05 else labelled
    return {
        "image_id": image,
        "category_id": 1,
        "bbox": [float(x), float(y), float(w), float(h)],
        "area": float(w * h) * 0.6,
        "iscrowd": crowd,
        "num_keypoints": said,
        "keypoints": points.ravel().tolist(),
    }


def _detection(rng, image, joints, here, before, boxed):
    kind = rng.random()
    if before and kind < 0.1:  # an exact copy, the score too
        return copy.deepcopy(before[-1])
    if here and kind < 0.85:
        person = here[int(rng.integers(len(here)))]
        points = np.array(person["keypoints"]).reshape(joints, 3)
        size = np.sqrt(max(person["bbox"][2] * person["bbox"][3], 1.0))
        step = rng.choice([0.0, 0.02, 0.06, 0.15]) * size
        points[:, :2] += rng.normal(0, 1, (joints, 2)) * step
    else:
        points = rng.integers(0, 300, (joints, 3)).astype(float)
    if rng.random() < 0.5:
        points = points.round(1)
    points[:, 2] = 1
    score = float(rng.integers(1, 6) / 5) if rng.random() < 0.6 else float(rng.random())
    result = {"image_id": image, "category_id": 1, "keypoints": points.ravel().tolist()}
    result["score"] = score
    if boxed:
        result["bbox"] = rng.integers(0, 200, 4).astype(float).tolist()
    return result


def as_truth(coco: dict[str, Any], joints: Any = None) -> Instances:
    skeleton = {17: COCO17, 21: SMALLPOSE}[len(coco["categories"][0]["keypoints"])]
    ids = [i["id"] for i in coco["images"]]
    rows = {one: row for row, one in enumerate(ids)}
    people = coco["annotations"]
    return make_instances(
        skeleton,
        make_images(ids, [i["file_name"] for i in coco["images"]]),
        [rows[a["image_id"]] for a in people],
        [a["bbox"] for a in people] or np.zeros((0, 4)),
        [a["keypoints"] for a in people],
        ids=[a["id"] for a in people],
        num_keypoints=[a["num_keypoints"] for a in people],
        iscrowd=[bool(a["iscrowd"]) for a in people],
        file_area=[a["area"] for a in people],
    )


def as_predictions(results: list[dict[str, Any]], skeleton: Any) -> Predictions:
    boxes = [r.get("bbox", [np.nan] * 4) for r in results]
    return make_predictions(
        skeleton,
        [r["image_id"] for r in results],
        [r["keypoints"] for r in results],
        [r["score"] for r in results],
        np.array(boxes).reshape(-1, 4),
    )


def density(annotation: dict[str, Any]) -> float:
    """Eq. 3 in plain numbers."""
    v = annotation["keypoints"][2::3]
    n, k = sum(one > 0 for one in v), len(v)
    if n == 0:
        return float("nan")
    area = annotation["bbox"][2] * annotation["bbox"][3]
    return 2 * (1 - 1 / (1 + float(np.exp(-(area / 12288) * (k / n)))))


def run_pycocotools(
    dataset: Dataset, max_detections: int = 20, area: str = "box", sigmas: Any = None
) -> dict[str, dict[str, Any]]:
    """Each class in a run of its own: whoever is not in it gets num_keypoints 0."""
    out = {}
    for name in CLASSES:
        coco = copy.deepcopy(dataset.coco)
        for a in coco["annotations"]:
            if area == "box":
                a["area"] = a["bbox"][2] * a["bbox"][3]
            here = SIZES[name](a["area"]) if name in SIZES else SIZES["small"](a["area"])
            if name in DENSITIES:
                here = here and DENSITIES[name](density(a))
            a["num_keypoints"] *= here
        out[name] = _one_run(
            coco, dataset.results, name if name in SIZES else "small", max_detections, sigmas
        )
    return out


def _one_run(coco, results, size, max_detections, sigmas):
    tiny = float(np.nextafter(0, 1))
    ranges = {
        "all": [0, 1e10],
        "small": [tiny, float(np.nextafter(12288, 0))],
        "medium": [12288, float(np.nextafter(49152, 0))],
        "large": [49152, 1e10],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = coco
        truth.createIndex()
        if results:
            found = truth.loadRes(copy.deepcopy(results))
        else:  # loadRes falls over an empty list
            found = COCO()
            found.dataset = {**coco, "annotations": []}
            found.createIndex()
        scorer = COCOeval(truth, found, "keypoints")
        if sigmas is not None:
            scorer.params.kpt_oks_sigmas = np.array(sigmas)
        elif len(coco["categories"][0]["keypoints"]) == 21:
            scorer.params.kpt_oks_sigmas = SIGMAS21
        scorer.params.areaRng, scorer.params.areaRngLbl = [ranges[size]], [size]
        scorer.params.maxDets = [max_detections]
        scorer.evaluate()
        scorer.accumulate()
    met = scorer.eval
    people = sum(int((e["gtIgnore"] == 0).sum()) for e in scorer.evalImgs if e is not None)
    return {
        "precision": met["precision"][:, :, 0, 0, 0],
        "recall": met["recall"][:, 0, 0, 0],
        "scores": met["scores"][:, :, 0, 0, 0],
        "people": people,
    }


@pytest.fixture(scope="session")
def crowded_dataset() -> Callable[..., Dataset]:
    return make_dataset


@pytest.fixture(scope="session")
def pycocotools() -> Callable[..., dict[str, dict[str, Any]]]:
    return run_pycocotools
