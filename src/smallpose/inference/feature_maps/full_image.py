"""What whole-image networks see of people, cut at the boxes that top-down methods cut at (Fig. 6).

The picture goes through the network once; around each person his window is read off the maps,
place by place, without smoothing, so that a person who covers few cells of a map looks like that.
DEKR and CID have heatmaps of all people together. RTMO has none: of the cell that claims the
person's box most, the map is the product of its bins along x and along y, as for SimCC.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smallpose.core.boxes import to_xyxy
from smallpose.dataloading.affine import compute_warp_matrix, warp_points
from smallpose.dataloading.full_image.letterbox import apply_letterbox
from smallpose.dataloading.images import ImageArray
from smallpose.dataloading.top_down.batches import cut_boxes
from smallpose.methods.cid import CID
from smallpose.methods.full_image import FullImageMethod
from smallpose.methods.rtmo import BOX_PADDING, RTMO
from smallpose.models.codecs.center_heatmap import STRIDE
from smallpose.models.codecs.offsets import box_iou, corners_to_center_size, decode_boxes
from smallpose.models.heads.feature_levels import stack_levels
from smallpose.models.heads.rtmo import STRIDES, RTMOOutputs

Floats = NDArray[np.float64]

WINDOW_WH = (192, 256)  # px; what most top-down methods are shown of a person
MAP_WH = (WINDOW_WH[0] // STRIDE, WINDOW_WH[1] // STRIDE)


def compute_full_image_maps(
    method: FullImageMethod, picture: ImageArray, boxes_xywh: Floats
) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """One picture's people as a whole-image method sees them.

    Args:
        picture: (h, w, 3) uint8 RGB.
        boxes_xywh: (n, 4) px.
    Returns: (n, 256, 192, 3) crops, (n, 64, 48) heatmaps, the largest over the joints, and
        (n, 64, 48) lengths of the feature vectors; 0 where the network's picture ends.
    """
    fitting = method.fit_image((picture.shape[1], picture.shape[0]))
    shown = method.prepare(torch.from_numpy(apply_letterbox(picture, fitting, method.pad_value))[None])
    crops, center, scale = cut_boxes(picture, boxes_xywh, WINDOW_WH)
    rows, columns = np.mgrid[: MAP_WH[1], : MAP_WH[0]]
    places = np.stack([columns, rows], axis=-1) * STRIDE  # where a map's pixel stands in a crop
    seen_at = []
    for middle, sides in zip(center, scale, strict=True):
        to_crop = np.vstack([compute_warp_matrix(middle, sides, WINDOW_WH), [0, 0, 1]])
        in_picture = warp_points(places.astype(np.float64), np.linalg.inv(to_crop)[:2])
        seen_at.append(warp_points(in_picture, fitting.matrix))
    at = np.stack(seen_at) if seen_at else np.zeros((0, *places.shape))  # (n, 64, 48, 2) shown px
    levels = _compute_features(method, shown)
    if isinstance(method, RTMO):
        cells = method.head.head_module((levels[0], levels[1]))
        corners = to_xyxy(boxes_xywh).reshape(-1, 2, 2)
        boxes = warp_points(corners, fitting.matrix).reshape(-1, 4)
        heatmaps = _compute_rtmo_maps(method, cells, torch.from_numpy(boxes).float(), at)
        strong = _sample_map(_compute_norms(levels[0]), at, STRIDES[0], (STRIDES[0] - 1) / 2)
        return crops, heatmaps, strong
    stacked = stack_levels(levels)
    maps = method.get_submodule("head")(stacked)
    maps = maps[0] if isinstance(maps, tuple) else maps  # DEKR: heatmaps, then offsets
    # A pixel of CID's maps stands for the middle of its pixels, one of DEKR's for the first.
    off = STRIDE / 2 if isinstance(method, CID) else 0.0
    joints = maps[0, : len(method.skeleton)].amax(dim=0).double().cpu().numpy()
    return (
        crops,
        _sample_map(joints, at, STRIDE, off),
        _sample_map(_compute_norms(stacked), at, STRIDE, off),
    )


def _compute_features(method: FullImageMethod, shown: Tensor) -> list[Tensor]:
    """Features as the head gets them, finest first."""
    features = method.get_submodule("backbone")(shown)
    return list(method.neck(features)) if isinstance(method, RTMO) else list(features)


def _compute_norms(features: Tensor) -> Floats:
    """(1, c, h, w) to (h, w)."""
    lengths: Floats = torch.linalg.vector_norm(features[0].float(), dim=0).double().cpu().numpy()
    return lengths


def _sample_map(values: Floats, at: Floats, stride: int, off: float) -> Floats:
    """(h, w) map at the nearest of its places to (…, 2) px; place i stands at i * stride + off."""
    place = np.floor((at - off) / stride + 0.5).astype(np.int64)
    last = np.array(values.shape[::-1]) - 1
    inside = ((place >= 0) & (place <= last)).all(axis=-1)
    x, y = np.moveaxis(place.clip(0, last), -1, 0)
    read: Floats = np.where(inside, values[y, x], 0.0)
    return read


def _compute_rtmo_maps(method: RTMO, cells: RTMOOutputs, boxes: Tensor, at: Floats) -> Floats:
    """How likely a joint is in each pixel of the map, says the cell that claims each box most."""
    own = decode_boxes(cells.boxes, cells.points)[0].float().cpu()
    scores = cells.logits[0, :, 0].float().sigmoid().cpu()
    maps = np.zeros(at.shape[:3])
    for row, box in enumerate(boxes):
        cell = (scores * box_iou(own, box)).argmax()[None].to(cells.boxes.device)
        found = decode_boxes(cells.boxes, cells.points)[:, cell][0]
        _, *bins = method.classify(cells.poses[0, cell], found, cells.points.take(cell))
        center, size = corners_to_center_size(found)
        places = method.head.dcc.bins(center, size * BOX_PADDING)
        axes = []
        for axis, (p, place) in enumerate(zip(bins, places, strict=True)):
            along = at[row, 0, :, 0] if axis == 0 else at[row, :, 0, 1]
            axes.append(
                _resample_bins(p[0].double().cpu().numpy(), place[0].double().cpu().numpy(), along)
            )
        maps[row] = np.einsum("ky,kx->kyx", axes[1], axes[0]).max(axis=0)
    return maps


def _resample_bins(p: Floats, place: Floats, at: Floats) -> Floats:
    """(k, bins) probabilities of bins at (bins,) px to those of steps that stand at (m,) px."""
    step, width = float(at[1] - at[0]), float(place[1] - place[0])
    # A share of a bin for each step, in it or between it and the next; nothing beyond the box.
    whole = np.cumsum(np.pad(p, ((0, 0), (1, 0))), axis=1)
    edges = np.concatenate([place - width / 2, place[-1:] + width / 2])
    until = np.stack([np.interp(at + step / 2, edges, row) for row in whole])
    since = np.stack([np.interp(at - step / 2, edges, row) for row in whole])
    shares: Floats = until - since
    return shares
