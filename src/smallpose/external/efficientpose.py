"""EfficientPose II Lite (NTNU, Apache-2.0): 16 joints of MPII of one person in a crop.

The published network runs as it is, in onnxruntime. It was trained on MPII, so it has no joints of
the face. It is not a method of the paper and no row of the benchmark.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from smallpose.catalog.method_checks import PUBLISHED_MODULES
from smallpose.core.skeleton import MPII16
from smallpose.external.crop_model import CropModel, Floats
from smallpose.external.external_model import ExternalModel
from smallpose.external.human_models import describe_weights
from smallpose.external.package_weights import find_weights
from smallpose.external.tfjs.network import TfjsNetwork
from smallpose.methods.base import MethodCard
from smallpose.system.packages import require_packages

WEIGHTS = describe_weights(
    name="efficientpose",
    graph_sha256="45c3248acaad1bc94291f6ef2d730e38c55bf724e4213e164751afb6cd128b76",
    numbers_sha256="1b1f89f6ff2be09315576c25400dc416d8bdc565804bb9b593118ee30e92ca1a",
    source="EfficientPose II Lite, NTNU (github.com/daniegr/EfficientPose)",
)
# MPII's joints in the order of the maps; the upper neck is head_bottom, the thorax chest.
JOINTS = (
    "head_top",
    "head_bottom",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "chest",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "pelvis",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
)
SKELETON = MPII16.take(MPII16.joint_indices(JOINTS).tolist())
SIDE = 368  # px of the input, and of the maps


class EfficientPose(CropModel):
    """EfficientPose II Lite, whose maps are as large as the crop.

    Args:
        weights: `model.json` of the user, with its `.bin` beside it (default: the cache or npm).

    Raises: InputError when the weights or onnxruntime are missing; RefusedError for other weights.
    """

    name = "efficientpose"
    card = MethodCard(
        title="EfficientPose II Lite",
        paradigm="top-down",
        parts="EfficientNet-Lite with three passes, heatmaps",
    )
    engine = "onnxruntime"

    def __init__(self, weights: Path | None = None) -> None:
        require_packages(self.name, *PUBLISHED_MODULES[self.name])
        super().__init__(SKELETON, (SIDE, SIDE))
        self._network = TfjsNetwork(find_weights(WEIGHTS, weights))

    def predict_points(self, crop: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Predict (16, 2) joints in px of the crop, and (16,) scores: the smoothed maps' maxima."""
        image = crop[None].astype(np.float32) / np.float32(127.5) - np.float32(1)
        (output,) = self._network.run(image).values()
        maps = cv2.GaussianBlur(output[0], (9, 9), sigmaX=1.0, borderType=cv2.BORDER_REFLECT)
        flat = maps.reshape(-1, len(JOINTS))
        peaks = flat.argmax(axis=0)
        points = np.stack([peaks % SIDE, peaks // SIDE], axis=1).astype(np.float64)
        return points, flat.max(axis=0).astype(np.float64)


MODELS = (
    ExternalModel(
        create=EfficientPose,
        weights=WEIGHTS,
        skeleton=SKELETON,
        input_wh=(SIDE, SIDE),
        normalisation="RGB, x / 127.5 - 1",
        needs_boxes=True,
        extra="onnx",
    ),
)
