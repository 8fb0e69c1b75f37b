"""Write what a user of rtmlib must know about an export, for its README."""

from typing import Any

_NOTES = """
## With rtmlib

```python
import cv2
from rtmlib import {name}

model = {name}("{network}", {arguments})
image = cv2.imread("image.jpg")  # blue first, as OpenCV reads it
{call}
```

The joints are, in this order: {joints}.

{remarks}
With `backend="openvino"` rtmlib leaves OpenVINO's precision at its default, which is bfloat16 on
some CPUs (see above); `backend="onnxruntime"` computes what the file says.
"""
_TOP_DOWN = """\
Differences from `smallpose predict`:

- rtmlib does not clip boxes to the image, and takes x1, y1, x2, y2.
- Its score of a joint is the mean of the two largest logits, ours the smaller of them. Logits are
  not limited to 1. Where that mean is not above 0 it puts the joint half a px outside the crop.
- Crops are cut by the same warp; keypoints differ by rounding, or by one bin (half a px of the
  crop) where two bins are equal to seven digits.
"""
_RTMO = """\
Differences from `smallpose predict`:

- rtmlib resizes the image, rounds its size down and puts it into the corner, where `smallpose
  predict` puts it into the middle. `cv2.resize` keeps edges in place and rtmlib divides by the
  factor, so keypoints are shifted by (1 - 1 / factor) / 2 px of the image: 0.5 px to the left and
  upwards where an image is halved, 1.5 px where a quarter is left.
- Duplicates are removed inside the graph (box IoU above {iou}). The two thresholds above keep
  rtmlib from removing more; its defaults (0.45 and 0.7) drop people who stand close together.
- For an image without people rtmlib returns one person whose keypoints and scores are all 0.
"""


def format_rtmlib_notes(description: dict[str, Any]) -> str:
    """Format how rtmlib runs the file, and how its keypoints differ from ours.

    Args:
        description: the content of `method.json`.
    """
    rtmlib = description["rtmlib"]
    is_rtmo = rtmlib["class"] == "RTMO"
    arguments = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in rtmlib["arguments"].items()
    }
    skeleton = description["skeleton"]
    call = "keypoints, scores = model(image)"
    if not is_rtmo:
        call = "keypoints, scores = model(image, bboxes=[[x1, y1, x2, y2]])"
    remarks = _TOP_DOWN
    if is_rtmo:
        remarks = _RTMO.format(iou=description["people"]["iou_above"])
    return _NOTES.format(
        name=rtmlib["class"],
        network=description["files"][0],
        arguments=", ".join(f"{key}={value!r}" for key, value in arguments.items()),
        call=call,
        joints=", ".join(skeleton.get("file_joints", skeleton["joints"])),
        remarks=remarks,
    )
