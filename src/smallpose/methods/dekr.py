"""DEKR (Geng et al. 2021): at the root of every person, offsets to all his keypoints.

HRNet's features of all strides; one map says where roots are, and every joint has a branch whose
convolutions look around that joint to say how far it is from the root. Bottom-up: the number of
people costs nothing.

MMPose's weights come with a net that scores poses by their shape. It was fitted to COCO's 17
keypoints, so it exists here for that skeleton only. How many people are decoded is a parameter;
without one there is no cap. (MMPose's cap is 30; the paper's DEKR has the lowest AP of its Table
2 beside an ordinary AR, and ranking and cap are the likely reasons.)

Printed AP (Tables 2 and 3): 32.5 in setting A, 23.2 in B; COCO val AP of MMPose's
checkpoint: 68.6. A picture of 512 × 512 takes about 6 seconds on one CPU core, twice that with the
flip test.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.dataloading.full_image.mosaic import FullImageAugmentation
from smallpose.dataloading.full_image.samples import BatchPeople
from smallpose.methods.base import MethodCard, Recipe
from smallpose.methods.full_image import (
    EXTENT_MARGIN,
    TINY_PLAN,
    Detections,
    FullImageMethod,
    FullImageRecipe,
    boxes_around_keypoints,
)
from smallpose.models.backbones.hrnet import W32, HRNet, HRNetConfig
from smallpose.models.codecs.center_heatmap import (
    MIN_DIAGONAL,
    STRIDE,
    bells,
    encode_offsets,
    find_peaks,
    find_roots,
    merge_heatmaps,
)
from smallpose.models.codecs.nms import nearby_joints_nms
from smallpose.models.heads.dekr import PER_JOINT, DEKRHead, RescoreNet
from smallpose.models.heads.feature_levels import stack_levels
from smallpose.models.losses import heatmap_mse_loss

SIGMA, SIGMA_ROOT = 2.0, 4.0  # map px
BACKGROUND = 0.1  # weight of pixels without a bell
OFFSET_WEIGHT = 0.002
TORSO = (5, 6)  # of COCO's limbs: left and right shoulder to hip

CARD = MethodCard(
    title="DEKR",
    paradigm="bottom-up",
    parts="HRNet-W32, root heatmap, adaptive convolutions, offsets",
    paper_ap={"A": (32.5, 15.6), "B": (23.2, 20.1)},
    checkpoint="dekr_hrnet-w32_8xb10-140e_coco-512x512_ac7c17bf-20221228.pth",
    checkpoint_folder="v1/body_2d_keypoint/dekr/coco",
    checkpoint_hash="ac7c17bf",
)
RECIPES: dict[str, Recipe] = {
    "paper": FullImageRecipe(learning_rate=1e-3, batch_size=20, epochs=140, decay_at=(90, 120)),
    # 10 pictures on each of eight GPUs.
    "mmpose": FullImageRecipe(learning_rate=1e-3, batch_size=80, epochs=140, decay_at=(90, 120)),
    "quick": FullImageRecipe(
        learning_rate=1e-3,
        batch_size=16,
        epochs=20,
        schedule="one_cycle",
        warm_up=20,
        augment=FullImageAugmentation(rotate_deg=15, scale_range=(0.75, 1.25)),
    ),
}
TINY_CARD = MethodCard(
    title="DEKR (tiny)", paradigm="bottom-up", parts="HRNet-W8, one module a stage, 192 × 192"
)


class Targets(NamedTuple):
    """What the maps shall be.

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
        per_joint: channels of each joint's branch.
    Attributes:
        rescore: whether poses are rescored by their shape, where the skeleton has that net.
        score_threshold: roots below are nobody.
        near: joints nearer than this part of a pose's diagonal are near.
        max_people: people in a picture at most, before and after close ones are dropped; None for all.
    """

    skeleton_specific = ("head.rescore_net.",)
    size_divisor = 32
    fit_mode = "cover"
    box_margin = EXTENT_MARGIN
    nms_distance = 0.05
    keypoint_layers = (
        "head.heatmap_conv_layers.2",
        *(f"head.displacement_conv_layers.0.{part}" for part in ("conv", "bn")),
        *(
            f"head.displacement_conv_layers.{i}.{part}"
            for i in (1, 2)
            for part in ("transform_matrix_conv", "adapt_conv", "norm")
        ),
        "head.displacement_conv_layers.3",
    )

    def __init__(
        self,
        skeleton: Skeleton,
        plan: HRNetConfig = W32,
        per_joint: int = PER_JOINT,
        input_wh: tuple[int, int] = (512, 512),
    ) -> None:
        super().__init__(skeleton, input_wh)
        self.backbone = HRNet(plan, every_level=True)
        self.head = DEKRHead(
            sum(plan.widths),
            len(skeleton),
            per_joint,
            rescore_net(skeleton),
        )

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(b, 3, h, w) to (b, k + 1, h / 4, w / 4) heatmaps and (b, 2k, h / 4, w / 4) offsets."""
        return self.head(stack_levels(self.backbone(pictures)))

    def targets(self, keypoints: Any) -> Targets:
        """`People` of a batch to maps; people too small for a root still get their keypoints."""
        people: BatchPeople = keypoints
        b, h, w = people.heatmap_mask.shape
        scaled = people.keypoints.clone()
        scaled[..., :2] /= STRIDE
        scaled[..., 2].clamp_(max=1)
        parts = [encode_spr(scaled[people.image_index == number], (w, h)) for number in range(b)]
        maps, weights, offsets, near = (torch.stack(c) for c in zip(*parts, strict=True))
        return Targets(maps, weights * people.heatmap_mask[:, None], offsets, near)

    def loss(self, outputs: tuple[Tensor, Tensor], targets: Targets) -> dict[str, Tensor]:
        """Squared error of the heatmaps, smooth L1 of the offsets (Geng et al., Sec. 3.3)."""
        heatmaps, offsets = outputs
        wrong = offset_loss(offsets, targets.offsets, targets.offset_weights)
        return {
            "heatmap": heatmap_mse_loss(heatmaps, targets.heatmaps, targets.heatmap_weights),
            "offset": OFFSET_WEIGHT * wrong,
        }

    def maps(self, pictures: Tensor, flip_test: bool) -> tuple[Tensor, Tensor]:
        """Heatmaps and offsets, averaged with those of the mirrored pictures if so asked."""
        heatmaps, offsets = self.run_network(pictures)
        if not flip_test:
            return heatmaps, offsets
        turned = self.run_network(pictures.flip(-1))
        root = self._mirror.new_tensor([len(self.skeleton)])
        back = turned[0].flip(-1)[:, torch.cat([self._mirror, root])]
        back = torch.cat([back[..., :1], back[..., :-1]], dim=-1)
        away = turned[1].flip(-1).unflatten(1, (-1, 2))[:, self._mirror]
        # The root of the mirrored picture's pixel lies at the other end of its STRIDE pixels.
        x = (STRIDE - 1) / STRIDE - away[:, :, 0]
        away = torch.stack([x, away[:, :, 1]], dim=2).flatten(1, 2)
        return (heatmaps + back) / 2, (offsets + away) / 2

    def detect(self, pictures: Tensor, flip_test: bool) -> list[Detections]:
        """People at the peaks of the root map, the surest of close ones only."""
        heatmaps, offsets = self.maps(pictures, flip_test)
        return [self._people(*maps) for maps in zip(heatmaps, offsets, strict=True)]

    def reset_skeleton_specific(self) -> None:
        """The rescoring net is of COCO's 17: one that nobody trained changes no score."""
        if self.head.rescore_net is not None:
            torch.nn.init.zeros_(self.head.rescore_net.l3.weight)
            torch.nn.init.ones_(self.head.rescore_net.l3.bias)

    def _people(self, heatmaps: Tensor, offsets: Tensor) -> Detections:
        """One picture's maps to its people."""
        k, w = len(self.skeleton), heatmaps.shape[-1]
        places, root_scores = find_peaks(heatmaps[k], 5, self.score_threshold, self.max_people)
        roots = torch.stack([places % w, places // w], dim=-1).to(offsets.dtype)  # (d, 2)
        away = offsets.flatten(1)[:, places].T.unflatten(1, (k, 2))  # (d, k, 2)
        points = roots[:, None] + away
        sure = sample_scores(heatmaps[:k], points)
        points = points * STRIDE
        if self.head.rescore_net is not None and self.rescore:
            root_scores = root_scores * self.head.rescore_net(points, sure).nan_to_num(nan=0.0)
        kept = nearby_joints_nms(
            points.float().cpu().numpy(),
            sure.mean(dim=1).float().cpu().numpy(),
            distance_threshold=self.nms_distance,
            max_people=self.max_people,
        )
        rows = torch.from_numpy(kept).to(points.device)
        points, scores = points[rows], (sure * root_scores[:, None])[rows]
        return Detections(points, scores, scores.mean(dim=1), boxes_around_keypoints(points))


def offset_loss(output: Tensor, target: Tensor, near: Tensor) -> Tensor:
    """Smooth L1 times the weights `near`, divided by how many of them are not 0."""
    wrong = F.smooth_l1_loss(output, target, reduction="none", beta=1 / 9)
    return (wrong * near).sum() / (near > 0).sum().clamp(min=1)


def rescore_net(skeleton: Skeleton) -> RescoreNet | None:
    """The net for COCO's 17 keypoints and limbs; no other skeleton has one."""
    if skeleton.joints != COCO17.joints:
        return None
    return RescoreNet(len(COCO17), COCO17.edges, TORSO, hidden=256)


def encode_spr(keypoints: Tensor, map_wh: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One picture's (n, k, 3) keypoints in map px to the four maps of `Targets`."""
    points, visible = keypoints[..., :2], keypoints[..., 2]
    roots = find_roots(keypoints)
    there = roots.there & (roots.diagonal >= MIN_DIAGONAL)
    sigma = torch.full_like(roots.diagonal, SIGMA)
    of_joints, _ = bells(points, visible, sigma, map_wh)
    of_roots, _ = bells(
        roots.xy[:, None],
        there[:, None].to(visible.dtype),
        torch.full_like(sigma, SIGMA_ROOT),
        map_wh,
    )
    maps = torch.cat([merge_heatmaps(of_joints), merge_heatmaps(of_roots)])
    weights = torch.where(maps > 0, 1.0, BACKGROUND)
    offsets, near = encode_offsets(keypoints, roots, there, SIGMA_ROOT, map_wh)
    return maps, weights, offsets.flatten(0, 1), near.repeat_interleave(2, dim=0)


def sample_scores(heatmaps: Tensor, points: Tensor) -> Tensor:
    """(k, h, w) heatmaps read at (d, k, 2) points in map px, to (d, k).

    Points are scaled as if the outer pixels' centres were the map's ends and read as if its edges
    were; a little off, but so were the scores that published weights were tested with.
    """
    h, w = heatmaps.shape[1:]
    last = points.new_tensor([w - 1, h - 1]).clamp(min=1)
    grid = (points / last * 2 - 1).transpose(0, 1)[:, None]  # (k, 1, d, 2)
    read = F.grid_sample(heatmaps[:, None], grid, padding_mode="border", align_corners=False)
    return read[:, 0, 0].T


def create_w32(skeleton: Skeleton) -> DEKR:
    """HRNet-W32 at 512 × 512, 29.6 M parameters."""
    method = DEKR(skeleton)
    method.name, method.card, method.recipes = "dekr_hrnet_w32", CARD, RECIPES
    return method


def create_w8_tiny(skeleton: Skeleton) -> DEKR:
    """HRNet-W8 with one module a stage at 192 × 192, for CPUs and tests."""
    method = DEKR(skeleton, TINY_PLAN, per_joint=4, input_wh=(192, 192))
    method.name, method.card = "dekr_hrnet_w8_tiny", TINY_CARD
    method.recipes = {"quick": RECIPES["quick"]} | RECIPES
    return method
