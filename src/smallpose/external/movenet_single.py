"""MoveNet Thunder and Lightning (Google, Apache-2.0): the 17 joints of one person in a crop.

The published networks run as they are, in onnxruntime. They are not methods of the paper and no
rows of the benchmark.
"""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smallpose.catalog.method_checks import PUBLISHED_MODULES
from smallpose.core.skeleton import COCO17
from smallpose.external.crop_model import CropModel, Floats
from smallpose.external.external_model import ExternalModel
from smallpose.external.human_models import describe_weights
from smallpose.external.package_weights import PackageWeights, find_weights
from smallpose.external.tfjs.network import TfjsNetwork
from smallpose.methods.base import MethodCard
from smallpose.system.packages import require_packages

_SOURCE = "MoveNet SinglePose {}, Google (kaggle.com/models/google/movenet)"
THUNDER = describe_weights(
    name="movenet-thunder",
    graph_sha256="7ac4e2a8449fc279f71b8b0ba52f7c5daafc124ce9b6bf7549289ca432e342b6",
    numbers_sha256="a2925747fccaf737c0f20eacdeff919efd5d514e90242397002a0de349dff18c",
    source=_SOURCE.format("Thunder"),
)
LIGHTNING = describe_weights(
    name="movenet-lightning",
    graph_sha256="df8cbde44d00f533ccc4916a7c6ebc17316532fb3fadad114ec667fef22872e9",
    numbers_sha256="bf97bc10d9c8a11200b0190ed64ce039b6252f1aff7cb552aca99b3d191c2f34",
    source=_SOURCE.format("Lightning"),
)


class MoveNetSinglePose(CropModel):
    """MoveNet SinglePose, which predicts the person nearest to the middle of a square crop.

    Args:
        published: which of the two.
        side: of its input, px.
        weights: `model.json` of the user, with its `.bin` beside it (default: the cache or npm).

    Raises: InputError when the weights or onnxruntime are missing; RefusedError for other weights.
    """

    card = MethodCard(
        title="MoveNet SinglePose",
        paradigm="top-down",
        parts="MobileNetV2 with a feature pyramid, center heatmap",
    )
    engine = "onnxruntime"
    # The published recipe crops 1.2 times the distance of the hips to the farthest joint to all
    # sides. Joints lie inside the box, so that is about the longer side of the box itself.
    box_padding = 1.0

    def __init__(self, published: PackageWeights, side: int, weights: Path | None = None) -> None:
        require_packages(published.name, *PUBLISHED_MODULES[published.name])
        super().__init__(COCO17, (side, side))
        self.name = published.name
        self._network = TfjsNetwork(find_weights(published, weights))

    def predict_points(self, crop: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Predict (17, 2) joints in px of the crop, and (17,) scores.

        The network returns (y, x, score) of each joint, shares of the crop between its outer edges.
        """
        (output,) = self._network.run(crop[None]).values()
        joints = output.reshape(17, 3).astype(np.float64)
        return joints[:, 1::-1] * self.input_wh - 0.5, joints[:, 2]


def _describe_model(published: PackageWeights, side: int) -> ExternalModel:
    return ExternalModel(
        create=partial(MoveNetSinglePose, published, side),
        weights=published,
        skeleton=COCO17,
        input_wh=(side, side),
        normalisation="RGB 0..255",
        needs_boxes=True,
        extra="onnx",
    )


MODELS = (_describe_model(THUNDER, 256), _describe_model(LIGHTNING, 192))
