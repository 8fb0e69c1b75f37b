"""Predict with an exported method, without smallpose or PyTorch: onnxruntime, NumPy, OpenCV.

    smallpose export runs/hrnet --to onnx --out onnx/
    python examples/onnx_predict.py onnx/ picture.jpg [--box X Y WIDTH HEIGHT]

Top-down methods take a box for each person (the whole picture without); whole-image methods find
everybody. Copy what you need of this file.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np


class Method:
    """An exported folder, ready to run.

    Args:
        folder: with `method.json`, `network.onnx` and, for whole-image methods, `people.onnx`.
    """

    def __init__(self, folder):
        import onnxruntime

        self.about = json.loads((Path(folder) / "method.json").read_text())
        self.run = {}
        for name in self.about["files"]:
            session = onnxruntime.InferenceSession(str(Path(folder) / name))
            names = [i.name for i in session.get_inputs()]
            self.run[name] = lambda *given, s=session, n=names: s.run(
                None, dict(zip(n, given, strict=True))
            )

    def in_boxes(self, rgb, boxes_xywh):
        """(h, w, 3) uint8 and (n, 4) to (n, k, 3): x, y in px of the picture and a score."""
        size = np.array(self.about["input_wh"])
        boxes = np.asarray(boxes_xywh, np.float64).reshape(-1, 4)
        last = np.array(rgb.shape[1::-1]) - 1
        low, high = (np.clip(c, 0, last) for c in (boxes[:, :2], boxes[:, :2] + boxes[:, 2:]))
        boxes = np.concatenate([low, high - low], axis=1)
        center = boxes[:, :2] + boxes[:, 2:] / 2
        scale = boxes[:, 2:] * self.about["crop"]["padding"]
        aspect = size[0] / size[1]
        width = np.maximum(scale[:, 0], scale[:, 1] * aspect)
        scale = np.stack([width, width / aspect], axis=1)
        # Both grids' outer pixel centres coincide (UDP), or their outer edges do.
        across = size - 1 if self.about["crop"]["udp_warp"] else size
        crops = []
        for c, s in zip(center, scale, strict=True):
            factor = across / s
            matrix = np.array([[factor[0], 0, 0], [0, factor[1], 0]])
            matrix[:, 2] = across / 2 - factor * c
            crops.append(cv2.warpAffine(rgb, matrix, tuple(size.tolist())))
        points, scores = self.run["network.onnx"](np.stack(crops))
        back = points / size * scale[:, None] + center[:, None] - scale[:, None] / 2
        return np.concatenate([back, scores[..., None]], axis=2)

    def everybody(self, rgb):
        """(h, w, 3) uint8 to (d, k, 3): x, y in px of the picture and a score.

        People found twice are still there: drop who is nearer to a surer one than the OKS that
        `people.oks_above` in method.json names.
        """
        size = np.array(self.about["input_wh"])
        wh = np.array(rgb.shape[1::-1])
        factor = (size / wh).min()
        matrix = np.array([[factor, 0, 0], [0, factor, 0]])
        matrix[:, 2] = size / 2 - factor * wh / 2
        pad = (self.about["picture"]["pad"],) * 3
        shown = cv2.warpAffine(rgb, matrix, tuple(size.tolist()), borderValue=pad)
        points, scores = self._people(self.run["network.onnx"](shown[None]))
        back = (points - matrix[:, 2]) / factor
        return np.concatenate([back, scores[..., None]], axis=2)

    def _people(self, said):
        rules = self.about["people"]
        if "iou_above" in rules:  # RTMO: cells, their boxes, and a classifier for those kept
            scores, boxes, visible, poses, points = said[0][0], said[1][0], said[2][0], *said[3:]
            kept = np.flatnonzero(scores > rules["score_above"])
            kept = kept[best_boxes(boxes[kept], scores[kept], rules["iou_above"])]
            if not len(kept):
                return np.zeros((0, visible.shape[1], 2)), visible[kept]
            (found,) = self.run["people.onnx"](poses[0][kept], boxes[kept], points[kept])
            return found, visible[kept]
        roots, maps = said[0][0], [m[0] for m in said[1:]]
        y, x = np.nonzero(roots > rules["score_above"])
        order = np.argsort(-roots[y, x], kind="stable")
        xy = np.stack([x, y], axis=1)[order]
        if not len(xy):
            k = len(self.about["skeleton"]["joints"])
            return np.zeros((0, k, 2)), np.zeros((0, k))
        points, scores, *rest = self.run["people.onnx"](*maps, xy, roots[xy[:, 1], xy[:, 0]])
        if "near" in rules:
            kept = best_poses(points, rest[0].mean(axis=1), rules["near"])
            return points[kept], scores[kept]
        return points, scores


def best_boxes(boxes, scores, above):
    """Rows of boxes that no surer one overlaps by more than `above`."""
    order, kept = np.argsort(-scores, kind="stable"), []
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        order = order[shared / np.maximum(area[best] + area[order] - shared, 1e-6) <= above]
    return np.array(kept, dtype=int)


def best_poses(points, scores, near):
    """Rows of poses that are surer than all whose joints mostly lie close to theirs."""
    size = np.linalg.norm(np.ptp(points, axis=1), axis=1) * near
    gone, kept = np.zeros(len(points), bool), []
    for person in np.argsort(scores)[::-1]:
        if gone[person]:
            continue
        away = np.linalg.norm(points - points[person], axis=2)
        close = (away < size[person]).sum(axis=1) > points.shape[1] // 2
        close[person] = True
        best = np.flatnonzero(close)[scores[close].argmax()]
        if not gone[best]:
            kept.append(best)
            gone |= close
    return np.array(kept, dtype=int)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--box", type=float, nargs=4, action="append")
    args = parser.parse_args()
    method = Method(args.folder)
    picture = cv2.imread(str(args.picture))
    if picture is None:
        raise SystemExit(f"{args.picture}: no picture that OpenCV can read")
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    if "crop" in method.about:
        found = method.in_boxes(rgb, args.box or [[0, 0, rgb.shape[1], rgb.shape[0]]])
    else:
        found = method.everybody(rgb)
    names = method.about["skeleton"]["joints"]
    for number, person in enumerate(found, 1):
        print(f"person {number}")
        for name, (x, y, score) in zip(names, person, strict=True):
            print(f"  {name:<16}{x:8.1f}{y:8.1f}{score:8.3f}")


if __name__ == "__main__":
    main()
