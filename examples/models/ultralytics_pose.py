"""A YOLO pose model by Ultralytics, for `smallpose resolution --command`.

    python ultralytics_pose.py {images} {boxes} {out} --model yolo11n-pose.pt

Install: pip install ultralytics (AGPL-3.0, as its weights are; it is called as a program of its
own and is no part of smallpose). It detects people itself; `{boxes}` only names the images.
Traps, measured or read in sources:
- Earlier versions set joints with a confidence below .5 to (0, 0), which costs OKS; 8.4.190 does
  not. Such joints are counted on stderr.
- Joints outside the image are moved to its border.
- The default `conf` of .25 drops people that AP would count, so .01 is passed, and at most 300.
- Each image is enlarged or shrunk to `imgsz` (640 px), however small it is: a curve over heights
  shows the model with that enlargement.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from ultralytics import YOLO

SIDES = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JOINTS = ["nose", *(f"{side}_{joint}" for joint in SIDES for side in ("left", "right"))]

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
for name in ("images", "boxes", "out"):
    parser.add_argument(name, type=Path)
parser.add_argument("--model", default="yolo11n-pose.pt")
parser.add_argument("--imgsz", type=int, default=640, help="Longer side of the input, px.")
args = parser.parse_args()

model = YOLO(args.model)
results, num_erased = [], 0
boxes = {box["image_id"]: box for box in json.loads(args.boxes.read_text())}
for image_id, box in boxes.items():
    path = str(args.images / box["file_name"])
    people = model.predict(path, imgsz=args.imgsz, conf=0.01, verbose=False)[0]
    if people.keypoints is None or not len(people.boxes):
        continue
    points = people.keypoints.data.cpu().numpy()
    num_erased += int((~points[:, :, :2].any(axis=2)).sum())
    for pose, score in zip(points, people.boxes.conf.cpu().numpy(), strict=True):
        row = {"image_id": image_id, "category_id": box["category_id"]}
        row |= {"keypoints": np.ravel(pose).tolist(), "score": float(score)}
        results.append(row)
if num_erased:
    noun = "joint lies" if num_erased == 1 else "joints lie"
    print(f"{num_erased} {noun} at (0, 0): this version erases them", file=sys.stderr)
args.out.write_text(json.dumps({"keypoint_names": JOINTS, "predictions": results}))
