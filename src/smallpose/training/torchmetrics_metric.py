"""The evaluator as a torchmetrics metric, for validation loops that speak torchmetrics.

    metric = KeypointAP("coco17")
    metric.update(preds, target)     # per batch, on every rank
    metric.compute()["AP_S"]         # of all ranks together

Images count in the order in which they come, rank by rank; nothing else differs from `evaluate`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smallpose.core.boxes import to_xywh
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import SKELETONS, Skeleton
from smallpose.evaluation.evaluate import evaluate

try:
    from torchmetrics import Metric
except ImportError:
    raise InputError(
        "smallpose.training.torchmetrics_metric",
        "torchmetrics is not installed",
        "pip install '.[torchmetrics]' in your clone",
    ) from None

People = Mapping[str, Tensor]


class KeypointAP(Metric):
    """AP and AR by person size and keypoint density, in torchmetrics' words.

    Args:
        skeleton: which joints the keypoints are; a name of `core.skeleton.SKELETONS` or one.
        protocol: `coco`, `owned` or `recall`.
        rules: as for `smallpose.evaluate`, such as `max_detections` and `sigmas`.
    """

    higher_is_better = True
    full_state_update = False

    def __init__(
        self, skeleton: str | Skeleton = "coco17", *, protocol: str = "coco", **rules: Any
    ) -> None:
        super().__init__()
        self.skeleton = SKELETONS[skeleton] if isinstance(skeleton, str) else skeleton
        self.protocol, self.rules = protocol, rules
        for name in ("found_in", "keypoints", "scores", "boxes", "people_in", "truth", "outlines"):
            self.add_state(name, default=[], dist_reduce_fx="cat")
        for name in ("crowd", "area"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, preds: Sequence[People], target: Sequence[People]) -> None:
        """Take a batch of images.

        Args:
            preds: per image `keypoints` (d, k, 3) with scores of joints, `scores` (d,) and perhaps
                `boxes` (d, 4) as two corners, px.
            target: per image `keypoints` (g, k, 3) with visibility, `boxes` (g, 4) as two corners,
                px, and perhaps `iscrowd` (g,) and `area` (g,), px².
        Raises: InputError when the two lists or the shapes within do not fit.
        """
        if len(preds) != len(target):
            raise InputError(
                "update", f"{len(preds)} predictions, {len(target)} targets", "one each per image"
            )
        k = len(self.skeleton)
        for number, (found, truth) in enumerate(zip(preds, target, strict=True)):
            d, g = len(found["scores"]), len(truth["boxes"])
            for what, people, n in (("preds", found, d), ("target", truth, g)):
                if tuple(people["keypoints"].shape) != (n, k, 3):
                    shape = tuple(people["keypoints"].shape)
                    raise InputError(
                        f"{what}[{number}]", f"keypoints are {shape}", f"they must be ({n}, {k}, 3)"
                    )
            nan = torch.full((d, 4), torch.nan)
            self._keep("found_in", torch.tensor([d]))
            self._keep("keypoints", found["keypoints"])
            self._keep("scores", found["scores"])
            self._keep("boxes", found.get("boxes", nan))
            self._keep("people_in", torch.tensor([g]))
            self._keep("truth", truth["keypoints"])
            self._keep("outlines", truth["boxes"])
            self._keep("crowd", truth.get("iscrowd", torch.zeros(g)))
            self._keep("area", truth.get("area", torch.full((g,), torch.nan)))

    def compute(self) -> dict[str, Tensor]:
        """The protocol's numbers by name; NaN for classes without people."""
        k = len(self.skeleton)
        people_in = self._all("people_in").astype(int)
        found_in = self._all("found_in").astype(int)
        numbers = np.arange(1, len(people_in) + 1)
        truth = make_instances(
            self.skeleton,
            make_images(numbers, [f"image {n}" for n in numbers]),
            np.repeat(numbers - 1, people_in),
            to_xywh(self._all("outlines").reshape(-1, 4)),
            self._all("truth").reshape(-1, k, 3),
            iscrowd=self._all("crowd").astype(bool),
            file_area=self._all("area"),
        )
        found = make_predictions(
            self.skeleton,
            np.repeat(numbers, found_in),
            self._all("keypoints").reshape(-1, k, 3),
            self._all("scores"),
            to_xywh(self._all("boxes").reshape(-1, 4)),
        )
        result = evaluate(truth, found, protocols=(self.protocol,), **self.rules)[self.protocol]
        return {n: torch.tensor(torch.nan if v is None else v) for n, v in result.items()}

    def _keep(self, name: str, values: Tensor) -> None:
        # Doubles, so that nothing is lost on the way to the evaluator.
        getattr(self, name).append(values.detach().to(self.device, torch.float64))

    def _all(self, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        """A state as one array: a list before ranks are gathered, a tensor behind that."""
        values = getattr(self, name)
        if isinstance(values, list):
            values = torch.cat(values) if values else torch.zeros(0)
        return np.asarray(values.double().cpu().numpy())
