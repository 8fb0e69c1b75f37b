"""CID (Wang and Zhang 2022): detect people by their roots, then predict each one's own heatmaps.

HRNet's features of all strides; a root map locates people, the feature at a root describes the
person, and the image's features are decoupled person by person. A contrastive loss keeps the
features of an image's people apart. Single-stage: the backbone runs once, a small head once for
each person.

At most 30 people of an image are decoded by default, as in MMPose; `max_people` is another limit or
none. Printed AP (Tables 2 and 3): 36.6 in setting A, 60.9 in B; COCO val AP of MMPose's
checkpoint: 70.4. An image of 512 × 512 takes about 2 seconds on one CPU core, twice that with the
flip test.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from smallpose.core.counts import format_count
from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.full_image.batch_people import BatchPeople
from smallpose.dataloading.full_image.mosaic import FullImageAugmentation
from smallpose.methods.base import MethodCard, Recipe
from smallpose.methods.full_image import (
    KEYPOINT_BOX_MARGIN,
    Detections,
    FullImageMethod,
    FullImageRecipe,
    boxes_around_keypoints,
)
from smallpose.models.backbones.hrnet import W8_TINY, W32, HRNet, HRNetConfig
from smallpose.models.codecs.center_heatmap import STRIDE, find_peaks, half_map_pixel
from smallpose.models.codecs.decoupled_heatmap import encode_decoupled_heatmaps
from smallpose.models.codecs.heatmap import decode_heatmaps
from smallpose.models.heads.cid import CHANNELS, ROOT_UNIT, CIDHead, sample_at_roots
from smallpose.models.heads.feature_levels import stack_levels
from smallpose.models.losses import focal_heatmap_loss
from smallpose.system.progress import report_long_loop

MAX_PEOPLE_PER_BATCH = 200  # supervised with heatmaps of their own
TEMPERATURE = 0.05
DECOUPLED_WEIGHT = 4.0  # of the loss of people's own heatmaps (Sec. 3.5); others have 1
MAX_PEOPLE = 30  # decoded in an image; MMPose's
DECOUPLED_CHUNK = 64  # people decoupled at a time at test time, to bound the memory

CARD = MethodCard(
    title="CID",
    paradigm="single-stage",
    parts="HRNet-W32, root heatmap, global feature decoupling",
    checkpoint="cid_hrnet-w32_8xb20-140e_coco-512x512_42b7e6e6-20230207.pth",
    checkpoint_folder="v1/body_2d_keypoint/cid/coco",
    checkpoint_hash="42b7e6e6",
)
RECIPES: dict[str, Recipe] = {
    "paper": FullImageRecipe(
        learning_rate=1e-3, batch_size=16, epochs=140, decay_at=(90, 120), warm_up=0
    ),
    # 20 images on each of eight GPUs.
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
# Windows that show a part of an image, most of them placed on people; tested with an input that
# shows the whole image at the same size. Muon and small batches: a short training lacks steps. One
# test takes as long as two epochs, so that there is none before the end.
TINY_QUICK = FullImageRecipe(
    optimizer="muon",
    learning_rate=4e-3,
    weight_decay=0.01,
    batch_size=8,
    epochs=26,
    schedule="one_cycle",
    warm_up=20,
    validate_every=50,
    test_side=384,
    augment=FullImageAugmentation(
        rotate_deg=10, scale_range=(0.4, 0.8), shift=0.35, person_windows=0.8
    ),
)
TINY_CARD = MethodCard(
    title="CID (tiny)", paradigm="single-stage", parts="HRNet-W8, one module a stage, 192 × 192"
)


class CIDTargets(NamedTuple):
    """Targets of a batch; n of its people are supervised with heatmaps of their own.

    Args:
        heatmaps: (b, k + 1, h, w) of all people, the root last.
        heatmap_mask: (b, 1, h, w) 0 where people are not labelled.
        image_index: (n,) index of each person's image.
        roots: (n, 2) whole x, y, map px.
        instance_heatmaps: (n, k, h, w).
        keypoint_weights: (n, k).
    """

    heatmaps: Tensor
    heatmap_mask: Tensor
    image_index: Tensor
    roots: Tensor
    instance_heatmaps: Tensor
    keypoint_weights: Tensor


class CID(FullImageMethod):
    """A backbone with all its levels, a root map (IIA) and global feature decoupling (GFD).

    Attributes:
        score_threshold: roots with a lower score are dropped.
        max_people: maximum number of people in an image; None for all.
        jitter: maximum map px by which roots are moved in training, either way.
    """

    size_divisor = 64
    fit_mode = "cover"
    box_margin = KEYPOINT_BOX_MARGIN
    oks_threshold = 0.8
    max_people = MAX_PEOPLE
    jitter = 1
    keypoint_layers = ("head.iia_module.keypoint_root_conv", "head.gfd_module.heatmap_conv")

    def __init__(
        self,
        skeleton: Skeleton,
        config: HRNetConfig = W32,
        channels: int = CHANNELS,
        std: float = 0.001,
        input_wh: tuple[int, int] = (512, 512),
        root_unit: float = ROOT_UNIT,
        has_radius: bool = False,
    ) -> None:
        super().__init__(skeleton, input_wh)
        self.backbone = HRNet(config, every_level=True)
        in_channels = sum(config.widths)
        self.head = CIDHead(in_channels, len(skeleton), channels, std, root_unit, has_radius)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map (b, 3, h, w) to (b, k + 1, h / 4, w / 4) heatmaps and the features under them."""
        features = stack_levels(self.backbone(images))
        return self.head(features), features

    def targets(self, keypoints: Any) -> CIDTargets:
        """Encode the `BatchPeople` of a batch, with roots jittered."""
        people: BatchPeople = keypoints
        b, h, w = people.heatmap_mask.shape
        on_map = people.keypoints.clone()
        on_map[..., :2] /= STRIDE
        on_map[..., 2].clamp_(max=1)
        parts = []
        for image in range(b):
            rows = people.image_index == image
            heatmaps, instance_heatmaps, weights, roots = encode_decoupled_heatmaps(
                on_map[rows], people.corners[rows] / STRIDE, (w, h), self.jitter
            )
            image_index = torch.full((len(roots),), image, device=roots.device)
            parts.append((heatmaps[None], image_index, roots, instance_heatmaps, weights))
        heatmaps, image_index, roots, instance_heatmaps, weights = (
            torch.cat(column) for column in zip(*parts, strict=True)
        )
        mask = people.heatmap_mask[:, None]
        return CIDTargets(heatmaps, mask, image_index, roots, instance_heatmaps, weights)

    def loss(self, outputs: tuple[Tensor, Tensor], targets: CIDTargets) -> dict[str, Tensor]:
        """Compute the focal losses of both kinds of heatmaps and the contrastive loss."""
        heatmaps, features = outputs
        instances = sample_at_roots(features, targets.image_index, targets.roots)  # (n, c)
        terms = {
            "heatmap_coupled": focal_heatmap_loss(heatmaps, targets.heatmaps, targets.heatmap_mask),
            "contrastive": contrastive_loss(instances, targets.image_index),
        }
        rows = torch.arange(len(instances), device=instances.device)
        if len(rows) > MAX_PEOPLE_PER_BATCH:
            rows = torch.randperm(len(rows), device=rows.device)[:MAX_PEOPLE_PER_BATCH]
        instance_heatmaps = self.head.gfd_module(
            features, targets.image_index[rows], instances[rows], targets.roots[rows]
        )
        weights = targets.keypoint_weights[rows, :, None, None]
        terms["heatmap_decoupled"] = DECOUPLED_WEIGHT * focal_heatmap_loss(
            instance_heatmaps, targets.instance_heatmaps[rows], weights
        )
        return terms

    def detect(self, images: Tensor, flip_test: bool) -> list[Detections]:
        """Detect people at the peaks of the root map and decode each one's own heatmaps."""
        _, features = self.run_network(images)
        passes = [features]
        if flip_test:
            # Only the columns are reversed: features have no left and right channels.
            passes.append(self.run_network(images.flip(-1))[1].flip(-1))
        size_hw = (images.shape[2], images.shape[3])
        return [
            self._detect_in_image(torch.stack([p[image] for p in passes]), size_hw)
            for image in range(len(images))
        ]

    def _detect_in_image(self, passes: Tensor, image_hw: tuple[int, int]) -> Detections:
        """Detect the people of one image.

        Args:
            passes: (1 or 2, c, h, w) features, of the image and of the flip test.
        """
        h, w = passes.shape[2:]
        root_map = smooth_heatmaps(self.head(passes)[:, -1:].mean(dim=0, keepdim=True))[0, 0]
        indices, root_scores, num_roots = find_peaks(
            root_map, choose_peak_kernel(h, w), self.score_threshold, self.max_people
        )
        self.count_candidates(num_roots)
        if self.counts_low_scores:
            num_all = find_peaks(root_map, choose_peak_kernel(h, w), self.lowest_score, 0).num_peaks
            self.count_low_scores(num_roots, num_all - num_roots)
        roots = torch.stack([indices % w, indices // w], dim=-1)
        label = (
            f"{self.name}: an image with {format_count(len(roots), 'person', 'people')}, "
            f"{DECOUPLED_CHUNK} at a time"
        )
        chunks = [
            self._decode_people(passes, chunk)
            for chunk in report_long_loop(roots.split(DECOUPLED_CHUNK), label, every_s=5.0)
        ]
        k = len(self.skeleton)
        points = torch.cat([passes.new_zeros(0, k, 2), *(p for p, _ in chunks)])
        maxima = torch.cat([passes.new_zeros(0, k), *(s for _, s in chunks)])
        # A map pixel stands for a block of image pixels; the keypoint is in its middle.
        points = points + points.new_tensor(half_map_pixel((h, w), image_hw))
        keypoint_scores = maxima * root_scores[:, None]
        return Detections(
            points, keypoint_scores, keypoint_scores.mean(dim=1), boxes_around_keypoints(points)
        )

    def _decode_people(self, passes: Tensor, roots: Tensor) -> tuple[Tensor, Tensor]:
        """Decode (d, 2) roots to (d, k, 2) keypoints in image px and the (d, k) maxima."""
        total: Tensor | None = None
        for number, features in enumerate(passes):
            image_index = torch.zeros_like(roots[:, 0])
            instances = sample_at_roots(features[None], image_index, roots)
            heatmaps = self.head.gfd_module(features[None], image_index, instances, roots)
            if number == 1:  # the flip test
                heatmaps = heatmaps[:, self._flip_indices]
            total = heatmaps if total is None else total + heatmaps
        assert total is not None
        return decode_heatmaps(smooth_heatmaps(total / len(passes)))


def choose_peak_kernel(h: int, w: int) -> int:
    """Return the side of the neighbourhood in which a peak of the root map is the maximum."""
    mean_side = (h + w) / 2
    if mean_side > 300:
        return 7
    return 5 if mean_side > 200 else 3


def smooth_heatmaps(heatmaps: Tensor) -> Tensor:
    """Average each pixel with the mean of the nine around it, zeros beyond the border."""
    return (heatmaps + F.avg_pool2d(heatmaps, 3, 1, 1)) / 2


def contrastive_loss(instances: Tensor, image_index: Tensor) -> Tensor:
    """Compute the multi-instance contrastive loss (InfoNCE) of (n, c) features, per person.

    Only people of the same image are contrasted.
    """
    unit = F.normalize(instances, dim=1)
    similarity = unit @ unit.T / TEMPERATURE
    similarity = similarity.masked_fill(image_index[:, None] != image_index[None], -torch.inf)
    labels = torch.arange(len(instances), device=instances.device)
    return F.cross_entropy(similarity, labels, reduction="sum") / max(len(instances), 1)


def create_w32(skeleton: Skeleton) -> CID:
    """Create CID with HRNet-W32 for 512 × 512, 29.4 M parameters."""
    method = CID(skeleton)
    method.name = "cid_hrnet_w32"
    method.card = CARD
    method.recipes = RECIPES
    return method


def create_w8_tiny(skeleton: Skeleton) -> CID:
    """Create CID with HRNet-W8, one module a stage, for 192 × 192, for CPUs and tests.

    Its head is given the squared distance to the root, for trainings of few steps.
    """
    method = CID(skeleton, W8_TINY, 32, 0.1, (192, 192), root_unit=12, has_radius=True)
    method.name = "cid_hrnet_w8_tiny"
    method.card = TINY_CARD
    method.recipes = {"quick": TINY_QUICK} | {n: RECIPES[n] for n in ("paper", "mmpose")}
    return method
