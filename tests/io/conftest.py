"""Random COCO files, and fixtures that tell the fast readers from the slow ones."""

import contextlib
import copy
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tables import check_same_table

from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.io import coco_annotations, coco_results


@pytest.fixture(scope="session")
def random_coco() -> Callable[..., tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Return an annotation file and results for it, as `make_random_coco`."""
    return make_random_coco


def make_random_coco(
    seed: int, num_joints: int = 17, num_images: int = 4, max_people: int = 5
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Make crowd regions, unlabelled people, wrong counts, big ids, copies and missing boxes."""
    rng = np.random.default_rng(seed)
    skeleton = COCO17 if num_joints == 17 else SMALLPOSE
    image_ids = rng.permutation(np.arange(1, 400))[:num_images].tolist()
    if seed % 5 == 0:
        image_ids[0] += 2**33
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    has_boxes = rng.random() < 0.3
    for image_id in image_ids:
        for _ in range(int(rng.integers(0, max_people + 1))):
            annotations.append(_make_person(rng, image_id, num_joints))
        for _ in range(int(rng.integers(0, 2 * max_people))):
            if results and rng.random() < 0.1:
                results.append(copy.deepcopy(results[-1]))
            else:
                results.append(_make_result(rng, image_id, num_joints, has_boxes))
    ids = rng.permutation(np.arange(1, 5000))[: len(annotations)].tolist()
    for annotation, annotation_id in zip(annotations, ids, strict=True):
        annotation["id"] = annotation_id
    coco = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in image_ids
        ],
        "annotations": [annotations[i] for i in rng.permutation(len(annotations))],
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeleton.joints)}],
    }
    return coco, [results[i] for i in rng.permutation(len(results))]


def _make_person(rng: np.random.Generator, image_id: int, num_joints: int) -> dict[str, Any]:
    x, y, w, h = rng.integers(0, 300, 4).tolist()
    keypoints = rng.integers(0, 300, (num_joints, 3)).astype(float)
    if rng.random() < 0.3:
        keypoints[:, :2] += rng.random((num_joints, 2)).round(2)
    keypoints[:, 2] = rng.integers(0, 3, num_joints)
    keypoints[keypoints[:, 2] == 0] = 0
    num_labelled = int(np.count_nonzero(keypoints[:, 2]))
    return {
        "image_id": image_id,
        "category_id": 1,
        "bbox": [float(x), float(y), float(w), float(h)],
        "area": float(w * h) * 0.6,
        "iscrowd": int(rng.random() < 0.1),
        "num_keypoints": 0 if rng.random() < 0.05 else num_labelled,
        "keypoints": keypoints.ravel().tolist(),
    }


def _make_result(
    rng: np.random.Generator, image_id: int, num_joints: int, has_box: bool
) -> dict[str, Any]:
    keypoints = rng.random((num_joints, 3)) * 300
    if rng.random() < 0.5:
        keypoints = keypoints.round(1)
    score = float(rng.integers(1, 6) / 5) if rng.random() < 0.6 else float(rng.random())
    result = {"image_id": image_id, "category_id": 1, "keypoints": keypoints.ravel().tolist()}
    result["score"] = score
    if has_box:
        result["bbox"] = rng.integers(0, 200, 4).astype(float).tolist()
    return result


@pytest.fixture
def without_slow_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test where a file is read by a slow reader."""

    def fail(*_: object) -> None:
        raise AssertionError("the slow reader was called")

    monkeypatch.setattr(coco_annotations, "read_coco_slow", fail)
    monkeypatch.setattr(coco_results, "read_results_slow", fail)


@pytest.fixture(scope="session")
def assert_same_table() -> Callable[[Any, Any], None]:
    """Return `check_same_table`."""
    return check_same_table


def break_text(text: str, seed: int = 1) -> list[str]:
    """Return many ways to break, or only change, a file."""
    rng = np.random.default_rng(seed)
    out = [text[: int(len(text) * share)] for share in (0, 0.3, 0.9, 0.999)]
    out += [text.replace('"keypoints"', '"keypoint"', 1), text.replace('"image_id"', '"id"', 1)]
    out += [text.replace("0.", "NaN.", 1), text.replace(".0", "e400", 1)]
    out += [text.replace('"image_id": ', '"image_id": 1, "image_id": ', 1)]
    out += [text.replace('"image_id": ', '"image_id": 12345', 1), "\ufeff" + text, text + "]"]
    out += [text.replace("[", "[[", 1), text.replace('"category_id": 1', '"category_id": 2', 1)]
    out += [text.replace('"score": ', '"score": "', 1), text.replace("}", "", 1)]
    for _ in range(60):
        start = int(rng.integers(len(text)))
        character = rng.choice(list('{}[]",:0-e.x\\ '))
        out.append(text[:start] + character + text[start + 1 :])
        out.append(text[:start] + text[start + int(rng.integers(1, 4)) :])
    return out


@pytest.fixture(scope="session")
def broken_texts() -> Callable[[str], list[str]]:
    """Return `break_text`."""
    return break_text


@pytest.fixture(scope="session")
def score_with_pycocotools() -> Callable[..., list[float]]:
    """Return `compute_reference_scores`."""
    return compute_reference_scores


def compute_reference_scores(
    coco: dict[str, Any], results: list[dict[str, Any]], category_ids: tuple[int, ...] = ()
) -> list[float]:
    """Return AP, AP50, AP75 and AR by pycocotools; several categories count as one class."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(coco)
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(copy.deepcopy(results)), "keypoints")
        if category_ids:
            evaluator.params.catIds = list(category_ids)
            evaluator.params.useCats = 0
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator.stats[[0, 1, 2, 5]].tolist()
