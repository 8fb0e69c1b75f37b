"""Run an exported folder as a method, with all it needs to know read from the folder.

`predict_people` takes it in place of the method that was exported, so that both see the same crops
and images, and `export --check` compares them.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smallpose.dataloading.affine import map_to_image
from smallpose.dataloading.top_down.crop_options import CropOptions
from smallpose.inference.onnx.free_axis import explain_runtime_errors
from smallpose.inference.onnx.rtmlib_graphs import RTMLIB_MEAN, RTMLIB_STD
from smallpose.methods.base import MethodCard, PoseMethod
from smallpose.methods.checkpoints.read import skeleton_from_json
from smallpose.methods.full_image import Detections, FullImageMethod, boxes_around_keypoints
from smallpose.models.codecs.nms import box_nms, nearby_joints_nms
from smallpose.models.codecs.simcc import decode_simcc
from smallpose.system.packages import require_packages

Floats = NDArray[np.float64]

_REMEDY = "predict with smallpose itself, and report it with this file"


def read_exported_method(folder: Path) -> "ExportedTopDown | ExportedFullImage":
    """Open what `export --to onnx` wrote, to be run by onnxruntime on the CPU.

    Raises: InputError without onnxruntime.
    """
    require_packages("export --check", "onnxruntime")
    description = json.loads((folder / "method.json").read_text())
    sessions = ExportedGraphs(folder, description["files"])
    if "crop" in description:
        return ExportedTopDown(description, sessions)
    return ExportedFullImage(description, sessions)


class ExportedGraphs:
    """The graphs of a folder, in onnxruntime sessions.

    Args:
        folder: of the files.
        files: their names.
    """

    def __init__(self, folder: Path, files: Sequence[str]) -> None:
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # it would print what is raised
        self.folder = folder
        self.sessions = {}
        for name in files:
            with explain_runtime_errors(str(folder / name), _REMEDY):
                self.sessions[name] = onnxruntime.InferenceSession(
                    str(folder / name), options, providers=["CPUExecutionProvider"]
                )

    def run(self, name: str, *arrays: Any) -> list[Any]:
        """Run a graph on its inputs in order; return its outputs.

        Raises: RunError when onnxruntime fails.
        """
        session = self.sessions[name]
        names = [one.name for one in session.get_inputs()]
        inputs = dict(zip(names, arrays, strict=True))
        with explain_runtime_errors(str(self.folder / name), _REMEDY):
            outputs: list[Any] = session.run(None, inputs)
        return outputs


class _ExportedNetwork:
    """What both kinds of exported methods share: no network of PyTorch."""

    def forward(self, images: Tensor) -> NoReturn:
        """Raise an error: the network is no PyTorch module."""
        raise NotImplementedError("an exported method predicts only")

    def targets(self, keypoints: Any) -> NoReturn:
        """Raise an error: an exported method is not trained."""
        raise NotImplementedError("an exported method predicts only")

    def loss(self, outputs: Any, targets: Any) -> NoReturn:
        """Raise an error: an exported method is not trained."""
        raise NotImplementedError("an exported method predicts only")


def _describe_card(description: dict[str, Any]) -> MethodCard:
    return MethodCard(
        title=description["method"], paradigm=description["paradigm"], parts="exported"
    )


class ExportedTopDown(_ExportedNetwork, PoseMethod):
    """A top-down method that onnxruntime runs; the flip test is in its graph, or left out."""

    engine = "onnxruntime"
    recipes = {}  # noqa: RUF012 (a mapping, as in every method)

    def __init__(self, description: dict[str, Any], graphs: ExportedGraphs) -> None:
        skeleton = skeleton_from_json(description["skeleton"])
        assert skeleton is not None
        w, h = description["input_wh"]
        PoseMethod.__init__(self, skeleton, (w, h))
        self.name = f"{description['method']} (exported)"
        self.card = _describe_card(description)
        self.score_rule = description["score_rule"]
        self.udp_warp = description["crop"]["udp_warp"]
        self.crop_options = CropOptions(interpolation=description["crop"]["interpolation"])
        self.has_flip_test = bool(description["flip_test"])
        self._is_rtmlib = description["layout"] == "rtmlib"
        self._graphs = graphs

    @torch.inference_mode()
    def predict_crops(
        self, crops: Tensor, center: Floats, scale: Floats, flip_test: bool = True
    ) -> Floats:
        """Predict (b, k, 3) keypoints in image px with their scores.

        Args:
            flip_test: not used; the graph has it or has it not.
        """
        points, scores = self._run(crops.numpy())
        on_image = map_to_image(points.astype(np.float64), center, scale, self.input_wh)
        return np.concatenate([on_image, scores.astype(np.float64)[..., None]], axis=2)

    def _run(self, crops: NDArray[np.uint8]) -> Any:
        if not self._is_rtmlib:
            return self._graphs.run("network.onnx", crops)
        # As rtmlib prepares what OpenCV reads: the mean of red is subtracted from blue.
        normalised = (crops[..., ::-1] - np.array(RTMLIB_MEAN)) / np.array(RTMLIB_STD)
        inputs = np.ascontiguousarray(normalised.transpose(0, 3, 1, 2), dtype=np.float32)
        outputs = self._graphs.run("network.onnx", inputs)
        points, scores = decode_simcc(*(torch.from_numpy(column) for column in outputs))
        return points.numpy(), scores.numpy()

    def flip_back(self, outputs: Any) -> NoReturn:
        """Raise an error: the graph flips back."""
        raise NotImplementedError("the graph flips back")

    def decode(self, outputs: Any) -> NoReturn:
        """Raise an error: the graph decodes."""
        raise NotImplementedError("the graph decodes")


class ExportedFullImage(_ExportedNetwork, FullImageMethod):
    """A full-image method that onnxruntime runs; images are fitted into its fixed size."""

    engine = "onnxruntime"
    recipes = {}  # noqa: RUF012 (a mapping, as in every method)
    size_divisor = 1
    fit_mode = "inside"

    def __init__(self, description: dict[str, Any], graphs: ExportedGraphs) -> None:
        skeleton = skeleton_from_json(description["skeleton"])
        assert skeleton is not None
        w, h = description["input_wh"]
        FullImageMethod.__init__(self, skeleton, (w, h))
        people = description["people"]
        self.name = f"{description['method']} (exported)"
        self.card = _describe_card(description)
        self.score_rule = description["score_rule"]
        self.pad_value = description["picture"]["pad"]
        self.score_threshold = people["score_above"]
        self.oks_threshold = people["oks_above"]
        self.max_people = people["max_people"]
        self.default_flip_test = description["flip_test"]
        self._people = people
        self.has_flip_test = bool(description["flip_test"])
        self._is_rtmlib = description["layout"] == "rtmlib"
        self._graphs = graphs

    def prepare(self, images: Tensor) -> Tensor:
        """Return (b, h, w, 3) uint8 RGB images as they are; the graph prepares them."""
        return images

    def detect(self, images: Tensor, flip_test: bool) -> list[Detections]:
        """Detect the people in each of (b, h, w, 3) uint8 images.

        Args:
            flip_test: not used; the graph has it or has it not.
        """
        if self._is_rtmlib:
            return self._detect_by_rtmlib_graph(images.numpy())
        decode = self._decode_cells if "iou_above" in self._people else self._decode_roots
        columns = self._graphs.run("network.onnx", images.numpy())
        return [
            Detections(*(torch.from_numpy(column) for column in decode(columns, index)))
            for index in range(len(images))
        ]

    def _detect_by_rtmlib_graph(self, images: NDArray[np.uint8]) -> list[Detections]:
        bgr = np.ascontiguousarray(images[..., ::-1].transpose(0, 3, 1, 2), dtype=np.float32)
        dets, keypoints = (torch.from_numpy(c) for c in self._graphs.run("network.onnx", bgr))
        detections = []
        for boxes, people in zip(dets, keypoints, strict=True):
            rows = boxes[:, 4] > self.score_threshold
            if self.counts_low_scores:
                num_all = int((boxes[:, 4] > self.lowest_score).sum())
                self.count_low_scores(int(rows.sum()), num_all - int(rows.sum()))
            detections.append(
                Detections(people[rows, :, :2], people[rows, :, 2], boxes[rows, 4], boxes[rows, :4])
            )
        return detections

    def _decode_cells(self, columns: list[Any], index: int) -> tuple[Any, ...]:
        """Decode RTMO's cells of one image: box NMS, then the second graph."""
        scores, boxes, visible, poses = (column[index] for column in columns[:4])
        points = columns[4]
        kept = np.flatnonzero(scores > self.score_threshold)
        kept = kept[box_nms(boxes[kept], scores[kept], self._people["iou_above"])]
        if self.counts_low_scores:
            is_low = (scores > self.lowest_score) & (scores <= self.score_threshold)
            rows = np.concatenate([kept, np.flatnonzero(is_low)])
            distinct = box_nms(boxes[rows], scores[rows], self._people["iou_above"])
            self.count_low_scores(len(kept), len(distinct) - len(kept))
        kept = kept[: self.max_people]
        keypoints = np.zeros((0, visible.shape[1], 2), np.float32)
        if len(kept):
            (keypoints,) = self._graphs.run("people.onnx", poses[kept], boxes[kept], points[kept])
        limits = np.array([*self.input_wh, *self.input_wh], np.float32)
        return keypoints, visible[kept], scores[kept], np.clip(boxes[kept], 0, limits)

    def _decode_roots(self, columns: list[Any], index: int) -> tuple[Any, ...]:
        """Decode the peaks of DEKR's or CID's root map of one image by the second graph."""
        roots, *maps = (column[index] for column in columns)
        y, x = np.nonzero(roots > self.score_threshold)
        if self.counts_low_scores:
            num_all = int((roots > self.lowest_score).sum())
            self.count_low_scores(len(x), num_all - len(x))
        order = np.argsort(-roots[y, x], kind="stable")[: self.max_people]
        xy = np.stack([x, y], axis=1)[order]
        k = len(self.skeleton)
        if not len(xy):
            empty = np.zeros((0, k), np.float32)
            return np.zeros((0, k, 2), np.float32), empty, empty[:, 0], np.zeros((0, 4), np.float32)
        root_scores = roots[xy[:, 1], xy[:, 0]]
        points, scores, *rest = self._graphs.run("people.onnx", *maps, xy, root_scores)
        if "near" in self._people:
            rows = nearby_joints_nms(
                points, rest[0].mean(axis=1), distance_threshold=self._people["near"]
            )
            points, scores = points[rows], scores[rows]
        boxes = boxes_around_keypoints(torch.from_numpy(points)).numpy()
        return points, scores, scores.mean(axis=1), boxes
