"""CAL (Wang et al. 2021, "Low-resolution human pose estimation"): heatmaps and confident offsets.

HRNet-W32 whose last stage exists twice, once for heatmaps and once for the offset from each pixel
to the keypoint. Offsets are read at the heatmap's maximum, so they are supervised where it tends to
be: each batch fits a Gaussian to the errors of the maxima, and the offset loss is weighted with it.
Weight names are those of the authors' code, which have no prefix.

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
    run_stage4,
    run_to_stage3,
)
from smallpose.models.backbones.resnet import BasicBlock
from smallpose.models.codecs.cal import decode_cal, encode_cal, flip_back_cal
from smallpose.models.codecs.heatmap import STRIDE
from smallpose.models.codecs.peaks import find_peak_pixels
from smallpose.models.layers import init_convolutions

W32_CARD = MethodCard(
    title="CAL",
    paradigm="top-down",
    parts="HRNet-W32 with two last stages, heatmaps and offsets",
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

MASK_RADIUS = 3  # map px; extent of the confidence mask around a keypoint
_RIDGE = 1e-6  # on the diagonal of the fitted covariance
_EPS = 1e-5  # of the mask's scaling to [0, 1]

Outputs = tuple[Tensor, Tensor]
Targets = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class CALSupervision:
    """Settings of CAL's targets and loss.

    Args:
        sigma: of the heatmaps, map px; the authors' is 2 at 256 × 192, 1 at 128 × 96 and 0.3 at
            64 × 48.
        offset_weight: of the offset loss.
        confident: whether offsets are supervised where the heatmap's maxima fall, or evenly near
            the keypoint.
    """

    sigma: float = 2.0
    offset_weight: float = 1.0
    confident: bool = True


class CAL(PoseMethod):
    """Heatmaps, and at each pixel the offset to the keypoint."""

    udp_warp = True
    keypoint_layers = ("head_hm.final_layer_hm", "head_om.final_layer_om")
    transition3: nn.ModuleList
    stage4: nn.Module

    def __init__(
        self,
        skeleton: Skeleton,
        config: HRNetConfig,
        supervision: CALSupervision,
        input_wh: tuple[int, int],
    ) -> None:
        super().__init__(skeleton, input_wh)
        trunk = HRNet(config)
        # Published weights have the trunk's parts without a prefix.
        for name, part in trunk.named_children():
            self.add_module(name, part)
        self.transition3_om = trunk.make_transition(3)
        self.stage4_om = trunk.make_stage(4, every_level=False)
        init_convolutions(self.transition3_om)
        init_convolutions(self.stage4_om)
        self.head_hm = CALHead(config.widths[0], len(skeleton), "hm")
        self.head_om = CALHead(config.widths[0], 2 * len(skeleton), "om")
        self.supervision = supervision

    @property
    def map_wh(self) -> tuple[int, int]:
        """Return the size of the heatmaps."""
        return self.input_wh[0] // STRIDE, self.input_wh[1] // STRIDE

    def is_backbone_weight(self, name: str) -> bool:
        """Return true for all but the heads and the offsets' stage, which start from scratch."""
        return not name.startswith("head_") and "_om." not in name

    def forward(self, images: Tensor) -> Outputs:
        """Map (b, 3, h, w) to heatmaps, (b, k, h / 4, w / 4), and offsets, (b, 2k, …)."""
        levels = run_to_stage3(self, images)
        heatmaps = self.head_hm(run_stage4(self.transition3, self.stage4, levels)[0])
        offsets = self.head_om(run_stage4(self.transition3_om, self.stage4_om, levels)[0])
        return heatmaps, offsets

    def targets(self, keypoints: Tensor) -> Targets:
        """Encode (b, k, 3) keypoints with `encode_cal`."""
        visible = keypoints[..., 2].clamp(max=1)
        return encode_cal(
            keypoints[..., :2], visible, self.input_wh, self.map_wh, self.supervision.sigma
        )

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Compute half the squared error of heatmaps, and the masked absolute error of offsets."""
        true_heatmaps, _, mask, weights = targets
        if self.supervision.confident:
            mask = compute_confidence_mask(outputs[0], true_heatmaps, weights)
        heatmap_loss, offset_loss = heatmap_and_offset_loss(outputs, targets, mask)
        return {"heatmap": heatmap_loss, "offset": self.supervision.offset_weight * offset_loss}

    def flip_back(self, outputs: Outputs) -> Outputs:
        """Flip both back, left and right swapped, x offsets negated; UDP's grid needs no shift."""
        return flip_back_cal(*outputs, self._flip_indices)

    def decode(self, outputs: Outputs) -> tuple[Tensor, Tensor]:
        """Decode each map's maximum plus the offset at it."""
        return decode_cal(*outputs, self.input_wh)


class CALHead(nn.Module):
    """Two basic blocks and a 1×1 convolution.

    Args:
        width: channels of the features.
        num_maps: number of output maps.
        suffix: of the names of the weights, "hm" or "om".
    """

    def __init__(self, width: int, num_maps: int, suffix: str) -> None:
        super().__init__()
        self.final_block1 = BasicBlock(width, width, 1)
        self.add_module(f"final_block_{suffix}", BasicBlock(width, width, 1))
        init_convolutions(self)
        last = nn.Conv2d(width, num_maps, 1)
        nn.init.normal_(last.weight, std=0.001)
        assert last.bias is not None
        nn.init.zeros_(last.bias)
        self.add_module(f"final_layer_{suffix}", last)

    def forward(self, features: Tensor) -> Tensor:
        """Map (b, c, h, w) to (b, num_maps, h, w)."""
        for layer in self.children():
            features = layer(features)
        return features


@torch.no_grad()
def compute_confidence_mask(heatmaps: Tensor, true_heatmaps: Tensor, weights: Tensor) -> Tensor:
    """Compute the weights of the offset loss: near each keypoint, how often maxima fall there.

    One Gaussian with full covariance is fitted to the batch's errors (predicted minus true
    maximum, whole pixels); its density on the 7 × 7 pixels around a keypoint's true maximum, scaled
    to run from 0 to 1, is that keypoint's mask.

    Args:
        heatmaps, true_heatmaps: (b, k, h, w).
        weights: (b, k); keypoints of weight 0 neither count nor are supervised.
    Returns: (b, k, h, w) in [0, 1].
    """
    h, w = heatmaps.shape[-2:]
    is_supervised = weights > 0
    if not is_supervised.any():
        return torch.zeros_like(true_heatmaps)
    true_pixels = find_peak_pixels(true_heatmaps)[0]  # (b, k, 2)
    pixels, maxima = find_peak_pixels(heatmaps)
    pixels = pixels * (maxima > 0)[..., None]  # decoding also gives (0, 0) where nothing is above 0
    errors = (pixels - true_pixels)[is_supervised].double()
    patch = _fit_error_density(errors)  # rows are y
    x = torch.arange(w, device=heatmaps.device) - true_pixels[..., 0, None, None]  # (b, k, 1, w)
    y = torch.arange(h, device=heatmaps.device)[:, None] - true_pixels[..., 1, None, None]
    is_near = (x.abs() <= MASK_RADIUS) & (y.abs() <= MASK_RADIUS) & is_supervised[..., None, None]
    rows, columns = ((axis + MASK_RADIUS).clamp(0, 2 * MASK_RADIUS) for axis in (y, x))
    density = patch[rows, columns]
    mask = torch.where(is_near, density, torch.zeros_like(density))
    low = mask.amin(dim=(-2, -1), keepdim=True)
    high = mask.amax(dim=(-2, -1), keepdim=True)
    return ((mask - low) / (high - low + _EPS)).to(true_heatmaps.dtype)


def _fit_error_density(errors: Tensor) -> Tensor:
    """Fit a Gaussian to (n, 2) errors x, y in px; return its density on a (7, 7) grid, rows y."""
    mean = errors.mean(dim=0)
    x, y = (errors - mean).unbind(dim=1)
    xx = (x * x).mean() + _RIDGE
    xy = (x * y).mean()
    yy = (y * y).mean() + _RIDGE
    determinant = xx * yy - xy * xy
    steps = torch.arange(-MASK_RADIUS, MASK_RADIUS + 1, device=errors.device, dtype=errors.dtype)
    dx = steps - mean[0]
    dy = (steps - mean[1])[:, None]
    squared = (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / determinant
    return torch.exp(-squared / 2) / (2 * math.pi * determinant.sqrt())


def heatmap_and_offset_loss(
    outputs: Outputs, targets: Targets, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute half the squared error of heatmaps and the masked absolute error of offsets, means.

    Args:
        outputs: (b, k, h, w) heatmaps and (b, 2k, h, w) offsets.
        targets: what `encode_cal` returns.
        mask: (b, k, h, w), weight of each pixel's offset.
    """
    heatmaps, offsets = outputs
    true_heatmaps, true_offsets, _, weights = targets
    weight = weights[..., None, None]
    heatmap_loss = 0.5 * ((heatmaps - true_heatmaps) * weight).square().mean()
    b, k, h, w = heatmaps.shape
    error = (offsets - true_offsets).abs().view(b, k, 2, h, w)
    return heatmap_loss, (error * (mask * weight)[:, :, None]).mean()


def create_hrnet_w32(skeleton: Skeleton) -> CAL:
    """Create CAL with HRNet-W32 for 256 × 192, 49.3 M parameters."""
    method = CAL(skeleton, W32, CALSupervision(), (192, 256))
    method.name = "cal_hrnet_w32"
    method.card = W32_CARD
    method.recipes = W32_RECIPES
    return method


def create_hrnet_w16_tiny(skeleton: Skeleton) -> CAL:
    """Create CAL with HRNet-W16, one module a stage, for 96 × 64, 1.2 M parameters."""
    method = CAL(skeleton, W16_TINY, CALSupervision(sigma=1.0), (64, 96))
    method.name = "cal_hrnet_w16_tiny"
    method.card = TINY_CARD
    method.recipes = {"quick": TINY_QUICK} | {n: W32_RECIPES[n] for n in ("paper", "mmpose")}
    return method
