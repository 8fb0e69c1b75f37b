"""A method for small people in one file: maps of probability, read where OKS is expected highest.

    smallpose train examples/expected_oks.py --data set --out runs/expected_oks

Methods for photographs halve the image twice in their first layers. Of a small person, whose crop
is enlarged, that drops what little there is. Here each 4 × 4 px become the channels of one cell
first (space to depth), so that the first convolution sees all of them, and a U-Net brings them to
maps at stride 4 by a short way.

A map is a distribution over where its joint is. OKS says what a place near a joint is worth, so a
place is worth its mean over the distribution: its expected OKS. The place where that is largest is
decoded, between the pixels of the map, and the value is its score, because AP ranks people by their
scores and counts their OKS. Labels are uncertain by OKS's sigmas (COCO measured these so), hence
the loss is the likelihood of a label that lies about the joint by so much. It is largest where all
mass is in one pixel, so the place within a pixel is lost: AP50 is high and AP75 low.

It costs as many multiplications as `simple_baseline_r18_tiny` (18.3 and 18.7 million for a crop of
96 × 64). Results are in `bench/README.md`, under "a method for small people".
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from smallpose import Skeleton
from smallpose.core.skeleton import SIGMAS
from smallpose.dataloading.augmentation import Augmentation
from smallpose.methods import MethodCard, PoseMethod, Recipe
from smallpose.models.backbones.resnet import BasicBlock
from smallpose.models.codecs.peaks import find_peak_pixels
from smallpose.models.layers import init_convolutions, make_conv

STRIDE = 4
OFFSET_PX = (STRIDE - 1) / 2  # crop px of the middle of a map's first pixel; its grid is symmetric
WIDTHS = (24, 40, 80)  # channels at strides 4, 8 and 16
NUM_BLOCKS = (1, 2)  # at strides 8 and 16 on the way down; one at strides 8 and 4 on the way up
# Area of boxes as a share of the crop's squared height: they are 1 / 1.25 of it high, and about
# 0.36 of that wide.
AREA_SHARE = 0.36 / 1.25**2
MIN_SIGMA = 0.3  # map px; where in its pixel a joint is, is unknown
MIN_LIKELIHOOD = 1e-6  # a label that the map excludes costs at most -log of this
# The augmentation of `simple_baseline_r18_tiny`, for trainings of few epochs.
QUICK = Recipe(
    optimizer="adamw",
    learning_rate=3e-3,
    weight_decay=0.01,
    batch_size=32,
    epochs=6,
    schedule="one_cycle",
    warm_up=20,
    augment=Augmentation(half_body=0, shift=0.08, scale=0.15, rotate_deg=20, rotate_chance=0.4),
)

# Factors of the pixels' weights along x (b, k, w) and y (b, k, h); which are labelled (b, k).
Targets = tuple[Tensor, Tensor, Tensor]


class _UNet(nn.Module):
    """Space to depth and a convolution, residual blocks at strides 8, 16, …, and back."""

    def __init__(self, widths: Sequence[int], num_blocks: Sequence[int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(STRIDE),
            make_conv(3 * STRIDE**2, widths[0], 3),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        self.down = nn.ModuleList()
        for (fine, coarse), number in zip(pairwise(widths), num_blocks, strict=True):
            blocks = [BasicBlock(fine, coarse, 2)]
            blocks += [BasicBlock(coarse, coarse, 1) for _ in range(number - 1)]
            self.down.append(nn.Sequential(*blocks))
        self.lateral = nn.ModuleList(
            nn.Sequential(make_conv(coarse, fine, 1), nn.BatchNorm2d(fine))
            for fine, coarse in pairwise(widths)
        )
        self.up = nn.ModuleList(BasicBlock(width, width, 1) for width in widths[:-1])
        init_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) images to (b, c, h / 4, w / 4) features."""
        x = self.stem(images)
        features: list[Tensor] = []
        for blocks in self.down:
            features.append(x)
            x = blocks(x)
        for level in reversed(range(len(self.lateral))):
            fine = features[level]
            coarse = functional.interpolate(self.lateral[level](x), fine.shape[-2:], mode="nearest")
            x = self.up[level](torch.relu(fine + coarse))
        return x


class ExpectedOKS(PoseMethod):
    """The U-Net and a 1×1 convolution to a map of each joint, 0.3 M parameters."""

    card = MethodCard(
        title="Expected OKS",
        paradigm="top-down",
        parts="space to depth, U-Net of strides 4 to 16, maps read by expected OKS, 96 × 64",
    )
    recipes = {"quick": QUICK}  # noqa: RUF012 (a mapping, as in every method)
    score_rule = "box_times_mean"
    _sigmas: Tensor

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__(skeleton, input_wh=(64, 96))
        self.backbone = _UNet(WIDTHS, NUM_BLOCKS)
        final_layer = nn.Conv2d(WIDTHS[0], len(skeleton), 1)
        nn.init.normal_(final_layer.weight, std=0.01)
        nn.init.constant_(final_layer.bias, 0)  # type: ignore[arg-type]
        self.head = nn.Sequential()
        self.head.add_module("final_layer", final_layer)
        self.register_buffer("_sigmas", _find_sigmas(skeleton), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) crops to (b, k, h / 4, w / 4); their softmax are probabilities."""
        logits: Tensor = self.head(self.backbone(images))
        return logits

    def targets(self, keypoints: Tensor) -> Targets:
        """Encode (b, k, 3) keypoints as how well each pixel explains the label."""
        w, h = self._map_wh
        points = (keypoints[..., :2].float() - OFFSET_PX) / STRIDE
        end = points.new_tensor([w - 0.5, h - 0.5])
        is_inside = ((points > -0.5) & (points < end)).all(dim=-1)
        is_labelled = is_inside & (keypoints[..., 2] > 0)
        points = torch.where(is_labelled[..., None], points, torch.zeros_like(points))
        sigmas = self._compute_map_sigmas(1.0)
        x_weights = _evaluate_gaussian(points[..., 0], w, sigmas)
        y_weights = _evaluate_gaussian(points[..., 1], h, sigmas)
        return x_weights, y_weights, is_labelled

    def loss(self, outputs: Tensor, targets: Targets) -> dict[str, Tensor]:
        """Compute the mean of -log of the likelihood of the labels, up to a constant."""
        x_weights, y_weights, is_labelled = targets
        masses = (outputs - outputs.detach().amax(dim=(-2, -1), keepdim=True)).exp()
        rows = torch.matmul(masses, x_weights[..., None])[..., 0]
        likelihood = (rows * y_weights).sum(dim=-1) / masses.sum(dim=(-2, -1))
        nll = -(likelihood + MIN_LIKELIHOOD).log()
        return {"labels": (nll * is_labelled).sum() / is_labelled.sum().clamp(min=1)}

    def flip_back(self, outputs: Tensor) -> Tensor:
        """Flip maps back: left and right swapped; the grid needs no shift."""
        return outputs[:, self._flip_indices].flip(-1)

    def decode(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (b, k, 2) places of largest expected OKS, and its (b, k) values."""
        expected = self.compute_expected_oks(outputs)
        pixels, scores = find_peak_pixels(expected)
        log_maps = expected.clamp(min=1e-9).log()
        steps = [_find_vertex(log_maps, pixels, axis) for axis in (0, 1)]
        return (pixels + torch.stack(steps, dim=-1)) * STRIDE + OFFSET_PX, scores

    def compute_expected_oks(self, outputs: Tensor) -> Tensor:
        """Return (b, k, h, w) the expected OKS of a keypoint in the middle of each pixel."""
        w, h = self._map_wh
        sigmas = self._compute_map_sigmas(2.0)[:, None]  # OKS has a factor of 2
        x_kernel, y_kernel = (
            _evaluate_gaussian(torch.arange(n, device=outputs.device)[None], n, sigmas)
            for n in (w, h)
        )
        masses = outputs.flatten(2).softmax(dim=-1).view_as(outputs)
        return torch.matmul(torch.matmul(y_kernel, masses), x_kernel)

    @property
    def _map_wh(self) -> tuple[int, int]:
        return self.input_wh[0] // STRIDE, self.input_wh[1] // STRIDE

    def _compute_map_sigmas(self, factor: float) -> Tensor:
        """Return (k,) standard deviations, map px: OKS's sigmas for a typical box × a factor."""
        scale = factor * math.sqrt(AREA_SHARE) * self._map_wh[1]
        return (self._sigmas * scale).square().add(MIN_SIGMA**2).sqrt()


def _find_sigmas(skeleton: Skeleton) -> Tensor:
    """Return the (k,) OKS sigmas of the joints; the mean of the 21 for joints without one."""
    mean = float(np.mean(list(SIGMAS.values())))
    sigmas = skeleton.custom_sigmas or [SIGMAS.get(joint, mean) for joint in skeleton.joints]
    return torch.tensor(sigmas, dtype=torch.float32)


def _evaluate_gaussian(points: Tensor, count: int, sigmas: Tensor) -> Tensor:
    """Return (…, count) Gaussians of height 1 about (…) points at the pixels of an axis."""
    distance = torch.arange(count, device=points.device) - points[..., None]
    return torch.exp(-distance.square() / (2 * sigmas.square()[..., None]))


def _find_vertex(maps: Tensor, pixels: Tensor, axis: int) -> Tensor:
    """Return (b, k) steps to the vertex of the parabola through a maximum and its neighbours.

    At most half a pixel; 0 at the border.

    Args:
        maps: (b, k, h, w).
        pixels: (b, k, 2) x, y of the maxima.
        axis: 0 for a step along x, 1 along y.
    """
    h, w = maps.shape[-2:]
    length = (w, h)[axis]
    is_inside = (pixels[..., axis] > 0) & (pixels[..., axis] < length - 1)
    side = is_inside * (1, w)[axis]
    center = pixels[..., 1] * w + pixels[..., 0]
    flat = maps.flatten(2)
    before, peak, after = (
        flat.gather(-1, index[..., None])[..., 0]
        for index in (center - side, center, center + side)
    )
    curvature = (2 * peak - before - after).clamp(min=1e-6)
    return ((after - before) / (2 * curvature)).clamp(-0.5, 0.5)
