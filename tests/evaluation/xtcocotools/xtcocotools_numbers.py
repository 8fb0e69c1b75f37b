"""Write the numbers of xtcocotools 1.14.3 that `test_xtcocotools.py` compares with.

    python -m venv env && env/bin/pip install "numpy<2" xtcocotools==1.14.3
    env/bin/python tests/evaluation/xtcocotools/xtcocotools_numbers.py

It needs NumPy 1, and this package is not installed there: the data are made without either.
"""

import contextlib
import io
import json
import random
import tempfile
from pathlib import Path

OUT = Path(__file__).with_suffix(".json")
JOINTS = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21}
JOINTS["righthand_kpts"] = 21
PARTS = ("body", "foot", "face", "lefthand", "righthand", "wholebody")
CROWD_SIGMAS = [0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89, 0.79, 0.79]
SEEDS = range(8)


def make_wholebody(seed):
    """Return truth and results with crowds, missing parts, unlabelled people and part scores."""
    rng = random.Random(seed)
    truth, results = make_images(rng, 12), []
    for image in truth["images"]:
        for _ in range(rng.randrange(4)):
            box = [
                rng.uniform(0, 200),
                rng.uniform(0, 200),
                rng.uniform(20, 250),
                rng.uniform(30, 300),
            ]
            person = {
                "bbox": box,
                "area": box[2] * box[3] * 0.6,
                "iscrowd": int(rng.random() < 0.1),
            }
            for field, count in JOINTS.items():
                share = rng.choice([0, 0.5, 1])
                person[field] = draw_joints(rng, box, count, share)
            person["num_keypoints"] = sum(v > 0 for v in person["keypoints"][2::3])
            add(truth, image, person)
            for _ in range(rng.randrange(3)):
                results.append(detect(rng, image, person, list(JOINTS)))
                if seed % 2:
                    for part in PARTS[1:]:
                        results[-1][f"{part}_score"] = rng.random()
    return truth, results


def make_crowd(seed):
    """Return truth and results of 14 joints without areas, images with a crowdIndex."""
    rng = random.Random(1000 + seed)
    truth, results = make_images(rng, 30), []
    for image in truth["images"]:
        image["crowdIndex"] = rng.choice([0.05, 0.19, 0.2, 0.5, 0.8, 0.95])
        for _ in range(rng.randrange(1, 5)):
            box = [
                rng.uniform(0, 200),
                rng.uniform(0, 200),
                rng.uniform(20, 250),
                rng.uniform(30, 300),
            ]
            person = {"bbox": box, "iscrowd": 0, "keypoints": draw_joints(rng, box, 14, 0.8)}
            person["num_keypoints"] = sum(v == 2 for v in person["keypoints"][2::3])
            add(truth, image, person)
            for _ in range(rng.randrange(3)):
                results.append(detect(rng, image, person, ["keypoints"]))
    return truth, results


def make_images(rng, count):
    names = [f"{i}.jpg" for i in range(count)]
    images = [{"id": i + 1, "file_name": name} for i, name in enumerate(names)]
    return {"images": images, "annotations": [], "categories": [{"id": 1, "name": "person"}]}


def add(truth, image, person):
    ids = {"id": len(truth["annotations"]) + 1, "image_id": image["id"], "category_id": 1}
    truth["annotations"].append(ids | person)


def draw_joints(rng, box, count, share):
    points = []
    for _ in range(count):
        v = rng.choice([1, 2]) if rng.random() < share else 0
        x, y = box[0] + rng.random() * box[2], box[1] + rng.random() * box[3]
        points += [x, y, v] if v else [0, 0, 0]
    return points


def detect(rng, image, person, fields):
    """Return the person's joints with noise; sometimes none of a part has a score."""
    spread = rng.choice([0.002, 0.01, 0.03]) * (person["bbox"][2] + person["bbox"][3])
    result = {"image_id": image["id"], "category_id": 1, "score": round(rng.random(), 1)}
    for field in fields:
        values = list(person[field])
        score = 0 if rng.random() < 0.1 else 0.7
        for i in range(0, len(values), 3):
            values[i] += rng.gauss(0, spread)
            values[i + 1] += rng.gauss(0, spread)
            values[i + 2] = score
        result[field] = values
    return result


def score(truth, results, iou_type, sigmas, use_area):
    import numpy as np
    from xtcocotools.coco import COCO
    from xtcocotools.cocoeval import COCOeval

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        paths = [Path(folder) / name for name in ("truth.json", "results.json")]
        for path, content in zip(paths, (truth, results)):  # noqa: B905, also for Python 3.9
            path.write_text(json.dumps(content))
        coco = COCO(str(paths[0]))
        scorer = COCOeval(coco, coco.loadRes(str(paths[1])), iou_type, np.array(sigmas), use_area)
        scorer.evaluate()
        scorer.accumulate()
        scorer.summarize()
    return [float(value) for value in scorer.stats]


def main():
    # The sigmas that MMPose passes, which this package has, too; written once by the test.
    sigmas = json.loads(OUT.read_text())["sigmas"]
    numbers = {"sigmas": sigmas, "wholebody": {}, "crowd": {}}
    for seed in SEEDS:
        numbers["wholebody"][seed] = {
            part: score(*make_wholebody(seed), f"keypoints_{part}", sigmas[part], True)
            for part in PARTS
        }
        crowd = [value / 10 for value in CROWD_SIGMAS]
        numbers["crowd"][seed] = score(*make_crowd(seed), "keypoints_crowd", crowd, False)
    OUT.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
