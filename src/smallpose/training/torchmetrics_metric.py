"""The evaluator as a torchmetrics metric, for validation loops that use torchmetrics.

    metric = KeypointAP("coco17")
    metric.update(preds, target)     # per batch, on every rank
    metric.compute()["AP_S"]         # of all ranks together

Images are in the order of the updates, rank by rank; the results equal those of `evaluate`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smallpose.core.boxes import to_xywh
from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import SKELETONS, Skeleton
from smallpose.evaluation.evaluate import evaluate
from smallpose.system.packages import explain_import_error

try:
    from torchmetrics import Metric
except ImportError as error:
    raise explain_import_error("smallpose.training.torchmetrics_metric", error) from None

People = Mapping[str, Tensor]


class KeypointAP(Metric):
    """AP and AR by person size and keypoint density, with the interface of torchmetrics.

    Args:
        skeleton: of the keypoints; a name in `core.skeleton.SKELETONS`, or a skeleton.
        protocol: `coco`, `owned` or `recall`.
        options: as for `smallpose.evaluate`, such as `max_detections` and `sigmas`.
    """

    higher_is_better = True
    full_state_update = False

    def __init__(
        self, skeleton: str | Skeleton = "coco17", *, protocol: str = "coco", **options: Any
    ) -> None:
        super().__init__()
        self.skeleton = SKELETONS[skeleton] if isinstance(skeleton, str) else skeleton
        self.protocol, self.options = protocol, options
        for name in (
            "num_detections",
            "keypoints",
            "scores",
            "boxes",
            "num_people",
            "true_keypoints",
            "true_boxes",
            "is_crowd",
            "area",
        ):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, preds: Sequence[People], target: Sequence[People]) -> None:
        """Add a batch of images.

        Args:
            preds: for each image `keypoints` (d, k, 3) with scores of joints, `scores` (d,) and
                optionally `boxes` (d, 4) as two corners, px.
            target: for each image `keypoints` (g, k, 3) with visibility, `boxes` (g, 4) as two
                corners, px, and optionally `iscrowd` (g,) and `area` (g,), px².
        Raises: InputError when the two lists or the shapes of their tensors do not fit.
        """
        if len(preds) != len(target):
            raise InputError(
                "update",
                f"{format_count(len(preds), 'prediction')}, {format_count(len(target), 'target')}",
                "pass one of each per image",
            )
        for index, (predicted, truth) in enumerate(zip(preds, target, strict=True)):
            d, g = len(predicted["scores"]), len(truth["boxes"])
            self._check_shape(f"preds[{index}]", predicted, d)
            self._check_shape(f"target[{index}]", truth, g)
            no_boxes = torch.full((d, 4), torch.nan)
            no_area = torch.full((g,), torch.nan)
            self._append("num_detections", torch.tensor([d]))
            self._append("keypoints", predicted["keypoints"])
            self._append("scores", predicted["scores"])
            self._append("boxes", predicted.get("boxes", no_boxes))
            self._append("num_people", torch.tensor([g]))
            self._append("true_keypoints", truth["keypoints"])
            self._append("true_boxes", truth["boxes"])
            self._append("is_crowd", truth.get("iscrowd", torch.zeros(g)))
            self._append("area", truth.get("area", no_area))

    def compute(self) -> dict[str, Tensor]:
        """Return the protocol's metrics by name; NaN for classes without people."""
        k = len(self.skeleton)
        num_people = self._concatenate("num_people").astype(int)
        num_detections = self._concatenate("num_detections").astype(int)
        ids = np.arange(1, len(num_people) + 1)
        truth = make_instances(
            self.skeleton,
            make_images(ids, [f"image {i}" for i in ids]),
            np.repeat(ids - 1, num_people),
            to_xywh(self._concatenate("true_boxes").reshape(-1, 4)),
            self._concatenate("true_keypoints").reshape(-1, k, 3),
            iscrowd=self._concatenate("is_crowd").astype(bool),
            file_area=self._concatenate("area"),
        )
        predictions = make_predictions(
            self.skeleton,
            np.repeat(ids, num_detections),
            self._concatenate("keypoints").reshape(-1, k, 3),
            self._concatenate("scores"),
            to_xywh(self._concatenate("boxes").reshape(-1, 4)),
        )
        evaluation = evaluate(truth, predictions, protocols=(self.protocol,), **self.options)
        return {
            name: torch.tensor(torch.nan if value is None else value)
            for name, value in evaluation[self.protocol].items()
        }

    def _check_shape(self, where: str, people: People, n: int) -> None:
        shape = tuple(people["keypoints"].shape)
        expected = (n, len(self.skeleton), 3)
        if shape != expected:
            raise InputError(where, f"keypoints are {shape}", f"they must be {expected}")

    def _append(self, name: str, values: Tensor) -> None:
        # Double precision, so that the evaluator gets exactly what the caller passed.
        getattr(self, name).append(values.detach().to(self.device, torch.float64))

    def _concatenate(self, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return a state as one array; it is a list until ranks are gathered, then a tensor."""
        values = getattr(self, name)
        if isinstance(values, list):
            values = torch.cat(values) if values else torch.zeros(0)
        return np.asarray(values.double().cpu().numpy())
