"""RTMPose, RTMO or RTMW by rtmlib 0.0.16, for `smallpose resolution --command`.

    python rtmlib_pose.py {images} {boxes} {out} --kind rtmpose --model rtmpose-m.onnx

Install: pip install rtmlib onnxruntime. `--model` is an ONNX file or an address of rtmlib's list.
Traps, measured or read in sources:
- Images are BGR, as OpenCV reads them.
- RTMO returns one person of zeros where it finds none, and no score of a person; it drops people
  below .7 unless told otherwise, which costs AP.
- RTMPose and RTMW take the whole image when they are given no box.
- A joint's score is the mean of its two axes; MMPose takes the smaller, so AP differs slightly.
- RTMW has 133 joints, of which the first 17 are COCO's; `to_openpose` must stay off.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
from rtmlib import RTMO, RTMPose

SIDES = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JOINTS = ["nose", *(f"{side}_{joint}" for joint in SIDES for side in ("left", "right"))]
INPUT_WH = {"rtmpose": (192, 256), "rtmw": (288, 384), "rtmo": (640, 640)}

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
for name in ("images", "boxes", "out"):
    parser.add_argument(name, type=Path)
parser.add_argument("--model", required=True, help="ONNX file or address.")
parser.add_argument("--kind", choices=INPUT_WH, default="rtmpose")
parser.add_argument("--input", type=int, nargs=2, metavar=("W", "H"), help="Of the network, px.")
args = parser.parse_args()

create = RTMO if args.kind == "rtmo" else RTMPose
input_wh = tuple(args.input or INPUT_WH[args.kind])
model = create(args.model, model_input_size=input_wh, backend="onnxruntime")
results, searched = [], set()
for box in json.loads(args.boxes.read_text()):
    if args.kind == "rtmo" and box["image_id"] in searched:
        continue
    searched.add(box["image_id"])
    image = cv2.imread(str(args.images / box["file_name"]))
    if args.kind == "rtmo":
        keypoints, scores = model(image, score_thr=0.05)
    else:
        x, y, w, h = box["bbox"]
        keypoints, scores = model(image, bboxes=[[x, y, x + w, y + h]])
    for points, confidence in zip(keypoints[:, :17], scores[:, :17], strict=True):
        if not points.any():
            continue
        row = {"image_id": box["image_id"], "category_id": box["category_id"]}
        row["keypoints"] = np.column_stack([points, confidence]).ravel().tolist()
        row["score"] = float(confidence.mean())
        results.append(row)
args.out.write_text(json.dumps({"keypoint_names": JOINTS, "predictions": results}))
