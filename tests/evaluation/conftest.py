"""Random crowded data sets, and pycocotools as an independent evaluator of them."""

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
# Written as pycocotools writes its 17; for those its own values are used.
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
    """Few images, every difficult case: ties, copies, crowds, missing labels, class limits."""
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
        company = [a for a in annotations if a["image_id"] == image]
        max_count = 30 if rng.random() < 0.1 else 2 * people
        for _ in range(int(rng.integers(0, max_count))):
            results.append(_detection(rng, image, joints, company, results, boxed))
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
    # The field decides who is counted; not in every file is it the number of labels.
    num_keypoints = 0 if rng.random() < 0.05 else labelled
    return {
        "image_id": image,
        "category_id": 1,
        "bbox": [float(x), float(y), float(w), float(h)],
        "area": float(w * h) * 0.6,
        "iscrowd": crowd,
        "num_keypoints": num_keypoints,
        "keypoints": points.ravel().tolist(),
    }


def _detection(rng, image, joints, company, before, boxed):
    kind = rng.random()
    if before and kind < 0.1:  # an exact copy, the score too
        return copy.deepcopy(before[-1])
    if company and kind < 0.85:
        person = company[int(rng.integers(len(company)))]
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
    dataset: Dataset, max_detections: int = 20, oks_area: str = "file", sigmas: Any = None
) -> dict[str, dict[str, Any]]:
    """Score each class in a separate run: people outside it get num_keypoints 0.

    Sizes go by width × height of the box, of detections by the area that loadRes gives them; the
    `area` field scales OKS and must be in COCO's range.
    """
    out = {}
    oks: dict[Any, Any] = {}  # by image and category, the same for all classes
    for name in CLASSES:
        coco = dataset.coco | {"annotations": [dict(a) for a in dataset.coco["annotations"]]}
        for a in coco["annotations"]:
            box_area = a["bbox"][2] * a["bbox"][3]
            if name != "all":
                is_member = SIZES[name if name in SIZES else "small"](box_area)
                if name in DENSITIES:
                    is_member = is_member and DENSITIES[name](density(a))
                a["num_keypoints"] *= is_member
            if oks_area == "box":
                a["area"] = box_area
        size = name if name in SIZES else "small"
        out[name] = _one_run(coco, dataset.results, size, max_detections, sigmas, oks)
    return out


def _one_run(coco, results, size, max_detections, sigmas, oks):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = coco
        truth.createIndex()
        if results:
            # It adds fields to the records, and changes no list of theirs.
            results_coco = truth.loadRes([dict(r) for r in results])
        else:  # loadRes falls over an empty list
            results_coco = COCO()
            results_coco.dataset = {**coco, "annotations": []}
            results_coco.createIndex()
        scorer = COCOeval(truth, results_coco, "keypoints")
        if sigmas is not None:
            scorer.params.kpt_oks_sigmas = np.array(sigmas)
        elif len(coco["categories"][0]["keypoints"]) == 21:
            scorer.params.kpt_oks_sigmas = SIGMAS21
        scorer.params.areaRng, scorer.params.areaRngLbl = [[0, 1e10]], [size]
        for detection in results_coco.dataset["annotations"]:
            detection["area"] = 1 if SIZES[size](detection["area"]) else -1
        scorer.params.maxDets = [max_detections]
        compute_oks = scorer.computeOks
        scorer.computeOks = lambda *ids: (
            oks[ids] if ids in oks else oks.setdefault(ids, compute_oks(*ids))
        )
        scorer.evaluate()
        scorer.accumulate()
    arrays = scorer.eval
    people = sum(int((e["gtIgnore"] == 0).sum()) for e in scorer.evalImgs if e is not None)
    return {
        "precision": arrays["precision"][:, :, 0, 0, 0],
        "recall": arrays["recall"][:, 0, 0, 0],
        "scores": arrays["scores"][:, :, 0, 0, 0],
        "people": people,
    }


def make_column(n: int = 40, height: float = 100) -> tuple[Instances, Predictions]:
    """One fully labelled person in each image, all joints hidden or seen, predicted perfectly."""
    boxes = np.tile([0.0, 0, 50, height], (n, 1))
    keypoints = np.zeros((n, 17, 3))
    keypoints[:, :, 0] = np.linspace(0, 50, 17)
    keypoints[:, :, 1] = np.linspace(0, height, 17)
    keypoints[:, :, 2] = np.where(np.arange(17) % 2, 1, 2)
    images = make_images(np.arange(1, n + 1), [str(i) for i in range(n)])
    truth = make_instances(COCO17, images, np.arange(n), boxes, keypoints)
    poses = keypoints.copy()
    return truth, make_predictions(COCO17, images.ids, poses, np.linspace(1, 0.5, n))


def make_population(images, seed, skill=1.0, groups=None):
    """Images of one to five people, each image as hard as it is; a detection per person."""
    rng = np.random.default_rng(seed)
    count = rng.integers(1, 6, images)
    rows = np.repeat(np.arange(images), count)
    n = len(rows)
    boxes = np.zeros((n, 4))
    boxes[:, 0] = 400 * np.concatenate([np.arange(c) for c in count])
    boxes[:, 2:] = np.stack([rng.uniform(30, 150, n), rng.uniform(40, 250, n)], axis=1)
    keypoints = np.ones((n, 17, 3))
    keypoints[:, :, :2] = boxes[:, None, :2] + boxes[:, None, 2:] * rng.random((n, 17, 2))
    hard = rng.lognormal(-0.9, 0.7, images)[rows] / skill
    noise = np.random.default_rng(seed + 1000).normal(0, 1, (n, 17, 2))
    poses = keypoints.copy()
    spread = 2 * COCO17.sigmas * np.sqrt(boxes[:, 2] * boxes[:, 3])[:, None] * hard[:, None]
    poses[:, :, :2] += noise * spread[:, :, None]
    scores = 1 / (1 + hard) + rng.normal(0, 0.1, n)
    named = make_images(
        np.arange(1, images + 1), [f"{i}.jpg" for i in range(images)], groups=groups
    )
    truth = make_instances(COCO17, named, rows, boxes, keypoints)
    return truth, make_predictions(COCO17, named.ids[rows], poses, scores)


@pytest.fixture(scope="session")
def crowded_dataset() -> Callable[..., Dataset]:
    return make_dataset


@pytest.fixture(scope="session")
def pycocotools() -> Callable[..., dict[str, dict[str, Any]]]:
    return run_pycocotools


@pytest.fixture(scope="session")
def column() -> Callable[..., tuple[Instances, Predictions]]:
    return make_column


@pytest.fixture(scope="session")
def population() -> Callable[..., tuple[Instances, Predictions]]:
    return make_population
