"""Predict with an exported method, without smallpose or PyTorch: onnxruntime, NumPy, OpenCV.

    smallpose export runs/hrnet --to onnx --out onnx/
    python examples/onnx_predict.py onnx/ image.jpg [--box X Y WIDTH HEIGHT]

Top-down methods take a box for each person (default: the full image); full-image methods predict
all people. Copy what you need of this file.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np


class Method:
    """An exported method, ready to run.

    Args:
        folder: with `method.json`, `network.onnx` and, for full-image methods, `people.onnx`.

    Raises: ValueError when the files do not belong together, or are for another program.
    """

    def __init__(self, folder):
        import onnxruntime

        self.description = json.loads((Path(folder) / "method.json").read_text())
        self.sessions = {
            name: onnxruntime.InferenceSession(str(Path(folder) / name))
            for name in self.description["files"]
        }
        self._check_input_size(Path(folder))

    def _check_input_size(self, folder):
        """Raise ValueError unless the network takes images as `method.json` describes them."""
        about, network = folder / "method.json", folder / "network.onnx"
        layout = self.description.get("layout", "own")
        if layout != "own":
            raise ValueError(
                f"{about}: is in the layout {layout}, which this program does not run; export "
                "with --layout own"
            )
        w, h = self.description["input_wh"]
        shape = self.sessions["network.onnx"].get_inputs()[0].shape
        # An axis that is free has a name in place of a number.
        if len(shape) == 4 and shape[1:] == [h, w, 3]:
            return
        size = " × ".join(map(str, shape[1:]))
        raise ValueError(
            f"{network}: takes images of {size} (height × width × channels), and {about.name} says "
            f"{h} × {w} × 3; the files are of two exports: export into an empty folder again"
        )

    def run_graph(self, name, *arrays):
        """Run a graph on its inputs in order; return its outputs."""
        session = self.sessions[name]
        names = [i.name for i in session.get_inputs()]
        return session.run(None, dict(zip(names, arrays, strict=True)))

    def predict_in_boxes(self, rgb, boxes_xywh):
        """Predict the people in (n, 4) boxes of an (h, w, 3) uint8 image.

        Returns: (n, k, 3) x, y in px of the image, and a score.
        """
        size = np.array(self.description["input_wh"])
        crop = self.description["crop"]
        boxes = np.asarray(boxes_xywh, np.float64).reshape(-1, 4)
        last = np.array(rgb.shape[1::-1]) - 1
        low = np.clip(boxes[:, :2], 0, last)
        high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, last)
        center = low + (high - low) / 2
        scale = (high - low) * crop["padding"]
        aspect = size[0] / size[1]
        width = np.maximum(scale[:, 0], scale[:, 1] * aspect)
        scale = np.stack([width, width / aspect], axis=1)
        # The outer pixel centres of both grids coincide (UDP), or their outer edges do.
        extent = size - 1 if crop["udp_warp"] else size
        crops = []
        for c, s in zip(center, scale, strict=True):
            factor = extent / s
            matrix = np.array([[factor[0], 0, 0], [0, factor[1], 0]])
            matrix[:, 2] = extent / 2 - factor * c
            crops.append(cv2.warpAffine(rgb, matrix, tuple(size.tolist())))
        points, scores = self.run_graph("network.onnx", np.stack(crops))
        in_image = points / size * scale[:, None] + center[:, None] - scale[:, None] / 2
        return np.concatenate([in_image, scores[..., None]], axis=2)

    def predict_all(self, rgb):
        """Predict all people of an (h, w, 3) uint8 image.

        Duplicates remain: drop people whose OKS with a person of higher score exceeds
        `people.oks_above` in method.json.

        Returns: (d, k, 3) x, y in px of the image, and a score.
        """
        size = np.array(self.description["input_wh"])
        wh = np.array(rgb.shape[1::-1])
        factor = (size / wh).min()
        matrix = np.array([[factor, 0, 0], [0, factor, 0]])
        matrix[:, 2] = size / 2 - factor * wh / 2
        pad = (self.description["picture"]["pad"],) * 3
        letterboxed = cv2.warpAffine(rgb, matrix, tuple(size.tolist()), borderValue=pad)
        outputs = self.run_graph("network.onnx", letterboxed[None])
        if "iou_above" in self.description["people"]:
            points, scores = self._decode_cells(outputs)
        else:
            points, scores = self._decode_roots(outputs)
        in_image = (points - matrix[:, 2]) / factor
        return np.concatenate([in_image, scores[..., None]], axis=2)

    def _decode_cells(self, outputs):
        """Decode RTMO: cells with boxes, and a classifier for those that remain after NMS."""
        settings = self.description["people"]
        scores, boxes, visible, poses = (output[0] for output in outputs[:4])
        points = outputs[4]
        kept = np.flatnonzero(scores > settings["score_above"])
        kept = kept[
            box_nms(boxes[kept], scores[kept], settings["iou_above"])[: settings["max_people"]]
        ]
        if not len(kept):
            return np.zeros((0, visible.shape[1], 2)), visible[kept]
        (keypoints,) = self.run_graph("people.onnx", poses[kept], boxes[kept], points[kept])
        return keypoints, visible[kept]

    def _decode_roots(self, outputs):
        """Decode DEKR and CID: peaks of the root map, and the maps of the people there."""
        settings = self.description["people"]
        roots, *maps = (output[0] for output in outputs)
        y, x = np.nonzero(roots > settings["score_above"])
        order = np.argsort(-roots[y, x], kind="stable")[: settings["max_people"]]
        xy = np.stack([x, y], axis=1)[order]
        if not len(xy):
            k = len(self.description["skeleton"]["joints"])
            return np.zeros((0, k, 2)), np.zeros((0, k))
        root_scores = roots[xy[:, 1], xy[:, 0]]
        points, scores, *rest = self.run_graph("people.onnx", *maps, xy, root_scores)
        if "near" in settings:
            kept = nearby_joints_nms(points, rest[0].mean(axis=1), settings["near"])
            return points[kept], scores[kept]
        return points, scores


def box_nms(boxes, scores, iou_threshold):
    """Return the boxes to keep; others overlap one of higher score by more than the threshold."""
    order = np.argsort(-scores, kind="stable")
    kept = []
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        overlap = np.clip(high - low, 0, None).prod(axis=1)
        union = np.maximum(area[best] + area[order] - overlap, 1e-6)
        order = order[overlap / union <= iou_threshold]
    return np.array(kept, dtype=int)


def nearby_joints_nms(points, scores, distance_threshold):
    """Return the poses to keep, the best of each group whose joints are mostly close."""
    max_distance = np.linalg.norm(np.ptp(points, axis=1), axis=1) * distance_threshold
    is_suppressed = np.zeros(len(points), bool)
    kept = []
    for person in np.argsort(scores)[::-1]:
        if is_suppressed[person]:
            continue
        distance = np.linalg.norm(points - points[person], axis=2)
        is_close = (distance < max_distance[person]).sum(axis=1) > points.shape[1] // 2
        is_close[person] = True
        best = np.flatnonzero(is_close)[scores[is_close].argmax()]
        if not is_suppressed[best]:
            kept.append(best)
            is_suppressed |= is_close
    return np.array(kept, dtype=int)


def main():
    """Print the keypoints of the people in an image."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="Folder that smallpose export wrote.")
    parser.add_argument("image", type=Path, help="Image to predict.")
    parser.add_argument(
        "--box",
        type=float,
        nargs=4,
        action="append",
        metavar=("X", "Y", "WIDTH", "HEIGHT"),
        help="Box of a person, px, for top-down methods; repeatable (default: the full image).",
    )
    args = parser.parse_args()
    try:
        method = Method(args.folder)
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(str(error)) from None
    bgr = cv2.imread(str(args.image))
    if bgr is None:
        raise SystemExit(f"{args.image}: not an image that OpenCV can read; check the path")
    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    if "crop" in method.description:
        full_image = [[0, 0, rgb.shape[1], rgb.shape[0]]]
        people = method.predict_in_boxes(rgb, args.box or full_image)
    else:
        people = method.predict_all(rgb)
    skeleton = method.description["skeleton"]
    names = skeleton.get("file_joints", skeleton["joints"])  # as the labels spell them
    for number, person in enumerate(people, 1):
        print(f"person {number}")
        for name, (x, y, score) in zip(names, person, strict=True):
            print(f"  {name:<16}{x:8.1f}{y:8.1f}{score:8.3f}")


if __name__ == "__main__":
    main()
