"""A model that knows the large image: it enlarges the small one and finds the joints again.

Arguments: SOURCE_TRUTH.json SOURCE_IMAGES PEOPLE.json IMAGES BOXES.json OUT.json

The reduced image is enlarged bicubically to its original size; each joint is where a patch of the
original image around it, sharp, correlates best. What is lost is what the reduction lost.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np

PATCH = 0.06  # half the side of the patch, in box heights
REACH = 0.15  # how far it is searched


def locate_joints(original, enlarged, keypoints, height):
    """Return (k, 3) joints of one person in the enlarged image, px of the original."""
    half, reach = max(round(PATCH * height), 2), max(round(REACH * height), 3)
    pad = half + reach
    padded = [
        cv2.copyMakeBorder(i, pad, pad, pad, pad, cv2.BORDER_REFLECT) for i in (original, enlarged)
    ]
    out = np.zeros((len(keypoints), 3))
    for joint, (x, y, v) in enumerate(keypoints):
        if not v:
            continue
        column, row = round(x) + pad, round(y) + pad
        if not (pad <= column < padded[0].shape[1] - pad and pad <= row < padded[0].shape[0] - pad):
            continue
        patch = padded[0][row - half : row + half + 1, column - half : column + half + 1]
        window = padded[1][row - pad : row + pad + 1, column - pad : column + pad + 1]
        response = cv2.matchTemplate(window, patch, cv2.TM_CCOEFF_NORMED)
        _, score, _, (dx, dy) = cv2.minMaxLoc(np.nan_to_num(response, nan=-1.0))
        out[joint] = x + dx - reach, y + dy - reach, max(score, 0.0)
    return out


def main(truth_path, image_root, people_path, images, boxes_path, out):
    """Write COCO results for the boxes."""
    cv2.setNumThreads(0)
    truth = json.loads(Path(truth_path).read_text())
    annotations = {a["id"]: a for a in truth["annotations"]}
    people = {p["image_id"]: p for p in json.loads(Path(people_path).read_text())}
    results = []
    for box in json.loads(Path(boxes_path).read_text()):
        person = people[box["image_id"]]
        annotation = annotations[person["person"]]
        original = cv2.imread(str(Path(image_root) / person["source_file_name"]))
        small = cv2.imread(str(Path(images) / box["file_name"]))
        size_wh = original.shape[1::-1]
        enlarged = cv2.resize(small, size_wh, interpolation=cv2.INTER_CUBIC)
        keypoints = np.array(annotation["keypoints"], float).reshape(-1, 3)
        joints = locate_joints(original, enlarged, keypoints, annotation["bbox"][3])
        factor = np.array(small.shape[1::-1]) / size_wh
        joints[:, :2] = (joints[:, :2] + 0.5) * factor - 0.5
        score = float(joints[:, 2].mean())
        record = {"image_id": box["image_id"], "category_id": box["category_id"]}
        record |= {"keypoints": joints.ravel().tolist(), "score": score, "bbox": box["bbox"]}
        results.append(record)
    Path(out).write_text(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
