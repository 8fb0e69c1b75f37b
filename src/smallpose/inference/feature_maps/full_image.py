"""Feature maps and heatmaps of full-image networks, in the windows of top-down methods (Fig. 6).

The image passes through the network once. For each person the maps are sampled in the window of
their box, at the nearest map pixel and without smoothing, so that a person who covers few map
pixels looks like that. DEKR and CID have heatmaps of all people together. RTMO has none: its map
is the product of the bins along x and along y, as for SimCC, of the cell that matches the person's
box best.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smallpose.core.boxes import to_xyxy
from smallpose.dataloading.affine import compute_warp_matrix, warp_points
from smallpose.dataloading.full_image.letterbox import Letterbox, apply_letterbox
from smallpose.dataloading.images import ImageArray
from smallpose.dataloading.top_down.batches import cut_boxes
from smallpose.methods.cid import CID
from smallpose.methods.full_image import FullImageMethod
from smallpose.methods.rtmo import RTMO
from smallpose.models.codecs.center_heatmap import STRIDE
from smallpose.models.codecs.offsets import box_iou, decode_boxes
from smallpose.models.heads.feature_levels import stack_levels
from smallpose.models.heads.rtmo import STRIDES, RTMOOutputs

Floats = NDArray[np.float64]

WINDOW_WH = (192, 256)  # px; the input of most top-down methods
MAP_WH = (WINDOW_WH[0] // STRIDE, WINDOW_WH[1] // STRIDE)


def compute_full_image_maps(
    method: FullImageMethod, image: ImageArray, boxes_xywh: Floats
) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """Compute the maps of one image's people.

    Args:
        image: (h, w, 3) uint8 RGB.
        boxes_xywh: (n, 4) px.
    Returns: (n, 256, 192, 3) crops, (n, 64, 48) heatmaps, the maximum over the joints, and
        (n, 64, 48) norms of the feature vectors; 0 outside of the network's input.
    """
    letterbox = method.fit_image((image.shape[1], image.shape[0]))
    pixels = apply_letterbox(image, letterbox, method.pad_value)
    network_input = method.prepare(torch.from_numpy(pixels)[None])
    crops, center, scale = cut_boxes(image, boxes_xywh, WINDOW_WH)
    positions = _locate_map_pixels(center, scale, letterbox)
    levels = _compute_features(method, network_input)
    if isinstance(method, RTMO):
        outputs = method.head.head_module((levels[0], levels[1]))
        corners = to_xyxy(boxes_xywh).reshape(-1, 2, 2)
        boxes = warp_points(corners, letterbox.matrix).reshape(-1, 4)
        heatmaps = _compute_rtmo_maps(method, outputs, torch.from_numpy(boxes).float(), positions)
        finest = _compute_norms(levels[0])
        norms = _sample_map(finest, positions, STRIDES[0], (STRIDES[0] - 1) / 2)
        return crops, heatmaps, norms
    features = stack_levels(levels)
    maps = method.get_submodule("head")(features)
    maps = maps[0] if isinstance(maps, tuple) else maps  # DEKR: heatmaps, then offsets
    # A map pixel of CID represents the middle of its image pixels, one of DEKR's the first.
    offset = STRIDE / 2 if isinstance(method, CID) else 0.0
    joints = maps[0, : len(method.skeleton)].amax(dim=0).double().cpu().numpy()
    heatmaps = _sample_map(joints, positions, STRIDE, offset)
    return crops, heatmaps, _sample_map(_compute_norms(features), positions, STRIDE, offset)


def _locate_map_pixels(center: Floats, scale: Floats, letterbox: Letterbox) -> Floats:
    """Locate the pixels of each person's map in the network's input.

    Args:
        center, scale: (n, 2) of the windows, image px.
    Returns: (n, 64, 48, 2) network px.
    """
    rows, columns = np.mgrid[: MAP_WH[1], : MAP_WH[0]]
    in_crop = np.stack([columns, rows], axis=-1) * STRIDE
    positions = [np.zeros((0, *in_crop.shape))]
    for window_center, window_scale in zip(center, scale, strict=True):
        matrix = compute_warp_matrix(window_center, window_scale, WINDOW_WH)
        inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
        in_image = warp_points(in_crop.astype(np.float64), inverse)
        positions.append(warp_points(in_image, letterbox.matrix)[None])
    return np.concatenate(positions)


def _compute_features(method: FullImageMethod, network_input: Tensor) -> list[Tensor]:
    """Compute the inputs of the head, the finest level first."""
    features = method.get_submodule("backbone")(network_input)
    return list(method.neck(features)) if isinstance(method, RTMO) else list(features)


def _compute_norms(features: Tensor) -> Floats:
    """Compute the (h, w) norms of (1, c, h, w) feature vectors."""
    norms: Floats = torch.linalg.vector_norm(features[0].float(), dim=0).double().cpu().numpy()
    return norms


def _sample_map(values: Floats, positions: Floats, stride: int, offset: float) -> Floats:
    """Sample an (h, w) map at the pixels nearest to (…, 2) px, 0 outside.

    Map pixel i is at i * stride + offset.
    """
    index = np.floor((positions - offset) / stride + 0.5).astype(np.int64)
    last = np.array(values.shape[::-1]) - 1
    is_inside = ((index >= 0) & (index <= last)).all(axis=-1)
    x, y = np.moveaxis(index.clip(0, last), -1, 0)
    samples: Floats = np.where(is_inside, values[y, x], 0.0)
    return samples


def _compute_rtmo_maps(
    method: RTMO, outputs: RTMOOutputs, boxes: Tensor, positions: Floats
) -> Floats:
    """Compute the (n, 64, 48) probabilities of joints, from the cell that matches each box best."""
    predicted_boxes = decode_boxes(outputs.bbox_preds, outputs.grid_points)  # (1, p, 4)
    boxes_on_cpu = predicted_boxes[0].float().cpu()
    scores = outputs.cls_scores[0, :, 0].float().sigmoid().cpu()
    maps = np.zeros(positions.shape[:3])
    for row, box in enumerate(boxes):
        best = (scores * box_iou(boxes_on_cpu, box)).argmax()[None]
        cell = best.to(outputs.bbox_preds.device)
        cell_box = predicted_boxes[0, cell]
        pose_vecs = outputs.pose_vecs[0, cell]
        _, p_x, p_y = method.head.classify(pose_vecs, cell_box, outputs.xy[cell])
        bins_x, bins_y = method.head.allocate_bins(cell_box)
        along_x = _resample_bins(_to_numpy(p_x[0]), _to_numpy(bins_x[0]), positions[row, 0, :, 0])
        along_y = _resample_bins(_to_numpy(p_y[0]), _to_numpy(bins_y[0]), positions[row, :, 0, 1])
        maps[row] = np.einsum("ky,kx->kyx", along_y, along_x).max(axis=0)
    return maps


def _to_numpy(tensor: Tensor) -> Floats:
    array: Floats = tensor.double().cpu().numpy()
    return array


def _resample_bins(p: Floats, bins: Floats, positions: Floats) -> Floats:
    """Resample (k, b) probabilities of bins at (b,) px to steps around (m,) px."""
    step = float(positions[1] - positions[0])
    width = float(bins[1] - bins[0])
    # Each step gets its share of the bins that it overlaps, and nothing beyond the box.
    cumulative = np.cumsum(np.pad(p, ((0, 0), (1, 0))), axis=1)
    edges = np.concatenate([bins - width / 2, bins[-1:] + width / 2])
    upper = np.stack([np.interp(positions + step / 2, edges, row) for row in cumulative])
    lower = np.stack([np.interp(positions - step / 2, edges, row) for row in cumulative])
    shares: Floats = upper - lower
    return shares
