"""CAL (Wang et al. 2021, "Low-resolution human pose estimation"): heatmaps and confident offsets.

HRNet-W32 whose last stage exists twice, once for heatmaps and once for the offset from each pixel
to the keypoint. Offsets are read where the heatmap is largest, so they are taught where it tends to
be largest: each batch fits a Gaussian to how far the maxima miss, and the offset loss is weighted
with it. Names of the weights are those of the authors' code, which have no prefix.

Not in MMPose, and SmallPose prints results (Table 2: 45.9 AP in setting A, 69.6 in B) but no
settings: the rate, sigma and offset weight are the authors' for 256 × 192. `cal_hrnet_w32` trains
at about one crop a second on one CPU core, `cal_hrnet_w16_tiny` at about a hundred and thirty.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.augmentation import Augmentation
from smallpose.methods.base import MethodCard, PoseMethod, Recipe
from smallpose.methods.hrnet import QUICK, TINY_QUICK
from smallpose.models.backbones.hrnet import (
    W16_TINY,
    W32,
    HRNet,
    HRNetConfig,
    init_convolutions,
    run_stage4,
    run_to_stage3,
)
from smallpose.models.backbones.resnet import BasicBlock
from smallpose.models.codecs import cal, heatmap
from smallpose.models.codecs.peaks import find_peak_pixels

W32_CARD = MethodCard(
    title="CAL",
    paradigm="top-down",
    parts="HRNet-W32 with two last stages, heatmaps and offsets",
    paper_ap={"A": (45.9, 34.4), "B": (69.6, 66.3)},
)
# 32 crops on each of four GPUs.
AUTHORS = Recipe(
    learning_rate=1e-3,
    batch_size=128,
    augment=Augmentation(shift=0, scale=0.35, rotate_deg=45),
)
W32_RECIPES = {"paper": AUTHORS, "mmpose": AUTHORS, "quick": QUICK}

TINY_CARD = MethodCard(
    title="CAL (tiny)",
    paradigm="top-down",
    parts="HRNet-W16 with two last stages, heatmaps and offsets, 96 × 64",
)

REACH = 3  # map px; how far the confidence mask reaches around a keypoint
_RIDGE = 1e-6  # on the diagonal of the fitted covariance
_EPS = 1e-5  # of the mask's own scaling

Outputs = tuple[Tensor, Tensor]
Targets = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """What CAL's target and loss are made with.

    Args:
        sigma: of the heatmaps, map px; the authors' is 2 at 256 × 192, 1 at 128 × 96 and 0.3 at
            64 × 48.
        offset_share: of the offset loss.
        confident: whether offsets are taught where the heatmap's maxima fall, or evenly near the
            keypoint.
    """

    sigma: float = 2.0
    offset_share: float = 1.0
    confident: bool = True


class CAL(PoseMethod):
    """Two maps of the same picture: where a keypoint may be, and how far off each pixel is."""

    udp_warp = True
    keypoint_layers = ("head_hm.final_layer_hm", "head_om.final_layer_om")
    transition3: nn.ModuleList
    stage4: nn.Module

    def __init__(
        self, skeleton: Skeleton, plan: HRNetConfig, teaching: Teaching, input_wh: tuple[int, int]
    ) -> None:
        super().__init__(skeleton, input_wh)
        trunk = HRNet(plan)
        # Published weights know the trunk's parts without a prefix.
        for name, part in trunk.named_children():
            self.add_module(name, part)
        self.transition3_om = trunk.make_transition(3)
        self.stage4_om = trunk.make_stage(4, every_level=False)
        init_convolutions(self.transition3_om)
        init_convolutions(self.stage4_om)
        self.head_hm = Head(plan.widths[0], len(skeleton), "hm")
        self.head_om = Head(plan.widths[0], 2 * len(skeleton), "om")
        self.teaching = teaching
        self.map_wh = (input_wh[0] // heatmap.STRIDE, input_wh[1] // heatmap.STRIDE)

    def is_backbone_weight(self, name: str) -> bool:
        """All but the heads and what leads to offsets; those begin by chance."""
        return not name.startswith("head_") and "_om." not in name

    def forward(self, pictures: Tensor) -> Outputs:
        """(b, 3, h, w) to heatmaps, (b, k, h / 4, w / 4), and offsets, (b, 2k, h / 4, w / 4)."""
        levels = run_to_stage3(self, pictures)
        heatmaps = self.head_hm(run_stage4(self.transition3, self.stage4, levels)[0])
        offsets = self.head_om(run_stage4(self.transition3_om, self.stage4_om, levels)[0])
        return heatmaps, offsets

    def targets(self, keypoints: Tensor) -> Targets:
        """(b, k, 3) keypoints to what `cal.encode` makes of them."""
        visible = keypoints[..., 2].clamp(max=1)
        places = self.input_wh, self.map_wh
        return cal.encode_cal(keypoints[..., :2], visible, *places, self.teaching.sigma)

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Half the mean squared error of the heatmaps, and the masked mean error of the offsets."""
        true_heatmaps, _, near, weights = targets
        mask = near
        if self.teaching.confident:
            mask = confidence_mask(outputs[0], true_heatmaps, weights)
        on_maps, on_offsets = heatmap_and_offset_loss(outputs, targets, mask)
        return {"heatmap": on_maps, "offset": self.teaching.offset_share * on_offsets}

    def flip_back(self, outputs: Outputs) -> Outputs:
        """Both mirrored back, sides exchanged, x offsets negated; UDP's grid needs no shift."""
        return cal.flip_back_cal(*outputs, self._mirror)

    def decode(self, outputs: Outputs) -> tuple[Tensor, Tensor]:
        """Each map's largest pixel, moved by the offset that stands there."""
        return cal.decode_cal(*outputs, self.input_wh)


class Head(nn.Module):
    """Two basic blocks and a 1×1 convolution.

    Args:
        width: of the features.
        maps: that come out.
        suffix: of the names of the weights, "hm" or "om".
    """

    def __init__(self, width: int, maps: int, suffix: str) -> None:
        super().__init__()
        self.final_block1 = BasicBlock(width, width, 1)
        self.add_module(f"final_block_{suffix}", BasicBlock(width, width, 1))
        init_convolutions(self)
        last = nn.Conv2d(width, maps, 1)
        nn.init.normal_(last.weight, std=0.001)
        assert last.bias is not None
        nn.init.zeros_(last.bias)
        self.add_module(f"final_layer_{suffix}", last)

    def forward(self, features: Tensor) -> Tensor:
        """(b, c, h, w) to (b, maps, h, w)."""
        for layer in self.children():
            features = layer(features)
        return features


@torch.no_grad()
def confidence_mask(heatmaps: Tensor, true_heatmaps: Tensor, weights: Tensor) -> Tensor:
    """Where offsets are taught: near each keypoint, as often as the maxima fall there.

    One Gaussian with full covariance is fitted to the whole batch's misses (predicted minus true
    maximum, whole pixels); its density on the 7 × 7 pixels around a keypoint's true maximum, made
    to run from 0 to 1, is that keypoint's mask.

    Args:
        heatmaps, true_heatmaps: (b, k, h, w).
        weights: (b, k); keypoints of weight 0 neither tell nor are taught anything.
    Returns: (b, k, h, w) in [0, 1].
    """
    h, w = heatmaps.shape[-2:]
    taught = weights > 0
    if not taught.any():
        return torch.zeros_like(true_heatmaps)
    true_pixel = find_peak_pixels(true_heatmaps)[0]  # (b, k, 2)
    pixel, largest = find_peak_pixels(heatmaps)
    pixel = pixel * (largest > 0)[..., None]  # where nothing is above 0, decoding says (0, 0) too
    misses = (pixel - true_pixel)[taught].double()
    patch = _density(misses)  # rows are y
    x = torch.arange(w, device=heatmaps.device) - true_pixel[..., 0, None, None]  # (b, k, 1, w)
    y = torch.arange(h, device=heatmaps.device)[:, None] - true_pixel[..., 1, None, None]
    inside = (x.abs() <= REACH) & (y.abs() <= REACH) & taught[..., None, None]
    there = patch[(y + REACH).clamp(0, 2 * REACH), (x + REACH).clamp(0, 2 * REACH)]
    mask = torch.where(inside, there, torch.zeros_like(there))
    low, high = mask.amin(dim=(-2, -1), keepdim=True), mask.amax(dim=(-2, -1), keepdim=True)
    return ((mask - low) / (high - low + _EPS)).to(true_heatmaps.dtype)


def _density(misses: Tensor) -> Tensor:
    """(n, 2) x, y in px to (7, 7): the fitted Gaussian on whole offsets, rows are y."""
    mean = misses.mean(dim=0)
    centred = misses - mean
    xx, xy, yy = (
        (centred[:, i] * centred[:, j]).mean() + (_RIDGE if i == j else 0)
        for i, j in ((0, 0), (0, 1), (1, 1))
    )
    determinant = xx * yy - xy * xy
    steps = torch.arange(-REACH, REACH + 1, device=misses.device, dtype=misses.dtype)
    dx, dy = steps - mean[0], (steps - mean[1])[:, None]
    away = (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / determinant
    return torch.exp(-away / 2) / (2 * math.pi * determinant.sqrt())


def heatmap_and_offset_loss(
    outputs: Outputs, targets: Targets, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Half the mean squared error of the heatmaps, and the mean error of the masked offsets.

    Args:
        outputs: (b, k, h, w) heatmaps and (b, 2k, h, w) offsets.
        targets: what `cal.encode` returns.
        mask: (b, k, h, w), how much each pixel's offset counts.
    """
    heatmaps, offsets = outputs
    true_heatmaps, true_offsets, _, weights = targets
    weight = weights[..., None, None]
    on_maps = 0.5 * ((heatmaps - true_heatmaps) * weight).square().mean()
    b, k, h, w = heatmaps.shape
    error = (offsets - true_offsets).abs().view(b, k, 2, h, w)
    return on_maps, (error * (mask * weight)[:, :, None]).mean()


def create_hrnet_w32(skeleton: Skeleton) -> CAL:
    """HRNet-W32 at 256 × 192, 49.3 M parameters."""
    method = CAL(skeleton, W32, Teaching(), (192, 256))
    method.name, method.card, method.recipes = "cal_hrnet_w32", W32_CARD, W32_RECIPES
    return method


def create_hrnet_w16_tiny(skeleton: Skeleton) -> CAL:
    """HRNet-W16 with one module a stage at 96 × 64, 1.2 M parameters."""
    method = CAL(skeleton, W16_TINY, Teaching(sigma=1.0), (64, 96))
    method.name, method.card = "cal_hrnet_w16_tiny", TINY_CARD
    method.recipes = {"quick": TINY_QUICK} | {n: W32_RECIPES[n] for n in ("paper", "mmpose")}
    return method
