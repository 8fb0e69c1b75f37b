"""`owned` and `recall` against plain loops, and the equal-skill detector that tells them apart."""

import numpy as np
import pytest

from smallpose import evaluate
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.areas import get_detection_boxes
from smallpose.evaluation.matching.image_groups import group_by_image
from smallpose.evaluation.matching.oks import compute_oks
from smallpose.evaluation.protocols import find_owners

T = np.linspace(0.5, 0.95, 10)
SMALL = ("sparse", "moderate", "dense")


def classes_of(dataset, row):
    truth = dataset.truth
    area = truth.area[row]
    if not truth.is_counted[row]:
        return set()
    size = None if area <= 0 else "small" if area < 12288 else "medium" if area < 49152 else "large"
    out = {"all"} | ({size} if size else set())
    if size == "small" and truth.density_class[row] >= 0:
        out.add(SMALL[truth.density_class[row]])
    return out


def plain_owner(dataset, i):
    """In plain loops: the person whose false positive detection `i` would be, or None."""
    x, y, w, h = get_detection_boxes(dataset.predictions)[i]
    best, best_iou = None, 0.0
    in_image = np.flatnonzero(
        (dataset.truth.images.ids[dataset.truth.image_rows] == dataset.predictions.image_ids[i])
        & dataset.truth.is_counted
    )
    for g in in_image:
        a, b, c, d = dataset.truth.boxes_xywh[g]
        sx = min(x + w, a + c) - max(x, a)
        sy = min(y + h, b + d) - max(y, b)
        shared = max(sx, 0) * max(sy, 0)
        total = w * h + c * d - shared
        if total > 0 and shared / total > best_iou:
            best, best_iou = g, shared / total
    if best is not None:
        return best
    nearest = np.inf
    for g in in_image:
        a, b, c, d = dataset.truth.boxes_xywh[g]
        apart = (x + w / 2 - a - c / 2) ** 2 + (y + h / 2 - b - d / 2) ** 2
        if apart <= c**2 + d**2 and apart < nearest:
            best, nearest = g, apart
    return best


def greedy(dataset, t, counts):
    """One class at one threshold in plain loops: what becomes of detections, and who is matched."""
    truth, predictions = dataset.truth, dataset.predictions
    sigmas = truth.skeleton.sigmas
    table = compute_oks(
        predictions.keypoints, truth.keypoints, truth.boxes_xywh, truth.file_area, sigmas
    )
    fate, taken = {}, set()
    ids = truth.images.ids[truth.image_rows]
    for i in np.argsort(-predictions.scores, kind="stable"):
        options = [
            (counts[g], table[i, g], g)
            for g in np.flatnonzero(ids == predictions.image_ids[i])
            if table[i, g] >= min(t, 1 - 1e-10) and (g not in taken or truth.iscrowd[g])
        ]
        if options:
            is_in_class, _, g = max(options)
            taken.add(g)
            fate[i] = "true positive" if is_in_class else "ignored"
        else:
            fate[i] = "unmatched"
    return fate, taken


def plain_ap(dataset, name, t):
    truth, predictions = dataset.truth, dataset.predictions
    counts = np.array([name in classes_of(dataset, g) for g in range(len(truth))], dtype=bool)
    if not counts.any():
        return None
    fate, _ = greedy(dataset, t, counts)
    order = np.lexsort((np.arange(len(predictions)), predictions.image_ids, -predictions.scores))
    tp, fp, points = 0, 0, []
    for i in order:
        if fate[i] == "true positive":
            tp += 1
        elif fate[i] == "unmatched":
            owner = plain_owner(dataset, i)
            if owner is not None:
                fp += name == "all" or name in classes_of(dataset, owner)
            else:
                area = predictions.area[i]
                size = "small" if area < 12288 else "medium" if area < 49152 else "large"
                fp += name == "all" or (name == size and area > 0)
        if tp + fp:
            points.append((tp / counts.sum(), tp / (tp + fp)))
    return np.mean(
        [max((p for r, p in points if r >= x), default=0) for x in np.linspace(0, 1, 101)]
    )


@pytest.mark.parametrize("seed", range(12))
def test_owned_equals_plain_loops(seed, crowded_dataset):
    dataset = crowded_dataset(seed, images=4, people=7)
    result = evaluate(dataset.truth, dataset.predictions, protocols=("owned",))
    for name, suffix in zip(
        ("all", "small", "medium", "large", *SMALL),
        ("", "_S", "_M", "_L", "_S_sparse", "_S_moderate", "_S_dense"),
        strict=True,
    ):
        values = [plain_ap(dataset, name, t) for t in T]
        ours = result["owned"][f"AP{suffix}"]
        if values[0] is None:
            assert ours is None
        else:
            assert ours == pytest.approx(np.mean(values), abs=1e-9), name


@pytest.mark.parametrize("seed", range(12))
def test_recall_equals_plain_loops(seed, crowded_dataset):
    dataset = crowded_dataset(seed, images=4, people=7)
    result = evaluate(dataset.truth, dataset.predictions, protocols=("recall",))
    is_counted = dataset.truth.is_counted & (dataset.truth.area >= 0)
    taken = [greedy(dataset, t, is_counted)[1] for t in T]
    for name, suffix in (("all", ""), ("small", "_S"), ("moderate", "_S_moderate")):
        members = {g for g in range(len(dataset.truth)) if name in classes_of(dataset, g)}
        ours = result["recall"][f"AR{suffix}"]
        if not members:
            assert ours is None
        else:
            assert ours == pytest.approx(np.mean([len(members & t) / len(members) for t in taken]))
            assert result["recall"][f"AP{suffix}"] == ours


def test_recall_is_the_ar_of_coco_where_the_limit_does_not_bind(crowded_dataset):
    for seed in range(10):
        dataset = crowded_dataset(seed)
        result = evaluate(
            dataset.truth, dataset.predictions, protocols=("coco", "recall"), max_detections=1000
        )
        assert result["recall"]["AR"] == pytest.approx(result["coco"]["AR"])


@pytest.mark.parametrize("seed", range(20))
def test_owners_equal_plain_loops(seed, crowded_dataset):
    dataset = crowded_dataset(seed, images=5, people=8)
    groups = group_by_image(dataset.truth, dataset.predictions)
    boxes = get_detection_boxes(dataset.predictions)
    got = find_owners(groups, boxes, dataset.truth.boxes_xywh, dataset.truth.is_counted)
    expected = [plain_owner(dataset, i) for i in groups.detections]
    assert got.tolist() == [-1 if e is None else e for e in expected]


def one_image(boxes, found_xywh):
    """People with these boxes, and detections whose keypoints span those."""
    keypoints = np.zeros((len(boxes), 17, 3))
    for i, (x, y, w, h) in enumerate(boxes):
        keypoints[i] = np.stack([np.full(17, x + w / 2), np.full(17, y + h / 2), np.ones(17)], 1)
    truth = make_instances(COCO17, make_images([1], ["1.jpg"]), [0] * len(boxes), boxes, keypoints)
    poses = np.zeros((len(found_xywh), 17, 3))
    for i, (x, y, w, h) in enumerate(found_xywh):
        poses[i, 0], poses[i, 1:] = (x, y, 1), (x + w, y + h, 1)
    return truth, make_predictions(COCO17, [1] * len(poses), poses, [0.5] * len(poses))


def owner_of(box, people):
    truth, predictions = one_image(people, [box])
    groups = group_by_image(truth, predictions)
    return int(
        find_owners(groups, get_detection_boxes(predictions), truth.boxes_xywh, truth.is_counted)[0]
    )


def test_a_false_positive_belongs_to_the_person_it_overlaps_most():
    assert owner_of((8, 0, 10, 10), [(0, 0, 10, 10), (10, 0, 10, 10)]) == 1


def test_overlap_beats_nearness_and_nearness_reaches_one_diagonal():
    # Its centre is nearer to the small one's, but it touches only the large one.
    assert owner_of((21, 0, 10, 10), [(0, 0, 22, 100), (33, 3, 4, 4)]) == 0
    assert owner_of((20, 0, 2, 2), [(0, 0, 10, 10)]) == -1  # 16.5 px away, diagonal 14.1
    assert owner_of((17, 0, 2, 2), [(0, 0, 10, 10)]) == 0  # 13.6 px away


def test_ignored_people_own_no_detection():
    truth, predictions = one_image([(0, 0, 10, 10)], [(0, 0, 10, 10)])
    groups = group_by_image(truth, predictions)
    boxes = get_detection_boxes(predictions)
    assert find_owners(groups, boxes, truth.boxes_xywh, np.array([False])).tolist() == [-1]


def test_a_detection_near_no_person_counts_in_the_size_of_its_area_and_in_no_density():
    truth, _ = one_image([(0, 0, 100, 50)], [])
    good = truth.keypoints.copy()
    stray = np.array(good)
    stray[0, :, :2] += np.linspace(2000, 2050, 17)[:, None]  # small, far off, and more certain
    predictions = make_predictions(COCO17, [1, 1], np.concatenate([good, stray]), [0.5, 0.9])
    result = evaluate(truth, predictions, protocols=("coco", "owned"))
    assert result.people["moderate"] == 1
    for name in ("AP", "AP_S"):
        assert result["owned"][name] == result["coco"][name] == pytest.approx(0.5)
    assert result["coco"]["AP_S_moderate"] == pytest.approx(0.5)
    assert result["owned"]["AP_S_moderate"] == pytest.approx(1.0)


def equal_skill(people_in_class, hit_rate=0.68):
    """One person per image; each class has its share of hits and the same ladder of scores.

    A missed person has a wrong pose in their box. Areas and labelled joints decide the class.
    """
    looks = {"sparse": (80, 120, 6), "moderate": (60, 100, 17), "dense": (25, 40, 17)}
    boxes, labelled, hits, scores = [], [], [], []
    for name, n in people_in_class.items():
        w, h, k = looks[name]
        boxes += [(0, 0, w, h)] * n
        labelled += [k] * n
        hits += [int((i + 1) * hit_rate) > int(i * hit_rate) for i in range(n)]
        scores += [0.05 + 0.9 * ((i * 0.61803398875) % 1) for i in range(n)]
    n = len(boxes)
    boxes = np.array(boxes, dtype=float)
    steps = np.linspace(0.05, 0.95, 17)
    inside = np.stack([steps, (steps * 5) % 1], axis=1)
    keypoints = np.zeros((n, 17, 3))
    keypoints[:, :, :2] = inside * boxes[:, None, 2:]
    keypoints[:, :, 2] = np.arange(17) < np.array(labelled)[:, None]
    poses = keypoints.copy()
    poses[:, :, :2] = inside * boxes[:, None, 2:]
    missed = ~np.array(hits)
    poses[missed, :, :2] = inside[::-1] * boxes[missed, None, 2:]
    images = make_images(np.arange(1, n + 1), [f"{i}.jpg" for i in range(n)])
    truth = make_instances(COCO17, images, np.arange(n), boxes, keypoints)
    return truth, make_predictions(COCO17, images.ids, poses, scores)


def test_equal_skill_is_equal_in_owned_and_not_in_coco():
    truth, predictions = equal_skill({"sparse": 450, "moderate": 5500, "dense": 60})
    result = evaluate(truth, predictions, protocols=("coco", "owned", "recall"))
    assert (result.people["sparse"], result.people["dense"]) == (450, 60)
    names = [f"AP_S_{name}" for name in SMALL]
    owned = [result["owned"][name] for name in names]
    coco = [result["coco"][name] for name in names]
    assert max(owned) - min(owned) <= 0.02, owned
    assert max(coco) - min(coco) > 0.2, coco
    assert coco[1] > coco[0] > coco[2]
    recall = [result["recall"][name] for name in names]
    assert recall == pytest.approx([0.68] * 3, abs=0.02)


def test_the_limit_of_20_detections_is_reported_with_what_it_costs():
    n = 30
    boxes = [(100 * i, 0, 60, 100) for i in range(n)]
    truth, _ = one_image(boxes, [])
    predictions = make_predictions(COCO17, [1] * n, truth.keypoints, np.linspace(1, 0.1, n))
    result = evaluate(truth, predictions, protocols=("coco", "owned"), oks_area="box")
    (note,) = result.notes
    assert "limit of 20 detections binds in 1 of 1 image and puts 10 of 30 people" in note
    assert result["coco"]["AP"] == pytest.approx(67 / 101)
    assert "AP would be 1.0000 without it, +0.3366" in note
    assert evaluate(truth, predictions, max_detections=None, oks_area="box").notes == ()


def test_the_limit_of_detections_is_no_note_where_no_image_has_more():
    """It was one in most results of a video, without a consequence."""
    n = 30
    truth, _ = one_image([(100 * i, 0, 60, 100) for i in range(n)], [])
    predictions = make_predictions(COCO17, [1] * n, truth.keypoints, np.linspace(1, 0.1, n))
    assert evaluate(truth, predictions.take(np.arange(20)), oks_area="box").notes == ()
    assert evaluate(truth, predictions.take(np.arange(21)), oks_area="box").notes
