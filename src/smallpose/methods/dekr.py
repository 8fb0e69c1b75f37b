"""DEKR (Geng et al. 2021): at the root of every person, offsets to all their keypoints.

HRNet's features of all strides; one map locates the roots, and every joint has a branch whose
adaptive convolutions look around that joint to regress its offset from the root. Bottom-up: the
cost does not depend on the number of people.

MMPose's weights include a net that scores poses by their shape. It was trained for COCO's 17
keypoints, so it exists here for that skeleton only. At most 30 people of an image are decoded by
default, as in MMPose; `max_people` is another limit or none. (The paper's DEKR has the lowest AP of
its Table 2 beside an average AR, and ranking and limit are the likely reasons.)

Printed AP (Tables 2 and 3): 32.5 in setting A, 23.2 in B; COCO val AP of MMPose's checkpoint: 68.6.
An image of 512 × 512 takes about 6 seconds on one CPU core, twice that with the flip test.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.dataloading.full_image.batch_people import BatchPeople
from smallpose.methods.dekr_recipes import CARD, RECIPES, TINY_CARD, TINY_QUICK
from smallpose.methods.full_image import (
    KEYPOINT_BOX_MARGIN,
    Detections,
    FullImageMethod,
    boxes_around_keypoints,
)
from smallpose.models.backbones.hrnet import W8_TINY, W32, HRNet, HRNetConfig
from smallpose.models.codecs.center_heatmap import STRIDE, find_peaks
from smallpose.models.codecs.heatmap import flip_back_heatmaps
from smallpose.models.codecs.nms import nearby_joints_nms
from smallpose.models.codecs.spr import choose_taught_pixels, encode_spr, sample_scores
from smallpose.models.heads.dekr import CHANNELS_PER_JOINT, NUM_BLOCKS, DEKRHead, RescoreNet
from smallpose.models.heads.feature_levels import stack_levels
from smallpose.models.losses import heatmap_mse_loss

OFFSET_WEIGHT = 0.002
PEAK_KERNEL = 5
MAX_PEOPLE = 30  # MMPose's
TORSO = (5, 6)  # of COCO's limbs: left and right shoulder to hip


class DEKRTargets(NamedTuple):
    """Targets of a batch.

    Args:
        heatmaps: (b, k + 1, h, w), the root last.
        heatmap_weights: (b, k + 1, h, w).
        offsets, offset_weights: (b, 2k, h, w).
    """

    heatmaps: Tensor
    heatmap_weights: Tensor
    offsets: Tensor
    offset_weights: Tensor


class DEKR(FullImageMethod):
    """A backbone with all its levels, and a head for heatmaps and offsets.

    Args:
        channels_per_joint: of each joint's offset branch.
        num_blocks: adaptive convolutions of each offset branch.
        target_scale: factor of the sizes of targets; see `encode_spr`.
        num_untaught: pixels of each image whose offsets are computed in training besides those with
            a target, for the norm's statistics; None computes all.
    Attributes:
        rescore: whether poses are rescored by their shape, where the skeleton has that net.
        score_threshold: roots with a lower score are dropped.
        nms_distance: `distance_threshold` of `nearby_joints_nms`.
        max_people: maximum number of people in an image, before and after NMS; None for all.
    """

    skeleton_specific = ("head.rescore_net.",)
    size_divisor = 32
    fit_mode = "cover"
    box_margin = KEYPOINT_BOX_MARGIN
    max_people = MAX_PEOPLE
    nms_distance = 0.05

    def __init__(
        self,
        skeleton: Skeleton,
        config: HRNetConfig = W32,
        channels_per_joint: int = CHANNELS_PER_JOINT,
        num_blocks: int = NUM_BLOCKS,
        input_wh: tuple[int, int] = (512, 512),
        target_scale: float = 1.0,
        num_untaught: int | None = None,
    ) -> None:
        super().__init__(skeleton, input_wh)
        self.num_untaught = num_untaught
        self.target_scale = target_scale
        self.keypoint_layers = list_keypoint_layers(num_blocks)
        self.backbone = HRNet(config, every_level=True)
        self.head = DEKRHead(
            sum(config.widths),
            len(skeleton),
            channels_per_joint,
            num_blocks,
            create_rescore_net(skeleton),
        )

    def forward(self, images: Tensor, targets: DEKRTargets | None = None) -> tuple[Tensor, Tensor]:
        """Map (b, 3, h, w) to heatmaps, (b, k + 1, h / 4, w / 4), and offsets, (b, 2k, …).

        Args:
            targets: that the outputs are compared with; where `num_untaught` is set, offsets are
                computed around their roots alone, and are 0 elsewhere.
        """
        features = stack_levels(self.backbone(images))
        if targets is None or self.num_untaught is None:
            return self.head(features)  # type: ignore[no-any-return]
        pixels = choose_taught_pixels(targets.offset_weights, self.num_untaught)
        heatmaps = self.head.heatmap_conv_layers(features)
        return heatmaps, self.head.compute_offsets_at(features, pixels)

    def compute_taught_outputs(self, images: Tensor, targets: DEKRTargets) -> Any:
        """Compute heatmaps, and the offsets that have targets."""
        return self(images, targets)

    def targets(self, keypoints: Any) -> DEKRTargets:
        """Encode the `BatchPeople` of a batch; people too small for a root keep their keypoints."""
        people: BatchPeople = keypoints
        b, h, w = people.heatmap_mask.shape
        on_map = people.keypoints.clone()
        on_map[..., :2] /= STRIDE
        on_map[..., 2].clamp_(max=1)
        parts = [
            encode_spr(on_map[people.image_index == image], (w, h), self.target_scale)
            for image in range(b)
        ]
        heatmaps, weights, offsets, offset_weights = (
            torch.stack(column) for column in zip(*parts, strict=True)
        )
        weights = weights * people.heatmap_mask[:, None]
        return DEKRTargets(heatmaps, weights, offsets, offset_weights)

    def loss(self, outputs: tuple[Tensor, Tensor], targets: DEKRTargets) -> dict[str, Tensor]:
        """Compute squared error of heatmaps and smooth L1 of offsets (Geng et al., Sec. 3.3)."""
        heatmaps, offsets = outputs
        error = offset_loss(offsets, targets.offsets, targets.offset_weights)
        return {
            "heatmap": heatmap_mse_loss(heatmaps, targets.heatmaps, targets.heatmap_weights),
            "displacement": OFFSET_WEIGHT * error,
        }

    def compute_maps(self, images: Tensor, flip_test: bool) -> tuple[Tensor, Tensor]:
        """Compute heatmaps and offsets, averaged with those of the mirrored images on request."""
        heatmaps, offsets = self.run_network(images)
        if not flip_test:
            return heatmaps, offsets
        flipped_heatmaps, flipped_offsets = self.run_network(images.flip(-1))
        root = self._flip_indices.new_tensor([len(self.skeleton)])
        flipped_heatmaps = flip_back_heatmaps(
            flipped_heatmaps, torch.cat([self._flip_indices, root])
        )
        pairs = flipped_offsets.flip(-1).unflatten(1, (-1, 2))[:, self._flip_indices]
        # The root of the mirrored image's pixel lies at the other end of its STRIDE pixels.
        x = (STRIDE - 1) / STRIDE - pairs[:, :, 0]
        flipped_offsets = torch.stack([x, pairs[:, :, 1]], dim=2).flatten(1, 2)
        return (heatmaps + flipped_heatmaps) / 2, (offsets + flipped_offsets) / 2

    def detect(self, images: Tensor, flip_test: bool) -> list[Detections]:
        """Detect people at the peaks of the root map, with nearby-joints NMS."""
        heatmaps, offsets = self.compute_maps(images, flip_test)
        return [self._decode_people(*maps) for maps in zip(heatmaps, offsets, strict=True)]

    def reset_skeleton_specific(self) -> None:
        """Make the rescoring net, which is for COCO's 17 joints, return a factor of 1."""
        if self.head.rescore_net is not None:
            torch.nn.init.zeros_(self.head.rescore_net.l3.weight)
            torch.nn.init.ones_(self.head.rescore_net.l3.bias)

    def _decode_people(self, heatmaps: Tensor, offsets: Tensor) -> Detections:
        """Decode the (k + 1, h, w) and (2k, h, w) maps of one image."""
        k, w = len(self.skeleton), heatmaps.shape[-1]
        indices, root_scores, num_roots = find_peaks(
            heatmaps[k], PEAK_KERNEL, self.score_threshold, self.max_people
        )
        self.count_candidates(num_roots)
        if self.counts_low_scores:
            num_all = find_peaks(heatmaps[k], PEAK_KERNEL, self.lowest_score, 0).num_peaks
            self.count_low_scores(num_roots, num_all - num_roots)
        roots = torch.stack([indices % w, indices // w], dim=-1).to(offsets.dtype)  # (d, 2)
        points = roots[:, None] + offsets.flatten(1)[:, indices].T.unflatten(1, (k, 2))
        keypoint_scores = sample_scores(heatmaps[:k], points)
        points = points * STRIDE
        if self.head.rescore_net is not None and self.rescore:
            factors = self.head.rescore_net(points, keypoint_scores)
            root_scores = root_scores * factors.nan_to_num(nan=0.0)
        kept = nearby_joints_nms(
            points.float().cpu().numpy(),
            keypoint_scores.mean(dim=1).float().cpu().numpy(),
            distance_threshold=self.nms_distance,
            max_people=self.max_people,
        )
        rows = torch.from_numpy(kept).to(points.device)
        points = points[rows]
        scores = (keypoint_scores * root_scores[:, None])[rows]
        return Detections(points, scores, scores.mean(dim=1), boxes_around_keypoints(points))


def offset_loss(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Compute the weighted smooth L1 loss, divided by the number of weights that are not 0."""
    error = F.smooth_l1_loss(output, target, reduction="none", beta=1 / 9)
    return (error * weight).sum() / (weight > 0).sum().clamp(min=1)


def list_keypoint_layers(num_blocks: int) -> tuple[str, ...]:
    """Return the layers with rows for each joint, of a head with a number of adaptive blocks."""
    return (
        "head.heatmap_conv_layers.2",
        *(f"head.displacement_conv_layers.0.{part}" for part in ("conv", "bn")),
        *(
            f"head.displacement_conv_layers.{block}.{part}"
            for block in range(1, num_blocks + 1)
            for part in ("transform_matrix_conv", "adapt_conv", "norm")
        ),
        f"head.displacement_conv_layers.{num_blocks + 1}",
    )


def create_rescore_net(skeleton: Skeleton) -> RescoreNet | None:
    """Create the rescoring net for COCO's 17 keypoints and limbs; None for other skeletons."""
    if skeleton.joints != COCO17.joints:
        return None
    return RescoreNet(len(COCO17), COCO17.edges, TORSO, hidden=256)


def create_w32(skeleton: Skeleton) -> DEKR:
    """Create DEKR with HRNet-W32 for 512 × 512, 29.6 M parameters."""
    method = DEKR(skeleton)
    method.name = "dekr_hrnet_w32"
    method.card = CARD
    method.recipes = RECIPES
    return method


def create_w8_tiny(skeleton: Skeleton) -> DEKR:
    """Create DEKR with HRNet-W8, one module a stage, for 192 × 192, for CPUs and tests.

    Its branches have one adaptive convolution: two take two thirds of a training step.
    """
    method = DEKR(
        skeleton,
        W8_TINY,
        channels_per_joint=4,
        num_blocks=1,
        input_wh=(192, 192),
        target_scale=0.375,
        num_untaught=64,
    )
    method.name = "dekr_hrnet_w8_tiny"
    method.card = TINY_CARD
    method.recipes = {"quick": TINY_QUICK} | {n: RECIPES[n] for n in ("paper", "mmpose")}
    return method
