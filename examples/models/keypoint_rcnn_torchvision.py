"""Keypoint R-CNN by torchvision, for `smallpose resolution --command`.

    python keypoint_rcnn_torchvision.py {images} {boxes} {out}

Install: pip install torchvision pillow. It detects people itself; `{boxes}` only names the images.
Traps, from its sources:
- Images are RGB from 0 to 1; 0 to 255 raises no error.
- The third number of `keypoints` is 1 for every joint. The scores are in `keypoints_scores`, and
  are logits: they go below 0 and above 1, and are made 0 to 1 here.
- Each image is enlarged to a short side of 800 px, however small it is, and at most 1,333 px long:
  a curve over heights shows the model with that enlargement. `--short-side` changes it.
"""

import argparse
import json
from pathlib import Path

import torch
from PIL import Image
from torchvision.models.detection import keypointrcnn_resnet50_fpn
from torchvision.transforms.functional import to_tensor

SIDES = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JOINTS = ["nose", *(f"{side}_{joint}" for joint in SIDES for side in ("left", "right"))]

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
for name in ("images", "boxes", "out"):
    parser.add_argument(name, type=Path)
parser.add_argument("--weights", help="File of a state dict (default: download COCO's).")
parser.add_argument("--short-side", type=int, default=800, help="Of the enlarged image, px.")
args = parser.parse_args()

published = None if args.weights else "DEFAULT"
model = keypointrcnn_resnet50_fpn(
    weights=published, weights_backbone=None, min_size=args.short_side
)
if args.weights:
    model.load_state_dict(torch.load(args.weights, weights_only=True))
model.eval()
results = []
boxes = {box["image_id"]: box for box in json.loads(args.boxes.read_text())}
for image_id, box in boxes.items():
    image = to_tensor(Image.open(args.images / box["file_name"]).convert("RGB"))
    with torch.inference_mode():
        people = model([image])[0]
    confidence = people["keypoints_scores"].sigmoid()
    points = people["keypoints"][:, :, :2]
    keypoints = torch.cat([points, confidence[:, :, None]], dim=2).flatten(1).tolist()
    for pose, score in zip(keypoints, people["scores"].tolist(), strict=True):
        row = {"image_id": image_id, "category_id": box["category_id"]}
        results.append({**row, "keypoints": pose, "score": score})
args.out.write_text(json.dumps({"keypoint_names": JOINTS, "predictions": results}))
