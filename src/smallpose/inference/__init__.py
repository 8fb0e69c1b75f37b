"""Predict people in images with any method.

`predict.py` has the one entry point, `predict_people`. The steps of a top-down method are

1. boxes: annotated, from a file, or from another method (`boxes.py`);
2. crops, cut out of the images (`cut_boxes` in `dataloading/top_down/crops.py`);
3. the network, with the flip test (`compute_outputs` in `methods/base.py`);
4. decoding to keypoints in crop px (`decode` of each method);
5. mapping to image px (`map_to_image` in `dataloading/affine.py`);
6. scores of people (`methods/person_score.py`);
7. non-maximum suppression by OKS (`models/codecs/nms.py`).

`top_down.py` runs them. A full-image method does the same without boxes and crops: letterbox,
network, decoding, mapping, NMS (`full_image.py`), with tiles for large images (`tiles.py`).
"""

# ruff: noqa: E402 (the modules below cannot be imported without these packages)
from smallpose.system.packages import require_packages

require_packages("smallpose.inference", "torch", "safetensors", "cv2", "PIL")

from smallpose.inference.boxes import Boxes, convert_to_boxes, read_boxes, select_true_boxes
from smallpose.inference.options import InferenceOptions
from smallpose.inference.predict import predict_people

__all__ = [
    "Boxes",
    "InferenceOptions",
    "convert_to_boxes",
    "predict_people",
    "read_boxes",
    "select_true_boxes",
]
