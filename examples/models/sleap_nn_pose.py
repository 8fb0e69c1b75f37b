"""A model trained with SLEAP (sleap-nn 0.3), for `smallpose resolution --command`.

    python sleap_nn_pose.py {images} {boxes} {out} --models centroid/ centered_instance/

Install: pip install sleap-nn. `--models` is one folder (bottom-up, single instance) or two
(top-down). It detects people itself; `{boxes}` only names the images.
Traps, from its documentation and sources (no trained model could be had where this was written):
- Joints have the names of your skeleton, in its order: they are written with those names, so call
  them as in COCO (`left_shoulder`), or rename them by `--rename l_sho=left_shoulder`.
- A joint that was not detected is NaN, which is no JSON: it becomes 0, 0 with score 0.
- A list of images is one video and must have one size: each image is predicted alone.
- A model trained on people of one size finds no others: see `scale` of its training config.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import sleap_io
from sleap_nn.inference import Predictor

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
for name in ("images", "boxes", "out"):
    parser.add_argument(name, type=Path)
parser.add_argument("--models", nargs="+", required=True, help="Folders of trained models.")
parser.add_argument("--rename", nargs="*", default=[], metavar="OLD=NEW", help="Of joints.")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()

renamed = dict(pair.split("=", 1) for pair in args.rename)
predictor = Predictor.from_model_paths(args.models, device=args.device)
results, joints = [], []
boxes = {box["image_id"]: box for box in json.loads(args.boxes.read_text())}
for image_id, box in boxes.items():
    video = sleap_io.Video.from_filename([str(args.images / box["file_name"])])
    for frame in predictor.predict(video).labeled_frames:
        for person in frame.instances:
            joints = [renamed.get(name, name) for name in person.skeleton.node_names]
            points = np.asarray(person.numpy(), dtype=float)
            scores = np.asarray(person.points["score"], dtype=float)
            keypoints = np.nan_to_num(np.column_stack([points[:, :2], scores]))
            keypoints[np.isnan(points).any(axis=1)] = 0
            row = {"image_id": image_id, "category_id": box["category_id"]}
            row |= {"keypoints": keypoints.ravel().tolist(), "score": float(person.score)}
            results.append(row)
named = {"keypoint_names": joints, "predictions": results}
args.out.write_text(json.dumps(named if results else []))
