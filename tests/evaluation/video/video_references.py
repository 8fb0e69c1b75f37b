"""HOTA, PoseTrack's AP and MOTA, and steadiness from COCO records, in plain loops.

HOTA follows TrackEval's code (commit of 2022), AP and MOTA that of poseval 4258a157 with the events
of py-motmetrics 1.4.0; only the assignment is SciPy's.
"""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from smallpose.core.skeleton import SIGMAS


def split(flat):
    return [tuple(flat[i : i + 3]) for i in range(0, len(flat), 3)]


def order_videos(truth):
    """Return lists of image records by video, in the order of frames."""
    videos = {}
    for image in truth["images"]:
        if image.get("is_labeled", True):
            videos.setdefault(image["vid_id"], []).append(image)
    return [sorted(v, key=lambda i: i["frame_id"]) for _, v in sorted(videos.items())]


def list_people(truth, image):
    return [a for a in truth["annotations"] if a["image_id"] == image["id"] and not a["iscrowd"]]


def list_crowds(truth, image):
    return [a for a in truth["annotations"] if a["image_id"] == image["id"] and a["iscrowd"]]


def list_results(results, image):
    return [r for r in results if r["image_id"] == image["id"]]


def compute_oks(person, result, joints):
    """COCO's OKS; of a region, by the distance from twice its box."""
    area = person["area"] + np.spacing(1)
    terms = []
    labels = split(person["keypoints"])
    x, y, w, h = person["bbox"]
    for name, label, pose in zip(joints, labels, split(result["keypoints"]), strict=True):
        if any(v for _, _, v in labels):
            if not label[2]:
                continue
            dx, dy = pose[0] - label[0], pose[1] - label[1]
        else:
            dx = max(0, x - w - pose[0]) + max(0, pose[0] - (x + 2 * w))
            dy = max(0, y - h - pose[1]) + max(0, pose[1] - (y + 2 * h))
        terms.append(math.exp(-(dx * dx + dy * dy) / (2 * SIGMAS[name]) ** 2 / area / 2))
    return sum(terms) / len(terms)


def find_ignored(truth, results, image, joints):
    """Return the results that match a region and no person, greedily from OKS .5 on."""
    people, crowds = list_people(truth, image), list_crowds(truth, image)
    taken, ignored = set(), []
    for result in sorted(list_results(results, image), key=lambda r: -r["score"]):
        near = [(compute_oks(p, result, joints), i) for i, p in enumerate(people)]
        near = [one for one in near if one[0] >= 0.5 and one[1] not in taken]
        if near:
            taken.add(max(near)[1])
        elif any(compute_oks(c, result, joints) >= 0.5 for c in crowds):
            ignored.append(result)
    return ignored


def compute_hota(truth, results, joints):
    """Return HOTA and its parts, and IDF1."""
    alphas = [0.05 * (i + 1) for i in range(19)]
    sums = {a: dict.fromkeys(("tp", "fn", "fp", "ass", "re", "pr", "loc"), 0.0) for a in alphas}
    identity = {"tp": 0.0, "fn": 0.0, "fp": 0.0}
    for video in order_videos(truth):
        frames = []
        for image in video:
            ignored = find_ignored(truth, results, image, joints)
            own = [r for r in list_results(results, image) if r not in ignored]
            people = list_people(truth, image)
            oks = [[compute_oks(p, r, joints) for r in own] for p in people]
            frames.append(([p["track_id"] for p in people], [r["track_id"] for r in own], oks))
        people = sorted({p for g, _, _ in frames for p in g})
        tracks = sorted({t for _, d, _ in frames for t in d})
        count_p = {p: sum(p in g for g, _, _ in frames) for p in people}
        count_t = {t: sum(t in d for _, d, _ in frames) for t in tracks}
        likely = {(p, t): 0.0 for p in people for t in tracks}
        both = dict(likely)
        for g, d, oks in frames:
            for i, p in enumerate(g):
                for j, t in enumerate(d):
                    union = sum(oks[i]) + sum(row[j] for row in oks) - oks[i][j]
                    likely[p, t] += oks[i][j] / union if union > 2.3e-16 else 0
                    both[p, t] += oks[i][j] >= 0.5
        matches = {a: dict.fromkeys(likely, 0) for a in alphas}
        for g, d, oks in frames:
            score = np.zeros((len(g), len(d)))
            for i, p in enumerate(g):
                for j, t in enumerate(d):
                    aligned = likely[p, t] / (count_p[p] + count_t[t] - likely[p, t])
                    score[i, j] = aligned * oks[i][j]
            pairs = list(zip(*linear_sum_assignment(-score), strict=True))
            for a in alphas:
                right = [(i, j) for i, j in pairs if oks[i][j] >= a - 2.3e-16]
                sums[a]["tp"] += len(right)
                sums[a]["fn"] += len(g) - len(right)
                sums[a]["fp"] += len(d) - len(right)
                for i, j in right:
                    sums[a]["loc"] += oks[i][j]
                    matches[a][g[i], d[j]] += 1
        for a in alphas:
            for (p, t), n in matches[a].items():
                sums[a]["ass"] += n * n / max(1, count_p[p] + count_t[t] - n)
                sums[a]["re"] += n * n / max(1, count_p[p])
                sums[a]["pr"] += n * n / max(1, count_t[t])
        cost = -np.array([[both[p, t] for t in tracks] for p in people]).reshape(
            len(people), len(tracks)
        )
        rows, columns = linear_sum_assignment(cost)
        true = -cost[rows, columns].sum()
        identity["tp"] += true
        identity["fn"] += sum(count_p.values()) - true
        identity["fp"] += sum(count_t.values()) - true
    rows = []
    for s in sums.values():
        tp = max(1, s["tp"])
        det_a, ass_a = s["tp"] / max(1, s["tp"] + s["fn"] + s["fp"]), s["ass"] / tp
        rows.append(
            {
                "HOTA": math.sqrt(det_a * ass_a),
                "DetA": det_a,
                "AssA": ass_a,
                "DetRe": s["tp"] / max(1, s["tp"] + s["fn"]),
                "DetPr": s["tp"] / max(1, s["tp"] + s["fp"]),
                "AssRe": s["re"] / tp,
                "AssPr": s["pr"] / tp,
                "LocA": max(1e-10, s["loc"]) / max(1e-10, s["tp"]),
            }
        )
    metrics = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    half = 0.5 * (identity["fn"] + identity["fp"])
    return metrics | {"IDF1": identity["tp"] / max(1, identity["tp"] + half)}


def is_inside(point, polygon):
    inside = False
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if (y1 > point[1]) != (y2 > point[1]):
            inside ^= point[0] < x1 + (point[1] - y1) * (x2 - x1) / (y2 - y1)
    return inside


def prepare_posetrack(truth, results, joints):
    """Return (people, poses) of each frame with people, as poseval's cleaning leaves them."""
    videos = []
    for video in order_videos(truth):
        frames = []
        for image in video:
            people = list_people(truth, image)
            if not people:
                continue
            xs, ys = image.get("ignore_regions_x", []), image.get("ignore_regions_y", [])
            polygons = [list(zip(x, y, strict=True)) for x, y in zip(xs, ys, strict=True)]
            sides = []
            for records in (people, list_results(results, image)):
                cleaned = []
                for record in records:
                    points = {
                        joint: (x, y, v)
                        for joint, (x, y, v) in zip(joints, split(record["keypoints"]), strict=True)
                        if (x or y or v) and not any(is_inside((x, y), p) for p in polygons)
                    }
                    if points:
                        cleaned.append((record, points))
                sides.append(cleaned)
            frames.append(tuple(sides))
        videos.append(frames)
    return videos


def measure_frame(people, poses, joints):
    """Return distances in heads by (pose, person, joint), and the person of each pose."""
    distance = {}
    for i, (_, points) in enumerate(poses):
        for j, (person, labels) in enumerate(people):
            _, _, w, h = person["bbox_head"]
            head = 0.6 * math.hypot(w, h)
            for joint in joints:
                if joint in points and joint in labels:
                    (x, y, _), (a, b, _) = points[joint], labels[joint]
                    distance[i, j, joint] = math.hypot(x - a, y - b) / head
    share = [
        [
            sum(distance.get((i, j, k), math.inf) <= 0.5 for k in joints) / len(people[j][1])
            for j in range(len(people))
        ]
        for i in range(len(poses))
    ]
    best = [row.index(max(row)) if row else None for row in share]
    person_of = {}
    for j in range(len(people)):
        own = [share[i][j] if best[i] == j else 0 for i in range(len(poses))]
        if own and max(own) > 0:
            person_of[own.index(max(own))] = j
    return distance, person_of


def compute_posetrack_ap(truth, results, joints):
    """Return the AP of each joint with labels."""
    scored = {k: [] for k in joints}
    labelled = dict.fromkeys(joints, 0)
    for video in prepare_posetrack(truth, results, joints):
        for people, poses in video:
            distance, person_of = measure_frame(people, poses, joints)
            for _, labels in people:
                for joint in labels:
                    labelled[joint] += 1
            for i, (_, points) in enumerate(poses):
                for joint, (_, _, score) in points.items():
                    key = (i, person_of.get(i), joint)
                    scored[joint].append((score, distance.get(key, math.inf) <= 0.5))
    ap = {}
    for joint in joints:
        if not labelled[joint]:
            continue
        right, precision, recall = 0, [0.0], [0.0]
        for n, (_, is_right) in enumerate(sorted(scored[joint], reverse=True), 1):
            right += is_right
            precision.append(right / n)
            recall.append(right / labelled[joint])
        precision.append(0.0)
        recall.append(1.0)
        for i in range(len(precision) - 2, -1, -1):
            precision[i] = max(precision[i], precision[i + 1])
        ap[joint] = sum((recall[i] - recall[i - 1]) * precision[i] for i in range(1, len(recall)))
    return ap


def compute_mota(truth, results, joints, like_poseval=True):
    """Return the MOTA of each joint with labels."""
    counts = {k: dict.fromkeys(("missed", "false", "switches", "labelled"), 0) for k in joints}
    for video in prepare_posetrack(truth, results, joints):
        track_of = {k: {} for k in joints}
        for people, poses in video[:-1] if like_poseval else video:
            if like_poseval and not (people and poses):
                for count in counts.values():
                    count["missed"] += 1
                    count["false"] += 1
                    count["labelled"] += 1
                continue
            distance, _ = measure_frame(people, poses, joints)
            for joint in joints:
                g = [j for j, (_, labels) in enumerate(people) if joint in labels]
                p = [i for i, (_, points) in enumerate(poses) if joint in points]
                d = np.array([[distance[i, j, joint] for i in p] for j in g]).reshape(
                    len(g), len(p)
                )
                d[d > 0.5] = np.inf
                matched = {}
                for a, j in enumerate(g):
                    before = track_of[joint].get(people[j][0]["track_id"])
                    for b, i in enumerate(p):
                        if poses[i][0]["track_id"] == before and np.isfinite(d[a, b]):
                            matched[a] = b
                for a, b in matched.items():
                    d[a, :], d[:, b] = np.inf, np.inf
                rows, columns = linear_sum_assignment(np.where(np.isfinite(d), d, 1e6))
                for a, b in zip(rows, columns, strict=True):
                    if np.isfinite(d[a, b]):
                        person, track = people[g[a]][0]["track_id"], poses[p[b]][0]["track_id"]
                        before = track_of[joint].get(person, track)
                        counts[joint]["switches"] += before != track
                        track_of[joint][person] = track
                        matched[a] = b
                counts[joint]["missed"] += len(g) - len(matched)
                counts[joint]["false"] += len(p) - len(matched)
                counts[joint]["labelled"] += len(g)
    return {
        joint: 1 - (c["missed"] + c["false"] + c["switches"]) / c["labelled"]
        for joint, c in counts.items()
        if c["labelled"]
    }


def list_accelerations(truth, results, joints):
    """Return sizes of second and third differences of each track's joints."""
    second, third = [], []
    for video in order_videos(truth):
        frames = {image["frame_id"]: image for image in video}
        numbers = sorted(frames)
        step = min((b - a for a, b in itertools.pairwise(numbers)), default=1)
        pose_at = {
            (r["track_id"], number): split(r["keypoints"])
            for number, image in frames.items()
            for r in list_results(results, image)
        }
        for track, number in pose_at:
            window = [pose_at.get((track, number + i * step)) for i in range(4)]
            for k in range(len(joints)):
                points = [w[k] if w and w[k][2] > 0 else None for w in window]
                if all(points[:3]):
                    ax, ay = (points[0][c] - 2 * points[1][c] + points[2][c] for c in (0, 1))
                    second.append(math.hypot(ax, ay))
                if all(points):
                    for c in (0, 1):
                        x = [point[c] for point in points]
                        third.append(abs(x[3] - 3 * x[2] + 3 * x[1] - x[0]))
    return second, third


def assert_equal(one, other):
    """Compare nested values; numbers may differ by their rounding."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, float):
        assert one == pytest.approx(other, abs=1e-9)
    else:
        assert one == other
