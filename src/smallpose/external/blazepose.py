"""BlazePose (Google, Apache-2.0): the 33 landmarks of a person in a crop, of which 17 are COCO's.

The three published networks run as they are, in LiteRT. They are not methods of the paper and no
rows of the benchmark. MediaPipe's own detector is not used: it finds one person in an image.
"""

from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from smallpose.catalog.method_checks import PUBLISHED_MODULES
from smallpose.core.skeleton import COCO17
from smallpose.external.crop_model import CropModel
from smallpose.external.external_model import ExternalModel
from smallpose.external.litert import create_interpreter, run_interpreter
from smallpose.external.package_weights import PackageMember, PackageWeights, find_weights
from smallpose.methods.base import MethodCard
from smallpose.system.packages import require_packages

Floats = NDArray[np.float64]
Size = Literal["heavy", "full", "lite"]

SHA256: dict[Size, str] = {
    "heavy": "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
    "full": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    "lite": "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
}
# The network's landmarks; six auxiliary ones, which MediaPipe uses to follow a person, come after.
LANDMARKS = (
    "nose",
    "left_eye_inner",
    "left_eye",
    "left_eye_outer",
    "right_eye_inner",
    "right_eye",
    "right_eye_outer",
    "left_ear",
    "right_ear",
    "mouth_left",
    "mouth_right",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_pinky",
    "right_pinky",
    "left_index",
    "right_index",
    "left_thumb",
    "right_thumb",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "left_heel",
    "right_heel",
    "left_foot_index",
    "right_foot_index",
)
NUM_LANDMARKS = 39  # with the auxiliary ones; each has x, y, z, visibility and presence
INPUT_WH = (256, 256)
# MediaPipe's crop is 1.25 times the circle around the hips that encloses the body: about 1.4 times
# the longer side of the box of a person who stands. On people of COCO, 1.4 and 1.5 have a higher
# OKS than 1.25, and 1.0 and 2.0 a lower one (docs/external-models.md).
BOX_PADDING = 1.4


def describe_weights(size: Size) -> PackageWeights:
    """Return where the weights of one of the three networks are published."""
    return PackageWeights(
        name=f"blazepose-{size}",
        kind="npm",
        package="@mediapipe/pose",
        version="0.5.1675469404",
        package_sha256="8bb349a7b3a3ba699df23be804ddd3b3eab810b50b15406894be257859388a84",
        member=PackageMember((f"package/pose_landmark_{size}.tflite",), SHA256[size]),
        licence="Apache-2.0",
        source=f"BlazePose GHUM {size.capitalize()}, Google (MediaPipe Pose)",
    )


class BlazePose(CropModel):
    """One of the three BlazePose networks, reading the published tflite file; prediction only.

    The score of a joint is its presence times the network's confidence that the crop shows a
    person. Presence says whether a joint is where it is predicted, hidden or not, as COCO labels
    hidden joints too; visibility, which falls when a joint is hidden, tells right joints from
    wrong ones less well. Presence alone is nearly always 1.

    Args:
        weights: the file (default: from the cache or npm).
        size: of the network.

    Raises: InputError when the weights or LiteRT are missing; RefusedError for other weights.
    """

    engine = "LiteRT"
    box_padding = BOX_PADDING

    def __init__(self, weights: Path | None = None, size: Size = "heavy") -> None:
        self.name = f"blazepose-{size}"
        self.card = MethodCard(
            title=f"BlazePose GHUM {size.capitalize()}",
            paradigm="top-down",
            parts="MobileNetV2-like network, regression of landmarks",
        )
        require_packages(self.name, *PUBLISHED_MODULES[self.name])
        super().__init__(COCO17, INPUT_WH)
        self._path = find_weights(describe_weights(size), weights)
        self._interpreter: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the interpreter out, which each process makes for itself."""
        return {**self.__dict__, "_interpreter": None}

    def predict_points(self, crop: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Predict (17, 2) joints in px of the (256, 256, 3) RGB crop, and (17,) scores."""
        if self._interpreter is None:
            self._interpreter = create_interpreter(self._path)
        outputs = run_interpreter(self._interpreter, crop[None].astype(np.float32) / 255)
        return decode_landmarks(outputs[0], outputs[1])


def decode_landmarks(landmarks: Any, confidence: Any) -> tuple[Floats, Floats]:
    """Convert the network's outputs to (17, 2) joints in px of the crop and (17,) scores.

    Args:
        landmarks: (1, 195) of 39 landmarks: x, y, z, and the logits of visibility and presence. x
            and y count from the corner of the first pixel.
        confidence: (1, 1), from 0 to 1, that the crop shows a person.
    """
    table = np.asarray(landmarks, np.float64).reshape(NUM_LANDMARKS, 5)
    joints = table[[LANDMARKS.index(name) for name in COCO17.joints]]
    presence = 1 / (1 + np.exp(-joints[:, 4]))
    return joints[:, :2] - 0.5, presence * float(np.squeeze(confidence))


SIZES: tuple[Size, ...] = ("heavy", "full", "lite")
MODELS = tuple(
    ExternalModel(
        create=partial(BlazePose, size=size),
        weights=describe_weights(size),
        skeleton=COCO17,
        input_wh=INPUT_WH,
        normalisation="RGB 0..1",
        needs_boxes=True,
        extra="movenet",
    )
    for size in SIZES
)
