#!/bin/bash
# Surprising: vernier's Evaluator refuses keypoint results without a "bbox".
# A good guess: results of image_id, category_id, keypoints and score, the form of COCO's keypoint
#   results, are read, all the more as the README calls strict mode bit-exact with pycocotools.
# What happens: "missing field `bbox`" in both parity modes; with any box, even one far from the
#   person, AP is that of pycocotools (only the sizes of unmatched people are taken from it).
#   pycocotools and hotcoco read the file as it is, and so does vernier's own COCOeval, since
#   pycocotools' loadRes puts a box around the keypoints.
# Versions: vernier 0.5.4, pycocotools 2.0.11, hotcoco 1.3.0. Date: 29 November 2026.
# Source: this script.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check --no-deps numpy==2.4.6 pyarrow==26.0.1 \
  vernier==0.5.4 pycocotools==2.0.11 hotcoco==1.3.0 2>/dev/null
cat > show.py <<'PY'
import contextlib
import io
import json
import sys
from pathlib import Path

import hotcoco
import pycocotools.coco
import pycocotools.cocoeval
import vernier
from vernier.instance import CocoDataset, Evaluator, Keypoints


def pose_at(left):
    """Return 17 visible joints as a flat list."""
    return [value for j in range(17) for value in (left + 5 * j, 20 + 7 * j % 50, 2)]


person = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": pose_at(20), "num_keypoints": 17,
          "bbox": [20, 20, 80, 50], "area": 4000, "iscrowd": 0}
names = [f"joint {j}" for j in range(17)]
truth = {"images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}],
         "annotations": [person],
         "categories": [{"id": 1, "name": "person", "keypoints": names, "skeleton": []}]}
result = {"image_id": 1, "category_id": 1, "keypoints": pose_at(23), "score": 0.9}
Path("truth.json").write_text(json.dumps(truth))
Path("without.json").write_text(json.dumps([result]))
Path("with.json").write_text(json.dumps([result | {"bbox": [500, 400, 1, 1]}]))


def evaluate_as_pycocotools(coco_class, evaluator_class, path):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = coco_class("truth.json")
        evaluator = evaluator_class(coco, coco.loadRes(path), "keypoints")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return round(float(evaluator.stats[0]), 6)


def evaluate_natively(mode, path):
    evaluator = Evaluator(iou=Keypoints(), parity_mode=mode)
    dataset = CocoDataset.from_json(Path("truth.json").read_bytes())
    try:
        return round(float(evaluator.evaluate(dataset, Path(path).read_bytes()).stats[0]), 6)
    except ValueError as error:
        return f"ValueError: {error}"


def show(name, evaluate, *arguments):
    answers = [evaluate(*arguments, path) for path in ("without.json", "with.json")]
    print(f"{name}: without bbox {answers[0]}, with bbox {answers[1]}")
    return answers


COCO = pycocotools.coco.COCO
read = [
    show("pycocotools", evaluate_as_pycocotools, COCO, pycocotools.cocoeval.COCOeval),
    show("hotcoco", evaluate_as_pycocotools, hotcoco.COCO, hotcoco.COCOeval),
    show("vernier's COCOeval", evaluate_as_pycocotools, COCO, vernier.COCOeval),
]
refused = [show(f"vernier's Evaluator, {mode}", evaluate_natively, mode)
           for mode in ("strict", "corrected")]
scores = {answer for answers in read for answer in answers} | {answers[1] for answers in refused}
sys.exit(len(scores) != 1 or not all("missing field `bbox`" in str(a[0]) for a in refused))
PY
echo "vernier's Evaluator reads keypoint results only with a bbox:"
env/bin/pip list 2>/dev/null | grep -E "^(vernier|pycocotools|hotcoco) "
env/bin/python show.py
