"""Modules that are exported as ONNX graphs: methods with their normalisation and decoding inside.

A top-down method is one graph. A full-image method is two: the first computes maps or cells of
images, the caller selects people, and the second decodes those. The names of inputs and outputs are
those in the files; `examples/onnx_predict.py` uses them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallpose.methods.base import PoseMethod
from smallpose.methods.cid import CID, choose_peak_kernel, smooth_heatmaps
from smallpose.methods.dekr import DEKR, PEAK_KERNEL
from smallpose.methods.rtmo import RTMO
from smallpose.models.codecs import heatmap
from smallpose.models.codecs.center_heatmap import STRIDE, half_map_pixel
from smallpose.models.codecs.offsets import corners_to_center_size, decode_boxes
from smallpose.models.codecs.spr import sample_scores
from smallpose.models.heads.cid import sample_at_roots
from smallpose.models.heads.rtmo import BOX_PADDING


class Crops(nn.Module):
    """Maps (n, h, w, 3) uint8 RGB crops to (n, k, 2) keypoints in crop px and (n, k) scores."""

    inputs = ("crops",)
    outputs = ("keypoints", "scores")

    def __init__(self, method: PoseMethod, flip_test: bool) -> None:
        super().__init__()
        self.method, self.flip_test = method, flip_test

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Compute what `PoseMethod.predict_crops` does before it maps keypoints to the image."""
        method = self.method
        return method.decode(method.compute_outputs(method.prepare(crops), self.flip_test))


class RtmoCells(nn.Module):
    """Maps (b, h, w, 3) uint8 RGB images to the outputs of their p grid cells."""

    inputs = ("pictures",)
    outputs = ("scores", "boxes_xyxy", "visible", "poses", "points")

    def __init__(self, method: RTMO) -> None:
        super().__init__()
        self.method = method

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute all cells of the images.

        Returns: (b, p) scores, (b, p, 4) boxes in px, (b, p, k) visibility, (b, p, c) pose vectors
            and (p, 2) points of the cells.
        """
        outputs = self.method.run_network(self.method.prepare(images))
        boxes = decode_boxes(outputs.bbox_preds, outputs.grid_points)
        scores = outputs.cls_scores.sigmoid()[..., 0]
        return scores, boxes, outputs.kpt_vis.sigmoid(), outputs.pose_vecs, outputs.xy


class RtmoPeople(nn.Module):
    """Maps selected cells to (n, k, 2) keypoints, px of the network's input."""

    inputs = ("poses", "boxes_xyxy", "points")
    outputs = ("keypoints",)

    def __init__(self, method: RTMO) -> None:
        super().__init__()
        self.dcc = method.head.dcc

    def forward(self, pose_vecs: Tensor, boxes: Tensor, points: Tensor) -> Tensor:
        """Decode (n, c) pose vectors with their (n, 4) boxes and (n, 2) points."""
        center, size = corners_to_center_size(boxes)
        return self.dcc(pose_vecs, center, size * BOX_PADDING, points)[0]


def _suppress_non_peaks(maps: Tensor, kernel: int) -> Tensor:
    """Set (b, h, w) maps to 0 except where they are the maximum of their neighbourhood."""
    pooled = F.max_pool2d(maps[:, None], kernel, 1, kernel // 2)[:, 0]
    return torch.where(pooled == maps, maps, torch.zeros_like(maps))


class DekrMaps(nn.Module):
    """Maps (b, h, w, 3) uint8 RGB images to peaks of roots, heatmaps and offsets at stride 4."""

    inputs = ("pictures",)
    outputs = ("roots", "heatmaps", "offsets")

    def __init__(self, method: DEKR, flip_test: bool) -> None:
        super().__init__()
        self.method, self.flip_test = method, flip_test

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute (b, h, w) root peaks, (b, k, h, w) heatmaps and (b, 2k, h, w) offsets."""
        heatmaps, offsets = self.method.compute_maps(self.method.prepare(images), self.flip_test)
        return _suppress_non_peaks(heatmaps[:, -1], PEAK_KERNEL), heatmaps[:, :-1], offsets


class DekrPeople(nn.Module):
    """Maps selected roots of one image to keypoints, px of the network's input."""

    inputs = ("heatmaps", "offsets", "roots_xy", "root_scores")
    outputs = ("keypoints", "scores", "unranked")

    def __init__(self, method: DEKR) -> None:
        super().__init__()
        self.rescore_net = method.head.rescore_net if method.rescore else None

    def forward(
        self, heatmaps: Tensor, offsets: Tensor, roots: Tensor, root_scores: Tensor
    ) -> tuple[Tensor, ...]:
        """Decode the people of an image.

        Args:
            heatmaps, offsets: (k, h, w) and (2k, h, w).
            roots, root_scores: (n, 2) integer x, y in map px, and (n,).
        Returns: (n, k, 2) keypoints, (n, k) scores, and (n, k) scores without those of the roots,
            by whose mean the best of close people is kept.
        """
        index = roots[:, 1] * heatmaps.shape[-1] + roots[:, 0]
        offsets_at_roots = offsets.flatten(1)[:, index].T.unflatten(1, (heatmaps.shape[0], 2))
        points = roots[:, None].to(offsets_at_roots.dtype) + offsets_at_roots
        keypoint_scores = sample_scores(heatmaps, points)
        points = points * STRIDE
        if self.rescore_net is not None:
            factors = self.rescore_net(points, keypoint_scores)
            root_scores = root_scores * factors.nan_to_num(nan=0.0)
        return points, keypoint_scores * root_scores[:, None], keypoint_scores


class CidMaps(nn.Module):
    """Maps (b, h, w, 3) uint8 RGB images to peaks of roots, and features at stride 4."""

    inputs = ("pictures",)
    outputs = ("roots", "features")

    def __init__(self, method: CID, flip_test: bool) -> None:
        super().__init__()
        self.method, self.flip_test = method, flip_test

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute (b, h, w) root peaks and (b, passes, c, h, w) features, plain and mirrored."""
        x = self.method.prepare(images)
        passes = [self.method.run_network(x)[1]]
        if self.flip_test:
            passes.append(self.method.run_network(x.flip(-1))[1].flip(-1))
        roots = sum(self.method.head(f)[:, -1:] for f in passes) / len(passes)
        kernel = choose_peak_kernel(*passes[0].shape[2:])
        return _suppress_non_peaks(smooth_heatmaps(roots)[:, 0], kernel), torch.stack(passes, dim=1)


class CidPeople(nn.Module):
    """Maps selected roots of one image to keypoints, px of the network's input."""

    inputs = ("features", "roots_xy", "root_scores")
    outputs = ("keypoints", "scores")

    def __init__(self, method: CID, flip_test: bool) -> None:
        super().__init__()
        self.gfd_module = method.head.gfd_module
        self.flip_test = flip_test
        self.register_buffer("flip_indices", torch.from_numpy(method.skeleton.flip_indices))

    def forward(self, features: Tensor, roots: Tensor, root_scores: Tensor) -> tuple[Tensor, ...]:
        """Decode the people of an image.

        Args:
            features: (passes, c, h, w).
            roots, root_scores: (n, 2) integer x, y in map px, and (n,).
        """
        heatmaps = self._decouple(features[:1], roots)
        if self.flip_test:
            mirrored = self._decouple(features[1:2], roots)
            heatmaps = (heatmaps + mirrored[:, self.get_buffer("flip_indices")]) / 2
        points, maxima = heatmap.decode_heatmaps(smooth_heatmaps(heatmaps))
        h, w = features.shape[2:]
        points = points + points.new_tensor(half_map_pixel((h, w), (h * STRIDE, w * STRIDE)))
        return points, maxima * root_scores[:, None]

    def _decouple(self, features: Tensor, roots: Tensor) -> Tensor:
        """Compute the (n, k, h, w) heatmaps of each person."""
        image_index = torch.zeros_like(roots[:, 0])
        instances = sample_at_roots(features, image_index, roots)
        return self.gfd_module(features, image_index, instances, roots)
