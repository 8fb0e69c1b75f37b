"""CID (Wang and Zhang 2022): find people by their roots, then read each one's own heatmaps.

HRNet's features of all strides; a root map says where people are, the feature there says who they
are, and the picture's features are decoupled person by person. A contrastive loss keeps the
people of a picture unlike each other. Single-stage: the backbone runs once, a small head once for
each person.

MMPose reads 30 people of a picture at most; here that is a parameter, and without one there is no
cap. Printed AP (Tables 2 and 3): 36.6 in setting A, 60.9 in B; COCO val AP of MMPose's checkpoint:
70.4. A picture of 512 × 512 takes about 2 seconds on one CPU core, twice that with the flip test.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from smallpose.core.skeleton import Skeleton
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
from smallpose.models.codecs import heatmap
from smallpose.models.codecs.center_heatmap import (
    STRIDE,
    bells,
    compute_person_sigma,
    find_peaks,
    find_roots,
    half_map_pixel,
    merge_heatmaps,
)
from smallpose.models.heads.cid import CHANNELS, CIDHead, sample_at_roots
from smallpose.models.heads.feature_levels import stack_levels

MOST_ENCODED = 30  # people of a picture that are taught one by one
MOST_TAUGHT = 200  # and of a batch
TEMPERATURE = 0.05
TOGETHER = 64  # people decoupled at a time in tests, to bound the memory

CARD = MethodCard(
    title="CID",
    paradigm="single-stage",
    parts="HRNet-W32, root heatmap, global feature decoupling",
    paper_ap={"A": (36.6, 20.5), "B": (60.9, 49.4)},
    checkpoint="cid_hrnet-w32_8xb20-140e_coco-512x512_42b7e6e6-20230207.pth",
    checkpoint_folder="v1/body_2d_keypoint/cid/coco",
    checkpoint_hash="42b7e6e6",
)
RECIPES: dict[str, Recipe] = {
    "paper": FullImageRecipe(
        learning_rate=1e-3, batch_size=16, epochs=140, decay_at=(90, 120), warm_up=0
    ),
    # 20 pictures on each of eight GPUs.
    "mmpose": FullImageRecipe(
        learning_rate=1e-3, batch_size=160, epochs=140, decay_at=(90, 120), warm_up=0
    ),
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
    title="CID (tiny)", paradigm="single-stage", parts="HRNet-W8, one module a stage, 192 × 192"
)


class Targets(NamedTuple):
    """What the maps shall be; n people of the batch are taught one by one.

    Args:
        heatmaps: (b, k + 1, h, w), the root last.
        counts: (b, 1, h, w) 0 where people stand that nobody labelled.
        picture: (n,) whose people.
        roots: (n, 2) whole x, y, map px.
        own: (n, k, h, w) heatmaps of each alone.
        weights: (n, k).
    """

    heatmaps: Tensor
    counts: Tensor
    picture: Tensor
    roots: Tensor
    own: Tensor
    weights: Tensor


class CID(FullImageMethod):
    """A backbone with all its levels, a root map and a decoupler.

    Attributes:
        score_threshold: roots below are nobody.
        max_people: people in a picture at most; None for all.
        jitter: map px by which roots are moved in training, either way.
    """

    size_divisor = 64
    fit_mode = "cover"
    box_margin = EXTENT_MARGIN
    oks_threshold = 0.8
    jitter = 1
    keypoint_layers = ("head.iia_module.keypoint_root_conv", "head.gfd_module.heatmap_conv")

    def __init__(
        self,
        skeleton: Skeleton,
        plan: HRNetConfig = W32,
        channels: int = CHANNELS,
        std: float = 0.001,
        input_wh: tuple[int, int] = (512, 512),
    ) -> None:
        super().__init__(skeleton, input_wh)
        self.backbone = HRNet(plan, every_level=True)
        self.head = CIDHead(sum(plan.widths), len(skeleton), channels, std)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(b, 3, h, w) to (b, k + 1, h / 4, w / 4) heatmaps and the features under them."""
        features = stack_levels(self.backbone(pictures))
        return self.head(features), features

    def targets(self, keypoints: Any) -> Targets:
        """`People` of a batch to maps of all and of each, roots moved a little by chance."""
        people: BatchPeople = keypoints
        b, h, w = people.heatmap_mask.shape
        scaled = people.keypoints.clone()
        scaled[..., :2] /= STRIDE
        scaled[..., 2].clamp_(max=1)
        parts = []
        for number in range(b):
            rows = people.image_index == number
            maps, own, weights, roots = encode_decoupled_heatmaps(
                scaled[rows], people.corners[rows] / STRIDE, (w, h), self.jitter
            )
            whose = torch.full((len(roots),), number, device=roots.device)
            parts.append((maps[None], whose, roots, own, weights))
        maps, whose, roots, own, weights = (torch.cat(c) for c in zip(*parts, strict=True))
        return Targets(maps, people.heatmap_mask[:, None], whose, roots, own, weights)

    def loss(self, outputs: tuple[Tensor, Tensor], targets: Targets) -> dict[str, Tensor]:
        """Focal losses of the shared and the own heatmaps, and the contrastive one.

        Weights 1, 4 and 1 (Wang and Zhang, Sec. 3.5).
        """
        heatmaps, features = outputs
        person = sample_at_roots(features, targets.picture, targets.roots)  # (n, c)
        terms = {"shared": focal_heatmap_loss(heatmaps, targets.heatmaps, targets.counts)}
        terms["contrast"] = contrastive_loss(person, targets.picture)
        rows = torch.arange(len(person), device=person.device)
        if len(rows) > MOST_TAUGHT:
            rows = torch.randperm(len(rows), device=rows.device)[:MOST_TAUGHT]
        own = self.head.gfd_module(
            features, targets.picture[rows], person[rows], targets.roots[rows]
        )
        weights = targets.weights[rows, :, None, None]
        terms["own"] = 4 * focal_heatmap_loss(own, targets.own[rows], weights)
        return terms

    def detect(self, pictures: Tensor, flip_test: bool) -> list[Detections]:
        """People at the peaks of the root map, each read from heatmaps of his own."""
        _, features = self.run_network(pictures)
        passes = [features]
        if flip_test:
            # The features go back as they are: left and right have no channels of their own.
            passes.append(self.run_network(pictures.flip(-1))[1].flip(-1))
        size = (pictures.shape[2], pictures.shape[3])
        return [self._people([p[b] for p in passes], size) for b in range(len(pictures))]

    def _people(self, passes: list[Tensor], picture_hw: tuple[int, int]) -> Detections:
        """One picture's (c, h, w) features, plain and mirrored back, to its people."""
        stacked = torch.stack(passes)
        h, w = stacked.shape[2:]
        roots_map = smooth_heatmaps(self.head(stacked)[:, -1:].mean(dim=0, keepdim=True))[0, 0]
        mean_side = (h + w) / 2
        kernel = 7 if mean_side > 300 else 5 if mean_side > 200 else 3
        places, scores = find_peaks(roots_map, kernel, self.score_threshold, self.max_people)
        roots = torch.stack([places % w, places // w], dim=-1)
        found = [self._own(stacked, some) for some in roots.split(TOGETHER)]
        k = len(self.skeleton)
        points = torch.cat([stacked.new_zeros(0, k, 2), *(p for p, _ in found)])
        peak = torch.cat([stacked.new_zeros(0, k), *(s for _, s in found)])
        # The root's pixel stands for all of its pixels in the picture, so for their middle.
        points = points + points.new_tensor(half_map_pixel((h, w), picture_hw))
        sure = peak * scores[:, None]
        return Detections(points, sure, sure.mean(dim=1), boxes_around_keypoints(points))

    def _own(self, stacked: Tensor, roots: Tensor) -> tuple[Tensor, Tensor]:
        """(d, 2) roots to (d, k, 2) keypoints in picture px and the (d, k) maxima."""
        total: Tensor | None = None
        for turn, features in enumerate(stacked):
            one = torch.zeros_like(roots[:, 0])
            person = sample_at_roots(features[None], one, roots)
            own = self.head.gfd_module(features[None], one, person, roots)
            own = own[:, self._mirror] if turn else own
            total = own if total is None else total + own
        assert total is not None
        return heatmap.decode_heatmaps(smooth_heatmaps(total / len(stacked)))


def encode_decoupled_heatmaps(
    keypoints: Tensor, corners: Tensor, map_wh: tuple[int, int], jitter: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One picture's people to maps of all of them and of each alone.

    Args:
        keypoints: (n, k, 3) x, y in map px and v.
        corners: (n, 4, 2) of their boxes, map px.
        jitter: map px by which roots are moved by chance, either way.
    Returns: (k + 1, h, w) maps, the root last; and for m people with a root of their own the
        (m, k, h, w) maps, (m, k) weights and (m, 2) pixels of roots. Small people come first.
    """
    roots = find_roots(keypoints)
    sigma = compute_person_sigma(corners).clamp(min=1e-3)
    own, weights = bells(keypoints[..., :2], keypoints[..., 2], sigma, map_wh)
    there = roots.there[:, None].to(keypoints.dtype)
    of_roots, root_weights = bells(roots.xy[:, None], there, sigma, map_wh)
    last = roots.xy.new_tensor([map_wh[0] - 1, map_wh[1] - 1])
    move = torch.randint(-jitter, jitter + 1, roots.xy.shape, device=roots.xy.device)
    place = torch.minimum((roots.xy + move).clamp(min=0), last)
    # People on one spot, and not merely in one pixel, are told apart by nothing: the first stays.
    taken: dict[tuple[float, float], int] = {}
    for person in roots.diagonal.argsort(stable=True).tolist():
        if root_weights[person, 0] >= 1:
            x, y = place[person].tolist()
            taken.setdefault((x, y), person)
    rows = torch.tensor(list(taken.values()), dtype=torch.int64, device=keypoints.device)
    if len(rows) > MOST_ENCODED:
        rows = rows[torch.randperm(len(rows), device=rows.device)[:MOST_ENCODED]]
    maps = torch.cat([merge_heatmaps(own), merge_heatmaps(of_roots)])
    return maps, own[rows], weights[rows], place[rows].long()


def smooth_heatmaps(maps: Tensor) -> Tensor:
    """Half of each pixel and half of the mean of the nine around it; zeros lie outside."""
    return (maps + F.avg_pool2d(maps, 3, 1, 1)) / 2


def focal_heatmap_loss(output: Tensor, target: Tensor, counts: Tensor) -> Tensor:
    """CornerNet's focal loss: every peak is to be found, pixels near one are forgiven.

    Args:
        output: probabilities.
        target: 1 at peaks, less around them.
        counts: weights that broadcast to them.
    """
    at_peak, below = (target == 1) * counts, (target < 1) * counts
    missed = output.log() * (1 - output).square() * at_peak
    wrong = (1 - output).log() * output.square() * (1 - target).pow(4) * below
    return -(missed.sum() + wrong.sum()) / _count(at_peak)


def _count(at_peak: Tensor) -> Tensor:
    """How much peak there is; 1 where there is none, so that nothing is divided by it."""
    total = at_peak.sum()
    return torch.where(total == 0, torch.ones_like(total), total)


def contrastive_loss(person: Tensor, picture: Tensor) -> Tensor:
    """How alike the (n, c) features of people of the same picture are, per person."""
    unit = F.normalize(person, dim=1)
    alike = unit @ unit.T / TEMPERATURE
    alike = alike.masked_fill(picture[:, None] != picture[None], -torch.inf)
    whoever = torch.arange(len(person), device=person.device)
    return F.cross_entropy(alike, whoever, reduction="sum") / max(len(person), 1)


def create_w32(skeleton: Skeleton) -> CID:
    """HRNet-W32 at 512 × 512, 29.4 M parameters."""
    method = CID(skeleton)
    method.name, method.card, method.recipes = "cid_hrnet_w32", CARD, RECIPES
    return method


def create_w8_tiny(skeleton: Skeleton) -> CID:
    """HRNet-W8 with one module a stage at 192 × 192, for CPUs and tests."""
    method = CID(skeleton, TINY_PLAN, channels=16, std=0.1, input_wh=(192, 192))
    method.name, method.card = "cid_hrnet_w8_tiny", TINY_CARD
    method.recipes = {"quick": RECIPES["quick"]} | RECIPES
    return method
