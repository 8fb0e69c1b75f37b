"""Write a synthetic input of the size and the difficulties of the paper's test set, seeded.

    python bench/evaluator/synthetic_data.py OUT [--scale 1] [--keypoints 21] [--seed 0]

Scale 1 is 10,296 images and 142,319 people (75,841 small, 53,869 medium, 12,609 large) with about
20 detections an image. Images have up to 80 people, some without labels, some as crowd regions;
some boxes are exactly 128 × 96. Detections are jittered, duplicated and invented, and many scores
are equal. Numbers have the 17 digits that `ndarray.tolist()` of a float32 array gives. Besides
gt.json and dt.json it writes what other evaluators need to answer the same question: gt_box.json
(area := w × h) and one gt_CLASS.json per density class, in which people outside the class have
num_keypoints 0.
"""

import argparse
import json
from pathlib import Path

import numpy as np

IMAGES, SIZES = 10_296, (75_841, 53_869, 12_609)
SMALL, MEDIUM = 128 * 96, 256 * 192
COCO = [
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
]
ALL = [
    "nose",
    "head_top",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "head_bottom",
    "chest",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "pelvis",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
]
TENTHS = {"nose": 0.26, "eye": 0.25, "ear": 0.35, "elbow": 0.72, "wrist": 0.62, "hip": 1.07}
TENTHS |= {"pelvis": 1.07, "knee": 0.87, "ankle": 0.89}


def list_joints(keypoints: int) -> tuple[list[str], np.ndarray]:
    """Return names and OKS sigmas, the latter as pycocotools writes them."""
    names = ALL if keypoints == 21 else COCO
    return names, np.array([TENTHS.get(n.split("_")[-1], 0.79) for n in names]) / 10.0


def assign_images(rng: np.random.Generator, images: int, people: int) -> np.ndarray:
    """Return the (people,) image of each, heavy-tailed, at most 80 in one."""
    weight = np.exp(rng.normal(0, 0.95, images))
    count = np.minimum(rng.multinomial(people, weight / weight.sum()), 80)
    while (missing := people - int(count.sum())) > 0:
        not_full = np.flatnonzero(count < 80)
        count[rng.choice(not_full, min(missing, len(not_full)), replace=False)] += 1
    return np.repeat(np.arange(images), count)


def write_dataset(out: Path, scale: float, keypoints: int, seed: int) -> dict[str, int]:
    """Write all files; return how much is in them."""
    rng = np.random.default_rng(seed)
    names, sigmas = list_joints(keypoints)
    images = max(1, round(IMAGES * scale))
    size = np.repeat([0, 1, 2], [max(1, round(n * scale)) for n in SIZES])
    rng.shuffle(size)
    n = len(size)
    image = assign_images(rng, images, n)
    low, high = np.array([80.0, SMALL, MEDIUM])[size], np.array([SMALL, MEDIUM, 2e5])[size]
    area = low * (high / low) ** (rng.random(n) ** 0.6)
    aspect = np.exp(rng.normal(-0.7, 0.35, n))
    w, h = np.round(np.sqrt(area * aspect), 2), np.round(np.sqrt(area / aspect), 2)
    exact = rng.random(n) < 0.002
    w[exact & (size == 1)], h[exact & (size == 1)] = 128.0, 96.0
    for _ in range(50):  # rounding may have changed the class
        wrong = np.searchsorted([SMALL, MEDIUM], w * h, side="right") - size
        w = np.round(w - 0.05 * np.sign(wrong), 2)
    x, y = np.round(rng.uniform(0, 900, n), 2), np.round(rng.uniform(0, 500, n), 2)
    body = rng.random((keypoints, 2))
    true = np.clip(body + rng.normal(0, 0.05, (n, keypoints, 2)), 0.01, 0.99)
    true = np.stack([x, y], 1)[:, None] + true * np.stack([w, h], 1)[:, None]
    few = np.where(rng.random(n) < 0.6, keypoints - 3, 1)
    labelled = rng.integers(few, keypoints + 1)
    v = np.argsort(rng.random((n, keypoints)), axis=1) < labelled[:, None]
    points = np.where(v[:, :, None], np.round(true, 2), 0)
    v = v * rng.integers(1, 3, (n, keypoints))
    crowd = rng.random(n) < 0.003
    bare = rng.random(n) < 0.03
    rows = np.concatenate([np.arange(n), np.flatnonzero(bare), np.flatnonzero(crowd)])
    is_extra = np.arange(len(rows)) >= n  # people to ignore, besides those who count
    num_keypoints = np.where(is_extra, 0, labelled[rows])
    is_crowd = np.arange(len(rows)) >= n + int(bare.sum())
    order = rng.permutation(len(rows))

    records = []
    for i, row in zip(order.tolist(), rows[order].tolist(), strict=True):
        flat = np.column_stack([points[row], v[row]]).ravel() * (not is_extra[i])
        records.append(
            {
                "id": i + 1,
                "image_id": int(image[row]) + 1,
                "category_id": 1,
                "iscrowd": int(is_crowd[i]),
                "area": round(float(w[row] * h[row]) * 0.55, 4),
                "bbox": [float(x[row]), float(y[row]), float(w[row]), float(h[row])],
                "num_keypoints": int(num_keypoints[i]),
                "keypoints": flat.tolist(),
            }
        )
    write_truth(out, records, images, names)
    results = format_detections(rng, image, true, w * h, sigmas, images)
    (out / "dt.json").write_text("[" + ", ".join(results) + "]")
    meta = {"keypoints": names, "sigmas": sigmas.tolist(), "images": images}
    meta |= {"people": n, "annotations": len(records), "detections": len(results)}
    (out / "meta.json").write_text(json.dumps(meta))
    return {key: value for key, value in meta.items() if isinstance(value, int)}


def write_truth(out: Path, records: list[dict], images: int, names: list[str]) -> None:
    """Write gt.json, and the prepared copies that others need."""
    out.mkdir(parents=True, exist_ok=True)
    head = {
        "images": [
            {"id": i + 1, "file_name": f"{i + 1}.jpg", "width": 1920, "height": 1080}
            for i in range(images)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": names, "skeleton": []}],
    }

    def write(name: str) -> None:
        (out / name).write_text(json.dumps(head | {"annotations": records}))

    write("gt.json")
    for record in records:
        record["area"] = record["bbox"][2] * record["bbox"][3]
    write("gt_box.json")
    counts = [record["num_keypoints"] for record in records]
    classes = [classify_density(record) for record in records]
    for kind in ("sparse", "moderate", "dense"):
        for record, count, name in zip(records, counts, classes, strict=True):
            record["num_keypoints"] = count if name == kind else 0
        write(f"gt_{kind}.json")


def classify_density(record: dict) -> str:
    """Return the density class by Eq. 3, or none where the person is not small."""
    n, k = sum(v > 0 for v in record["keypoints"][2::3]), len(record["keypoints"]) // 3
    if n == 0 or not 0 < record["area"] < SMALL:
        return "none"
    kd = 2.0 * (1.0 - 1.0 / (1.0 + np.exp(-(record["area"] / SMALL) * (k / n))))
    if kd < 0.35:
        return "sparse"
    return "moderate" if kd < 0.95 else "dense"


def format_detections(
    rng: np.random.Generator,
    image: np.ndarray,
    true: np.ndarray,
    area: np.ndarray,
    sigmas: np.ndarray,
    images: int,
) -> list[str]:
    """Return about 20 detections per image, as JSON records."""
    n, k, _ = true.shape
    detected = np.flatnonzero(rng.random(n) < 0.9)
    doubled = detected[rng.random(len(detected)) < 0.16]
    num_invented = max(1, round(20 * images) - len(detected) - len(doubled))
    row = np.concatenate([detected, doubled, rng.integers(0, n, num_invented)])
    is_invented = np.arange(len(row)) >= len(detected) + len(doubled)
    skill = np.exp(rng.normal(np.log(0.3), 0.6, len(row)))
    pose = true[row] + np.where(is_invented, 700.0, 0.0)[:, None, None] * rng.random(
        (len(row), 1, 2)
    )
    spread = (2 * sigmas)[None, :] * (np.sqrt(area[row]) * skill)[:, None]
    pose += rng.normal(0, 1, pose.shape) * spread[:, :, None]
    lost = rng.random((len(row), k)) < 0.03
    pose[lost] += rng.normal(0, 60, (int(lost.sum()), 2))
    confidence = rng.beta(7, 2, (len(row), k))
    flat = np.concatenate([pose, confidence[:, :, None]], axis=2).astype(np.float32)
    score = 1 / (1 + np.exp(4 * (skill + is_invented) - 2 + rng.normal(0, 0.5, len(row))))
    score = np.where(rng.random(len(row)) < 0.3, np.round(score, 2), score.astype(np.float32))
    where = np.where(is_invented, rng.integers(0, images, len(row)), image[row])
    order = np.argsort(where, kind="stable")
    return [
        json.dumps(
            {
                "image_id": int(where[i]) + 1,
                "category_id": 1,
                "keypoints": flat[i].astype(np.float64).ravel().tolist(),
                "score": float(score[i]),
            }
        )
        for i in order.tolist()
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--keypoints", type=int, choices=(17, 21), default=21)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    print(json.dumps(write_dataset(args.out, args.scale, args.keypoints, args.seed)))
