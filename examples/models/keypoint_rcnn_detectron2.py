"""Keypoint R-CNN by Detectron2, for `smallpose resolution --command`.

    python keypoint_rcnn_detectron2.py {images} {boxes} {out} --config FILE.yaml --weights FILE.pkl

Install: Detectron2 is no package of PyPI; see its page. Without `--config` the R-50 FPN of its
model zoo is downloaded. It detects people itself; `{boxes}` only names the images.
Traps, from its documentation and sources (it could not be installed where this was written):
- `DefaultPredictor` takes BGR images, as OpenCV reads them.
- Keypoints count from the corner of the first pixel; its own COCO evaluator subtracts half a pixel
  before it writes results, and so does this program.
- The third number of a keypoint is its score, not its visibility.
- Each image is enlarged to a short side of 800 px, however small it is (`--short-side`).
- People below `SCORE_THRESH_TEST` (.05) are dropped.
"""

import argparse
import json
from pathlib import Path

import cv2
from detectron2 import model_zoo
from detectron2.config import get_cfg
from detectron2.engine import DefaultPredictor

SIDES = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JOINTS = ["nose", *(f"{side}_{joint}" for joint in SIDES for side in ("left", "right"))]
ZOO = "COCO-Keypoints/keypoint_rcnn_R_50_FPN_3x.yaml"

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
for name in ("images", "boxes", "out"):
    parser.add_argument(name, type=Path)
parser.add_argument("--config", default=model_zoo.get_config_file(ZOO))
parser.add_argument("--weights", help="File (default: the model zoo's).")
parser.add_argument("--short-side", type=int, default=800, help="Of the enlarged image, px.")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()

config = get_cfg()
config.merge_from_file(args.config)
config.MODEL.WEIGHTS = args.weights or model_zoo.get_checkpoint_url(ZOO)
config.MODEL.DEVICE = args.device
config.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.05
config.INPUT.MIN_SIZE_TEST = args.short_side
predict = DefaultPredictor(config)
results = []
boxes = {box["image_id"]: box for box in json.loads(args.boxes.read_text())}
for image_id, box in boxes.items():
    people = predict(cv2.imread(str(args.images / box["file_name"])))["instances"].to("cpu")
    keypoints = people.pred_keypoints.numpy().copy()
    keypoints[:, :, :2] -= 0.5
    for pose, score in zip(keypoints, people.scores.numpy(), strict=True):
        row = {"image_id": image_id, "category_id": box["category_id"]}
        results.append({**row, "keypoints": pose.ravel().tolist(), "score": float(score)})
args.out.write_text(json.dumps({"keypoint_names": JOINTS, "predictions": results}))
