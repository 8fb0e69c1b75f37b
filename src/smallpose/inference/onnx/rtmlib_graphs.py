"""Modules that are exported as the graphs rtmlib reads: one file for each network.

rtmlib hands images over as OpenCV reads them, blue first. Its `RTMPose` subtracts ImageNet's mean
in the order red, green, blue from them all the same, and takes the outputs of a SimCC head; its
`RTMO` passes 0 to 255 and takes people that are already free of duplicates. What a method needs
instead is done inside the graphs.
"""

from typing import Any

import torch
from torch import Tensor, nn

from smallpose.methods.base import MEAN, STD, PoseMethod
from smallpose.methods.rtmo import RTMO
from smallpose.models.codecs.nms import box_nms
from smallpose.models.codecs.offsets import decode_boxes

INPUT = "input"
# What rtmlib's RTMPose subtracts from and divides the blue, green and red channel by.
RTMLIB_MEAN, RTMLIB_STD = MEAN, STD


class SimccBins(nn.Module):
    """Maps (n, 3, h, w) crops, as rtmlib's `RTMPose` prepares them, to the logits of both axes."""

    inputs = (INPUT,)
    outputs = ("simcc_x", "simcc_y")

    def __init__(self, method: PoseMethod, flip_test: bool) -> None:
        super().__init__()
        self.method, self.flip_test = method, flip_test
        self.register_buffer("mean", torch.tensor(RTMLIB_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(RTMLIB_STD).view(1, 3, 1, 1))

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Compute (n, k, 2w) and (n, k, 2h) logits, two bins for each px."""
        bgr = crops * self.get_buffer("std") + self.get_buffer("mean")
        rgb = bgr.flip(1).permute(0, 2, 3, 1)
        x, y = self.method.compute_outputs(self.method.prepare(rgb), self.flip_test)
        return x, y


class RtmoDetections(nn.Module):
    """Maps (b, 3, h, w) images, 0 to 255 and blue first, to the people that remain after box NMS.

    Images have different numbers of people; rows of zeros fill up. There is at least one such row
    unless every cell is a person, because rtmlib cannot read an image without a row.
    """

    inputs = (INPUT,)
    outputs = ("dets", "keypoints")
    counted = outputs  # their second axis is the number of people

    def __init__(self, method: RTMO) -> None:
        super().__init__()
        self.method = method

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Detect people, the highest score first.

        Returns: (b, n, 5) corners in px of the input and score, and (b, n, k, 3) x, y and
            visibility.
        """
        method = self.method
        outputs = method.run_network(images)
        points = outputs.grid_points
        boxes = decode_boxes(outputs.bbox_preds, points)
        scores = outputs.cls_scores.sigmoid()[..., 0]
        selected = _SelectBoxes.apply(  # type: ignore[no-untyped-call]
            boxes,
            scores[:, None],
            method.max_people or int(boxes.shape[1]),
            method.iou_threshold,
            method.score_threshold,
        )
        is_kept = torch.zeros_like(scores).flatten()
        is_kept = is_kept.scatter(0, selected[:, 0] * scores.shape[1] + selected[:, 2], 1.0)
        is_kept = is_kept.view_as(scores)
        kept_scores, cells = (scores * is_kept).topk(scores.shape[1])
        num_rows = is_kept.sum(1).max().long() + 1
        kept_scores, cells = kept_scores[:, :num_rows], cells[:, :num_rows]
        is_person = (kept_scores > 0)[..., None]
        kept_boxes = _take_cells(boxes, cells)
        keypoints = method.head.classify(
            _take_cells(outputs.pose_vecs, cells).flatten(0, 1),
            kept_boxes.flatten(0, 1),
            points.xy[cells].flatten(0, 1),
        )[0].unflatten(0, (-1, cells.shape[1]))
        visibility = _take_cells(outputs.kpt_vis, cells).sigmoid()
        h, w = images.shape[2:]
        clipped = torch.minimum(kept_boxes.clamp(min=0), kept_boxes.new_tensor([w, h, w, h]))
        dets = torch.cat([clipped, kept_scores[..., None]], dim=-1) * is_person
        people = torch.cat([keypoints, visibility[..., None]], dim=-1)
        return dets, people * is_person[..., None]


def _take_cells(values: Tensor, cells: Tensor) -> Tensor:
    """Take the (b, n) cells of (b, p, c) values."""
    return values.gather(1, cells[..., None].expand(-1, -1, values.shape[2]))


class _SelectBoxes(torch.autograd.Function):
    """Box NMS that becomes ONNX's operator NonMaxSuppression."""

    @staticmethod
    def forward(
        ctx: Any,
        boxes: Tensor,
        scores: Tensor,
        max_people: int,
        iou_threshold: float,
        score_threshold: float,
    ) -> Tensor:
        """Return (m, 3) image, class (0) and cell of the boxes to keep.

        Args:
            boxes: (b, p, 4) corners.
            scores: (b, 1, p).
        """
        rows = []
        for image in range(len(boxes)):
            cells = torch.nonzero(scores[image, 0] > score_threshold)[:, 0]
            kept = box_nms(
                boxes[image, cells].numpy(), scores[image, 0, cells].numpy(), iou_threshold
            )
            chosen = cells[torch.from_numpy(kept[:max_people])]
            rows.append(
                torch.stack(
                    [torch.full_like(chosen, image), torch.zeros_like(chosen), chosen], dim=1
                )
            )
        return torch.cat(rows)

    @staticmethod
    def symbolic(
        g: Any,
        boxes: Any,
        scores: Any,
        max_people: int,
        iou_threshold: float,
        score_threshold: float,
    ) -> Any:
        """Return the operator."""
        limits = [
            g.op("Constant", value_t=torch.tensor([max_people], dtype=torch.int64)),
            g.op("Constant", value_t=torch.tensor([iou_threshold], dtype=torch.float32)),
            g.op("Constant", value_t=torch.tensor([score_threshold], dtype=torch.float32)),
        ]
        return g.op("NonMaxSuppression", boxes, scores, *limits)
