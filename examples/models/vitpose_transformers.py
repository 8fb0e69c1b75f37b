"""ViTPose by transformers 5.23, for `smallpose resolution --command`.

    python vitpose_transformers.py {images} {boxes} {out} --model usyd-community/vitpose-base-simple

Install: pip install transformers torch pillow. `--model` is a name on the hub or a folder.
Traps, measured or read in sources:
- Without `boxes`, or with (x1, y1, x2, y2), crops are wrong and no error says so: they are
  (x, y, width, height) in px.
- `target_sizes` is documented as (height, width) and read as (width, height): leave it out and
  give boxes in px.
- The `bbox` that comes back is made of the crop's centre and scale and is not the box that was
  given; results that carry it change AP by size. Keep your own.
- A `threshold` drops joints, so that the others move to other places of the list: leave it out.
- ViTPose++ needs `dataset_index`, 0 for COCO.
"""

import argparse
import json
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoImageProcessor, VitPoseForPoseEstimation

SIDES = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JOINTS = ["nose", *(f"{side}_{joint}" for joint in SIDES for side in ("left", "right"))]

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
for name in ("images", "boxes", "out"):
    parser.add_argument(name, type=Path)
parser.add_argument("--model", default="usyd-community/vitpose-base-simple")
args = parser.parse_args()

processor = AutoImageProcessor.from_pretrained(args.model)
model = VitPoseForPoseEstimation.from_pretrained(args.model).eval()
has_experts = getattr(model.config.backbone_config, "num_experts", 1) > 1
results = []
for box in json.loads(args.boxes.read_text()):
    image = Image.open(args.images / box["file_name"]).convert("RGB")
    boxes = [[box["bbox"]]]
    inputs = processor(image, boxes=boxes, return_tensors="pt")
    if has_experts:
        inputs["dataset_index"] = torch.tensor([0])
    with torch.inference_mode():
        outputs = model(**inputs)
    pose = processor.post_process_pose_estimation(outputs, boxes=boxes)[0][0]
    keypoints = torch.cat([pose["keypoints"], pose["scores"].reshape(-1, 1)], dim=1)
    score = float(pose["scores"].mean()) * box["score"]
    row = {"image_id": box["image_id"], "category_id": box["category_id"], "bbox": box["bbox"]}
    results.append({**row, "keypoints": keypoints.flatten().tolist(), "score": score})
args.out.write_text(json.dumps({"keypoint_names": JOINTS, "predictions": results}))
