"""Pose Landmarker by MediaPipe Tasks, for `smallpose resolution --command`.

    python pose_landmarker_mediapipe.py {images} {boxes} {out} --model pose_landmarker_heavy.task

Install: pip install mediapipe, and download a .task file from MediaPipe's page. It detects people
itself, or gets the crop of each box with `--crop`.
Traps that were measured:
- It finds one person by default (`num_poses`; `--people` here is 10), and little more with 10: 4 of
  12 people in four images of COCO. `--crop` shows it each box (12 of 12), which measures the
  landmarks without its detector, as `blazepose-heavy` of smallpose does.
- Landmarks are shares of the width and the height and count from the corner of the first pixel.
- There is no score of a person: the mean presence of the joints, nearly always 1, is written.
- `numpy_view()` of an image that is not kept in a variable ends the program (1.2.3).
"""

import argparse
import json
from pathlib import Path

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

SIDES = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JOINTS = ["nose", *(f"{side}_{joint}" for joint in SIDES for side in ("left", "right"))]
LANDMARKS = [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]  # of MediaPipe's 33

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
for name in ("images", "boxes", "out"):
    parser.add_argument(name, type=Path)
parser.add_argument("--model", required=True, help="File .task.")
parser.add_argument("--people", type=int, default=10, help="At most, in an image.")
parser.add_argument("--crop", action="store_true", help="Show it the crop of each box alone.")
args = parser.parse_args()

options = vision.PoseLandmarkerOptions(
    base_options=BaseOptions(model_asset_path=args.model), num_poses=1 if args.crop else args.people
)
boxes = json.loads(args.boxes.read_text())
views = boxes if args.crop else list({box["image_id"]: box for box in boxes}.values())
results = []
with vision.PoseLandmarker.create_from_options(options) as landmarker:
    for box in views:
        image = mp.Image.create_from_file(str(args.images / box["file_name"]))
        pixels = image.numpy_view().copy()
        left, top, right, bottom = 0, 0, pixels.shape[1], pixels.shape[0]
        if args.crop:
            x, y, w, h = box["bbox"]
            left, top = max(int(x - w / 4), 0), max(int(y - h / 4), 0)
            right, bottom = int(x + 1.25 * w) + 1, int(y + 1.25 * h) + 1
        view = np.ascontiguousarray(pixels[top:bottom, left:right, :3])
        people = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=view))
        for person in people.pose_landmarks:
            joints = np.array([(j.x, j.y, j.presence) for j in (person[n] for n in LANDMARKS)])
            joints[:, :2] = joints[:, :2] * view.shape[1::-1] - 0.5 + (left, top)
            row = {"image_id": box["image_id"], "category_id": box["category_id"]}
            row |= {"keypoints": joints.ravel().tolist(), "score": float(joints[:, 2].mean())}
            results.append(row)
args.out.write_text(json.dumps({"keypoint_names": JOINTS, "predictions": results}))
