"""PoseNet (Google, Apache-2.0): finds people with their 17 joints at once.

The published network runs as it is, in onnxruntime; how joints are put together is in
`posenet_decoding.py`. It is not a method of the paper and no row of the benchmark.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from smallpose.catalog.method_checks import PUBLISHED_MODULES
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.affine import compute_warp_matrix
from smallpose.dataloading.full_image.letterbox import Letterbox
from smallpose.external.external_model import ExternalModel
from smallpose.external.full_image_model import FullImageModel
from smallpose.external.human_models import describe_weights
from smallpose.external.package_weights import find_weights
from smallpose.external.posenet_decoding import STRIDE, PoseMaps, decode_poses
from smallpose.external.tfjs.network import TfjsNetwork
from smallpose.methods.base import MethodCard
from smallpose.methods.full_image import (
    KEYPOINT_BOX_MARGIN,
    Detections,
    boxes_around_keypoints,
)
from smallpose.system.packages import require_packages

WEIGHTS = describe_weights(
    name="posenet",
    graph_sha256="a0070d53d9e2b085a9df22be217658f9416df055770a020ee0bef9bfa44ff0d4",
    numbers_sha256="15e9a22e499fe09307b077ee9bd37939987a5e20acb1a17506ccdf1cb72cd433",
    source="PoseNet MobileNetV1 0.75, Google (github.com/tensorflow/tfjs-models)",
)
LONG_SIDE = 641  # px to which the longer side of an image is resized


class PoseNet(FullImageModel):
    """PoseNet with MobileNetV1 0.75 and a stride of 16 px; prediction only.

    Args:
        weights: `model.json` of the user, with its `.bin` beside it (default: the cache or npm).

    Raises: InputError when the weights or onnxruntime are missing; RefusedError for other weights.
    """

    name = "posenet"
    card = MethodCard(
        title="PoseNet",
        paradigm="bottom-up",
        parts="MobileNetV1 0.75, heatmaps with offsets and displacements",
    )
    engine = "onnxruntime"
    fit_mode = "inside"
    box_margin = KEYPOINT_BOX_MARGIN
    needed_px = 64

    def __init__(self, weights: Path | None = None) -> None:
        require_packages(self.name, *PUBLISHED_MODULES[self.name])
        super().__init__(COCO17, (LONG_SIDE, LONG_SIDE))
        self._network = TfjsNetwork(find_weights(WEIGHTS, weights), dynamic_size=True)

    def fit_image(self, image_wh: tuple[int, int]) -> Letterbox:
        """Resize the longer side to the input's and pad the shorter to 16 n + 1 px.

        The cells of the maps then lie on pixels 0, 16, 32, … up to the last one.
        """
        factor = max(self.input_wh) / max(image_wh)
        width, height = (1 + STRIDE * -(-round(side * factor - 1) // STRIDE) for side in image_wh)
        size = (max(width, STRIDE + 1), max(height, STRIDE + 1))
        center = np.array(image_wh) / 2
        scale = np.array(size) / factor
        return Letterbox(center, scale, size, compute_warp_matrix(center, scale, size))

    def prepare(self, images: Tensor) -> Tensor:
        """Normalise (b, h, w, 3) uint8 RGB to (b, 3, h, w) from -1 to 1."""
        return (images.float() / 127.5 - 1).permute(0, 3, 1, 2)

    def detect(self, images: Tensor, flip_test: bool) -> list[Detections]:
        """Detect the people in each of (b, 3, h, w) prepared images.

        Args:
            flip_test: not used; the network takes an image as it is.
        """
        return [self._detect_people(image) for image in images.permute(0, 2, 3, 1)]

    def _detect_people(self, image: Tensor) -> Detections:
        outputs = self._network.run(image[None].contiguous().numpy())
        maps = PoseMaps.from_outputs(outputs)
        poses = decode_poses(maps, self.score_threshold)
        self.count_candidates(len(poses.scores))
        if self.counts_low_scores:
            num_all = len(decode_poses(maps, self.lowest_score).scores)
            self.count_low_scores(len(poses.scores), num_all - len(poses.scores))
        keypoints = torch.from_numpy(poses.keypoints[: self.max_people])
        return Detections(
            keypoints=keypoints,
            keypoint_scores=torch.from_numpy(poses.keypoint_scores[: self.max_people]),
            scores=torch.from_numpy(poses.scores[: self.max_people]),
            boxes_xyxy=boxes_around_keypoints(keypoints),
        )


MODELS = (
    ExternalModel(
        create=PoseNet,
        weights=WEIGHTS,
        skeleton=COCO17,
        input_wh=(LONG_SIDE, LONG_SIDE),
        normalisation="RGB, x / 127.5 - 1",
        needs_boxes=False,
        extra="onnx",
    ),
)
