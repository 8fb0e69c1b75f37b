"""RTMO (Lu et al. 2024): single-stage, a coordinate classifier for each detected person.

CSPDarknet, a hybrid encoder and a dense head predict at the 2,000 grid cells of a 640 × 640 image
whether there is a person, with box and pose vector; duplicates are removed by box NMS, and the
dynamic coordinate classifier turns the remaining pose vectors into keypoints. The loss is in
`rtmo_loss.py`, the recipes are in `rtmo_recipes.py`.

Printed AP (Tables 2 and 3): 33.2 in setting A, 63.1 in B; of which size is not stated (Sec. 5.5).
MMPose's checkpoints have the same weight names; COCO val AP 67.7, 70.9 and 72.4 for s, m and l. An
image takes about 0.3, 0.8 and 1.7 seconds on one CPU core.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.full_image.batch_people import MASK_STRIDE, BatchPeople
from smallpose.methods.base import Recipe
from smallpose.methods.full_image import Detections, FullImageMethod, FullImageRecipe
from smallpose.methods.rtmo_loss import LossWeights, RTMOTargets, compute_rtmo_losses
from smallpose.methods.rtmo_parts import FoldedRTMO, RTMONetwork, split_rtmo
from smallpose.methods.rtmo_recipes import TINY_CARD, make_card, make_recipes, make_tiny_recipes
from smallpose.methods.split_network import SplitStages
from smallpose.models.backbones.csp_darknet import CSPDarknet
from smallpose.models.codecs.nms import box_nms
from smallpose.models.codecs.offsets import decode_boxes
from smallpose.models.heads.dense_joints import STRIDE as DENSE_STRIDE
from smallpose.models.heads.dense_joints import (
    DenseJointHead,
    compute_dense_loss,
    encode_joint_heatmaps,
)
from smallpose.models.heads.hybrid_encoder import HIDDEN_CHANNELS, HybridEncoder
from smallpose.models.heads.rtmo import (
    RTMOHead,
    RTMOHeadModule,
    RTMOOutputs,
    RTMOTrainingOutputs,
)
from smallpose.models.heads.rtmo_dcc import BINS_XY, FEATURES, DynamicCoordinateClassifier

STAGES_S = (LossWeights(), LossWeights(oks=10, mle=5, from_classifier=True))
STAGES_ML = (
    LossWeights(mle=0.01),
    LossWeights(oks=10, mle=5, cls=2, oks_power=1.0, from_classifier=True),
)
# Trainings of the tiny variant last hundreds of steps instead of a million. So its classifier is
# asked for the exact position from the beginning, and far joints have a gradient too.
_TINY = LossWeights(sigma_range=(0.015, 0.015), assign_tolerance=4, raw_boxes=True)
STAGES_TINY = (
    replace(_TINY, tolerance=4),
    replace(_TINY, oks=10, mle=5, from_classifier=True),
)


@dataclass(frozen=True, kw_only=True)
class RTMOConfig:
    """Size and settings of an RTMO.

    Args:
        widen, deepen: width and depth factors of the backbone and of parts of the neck and head.
        channels: of the features the head gets, and of the pose vectors.
        stages: loss weights of the first and the second stage.
        use_keypoint_center: cells near the mean of a person's keypoints are positive, instead of
            those near the centre of their box.
        hidden: channels inside the neck.
        bins_xy, features, encoding_std: of the coordinate classifier.
    """

    widen: float
    deepen: float
    channels: int
    stages: tuple[LossWeights, LossWeights]
    use_keypoint_center: bool
    hidden: int = HIDDEN_CHANNELS
    bins_xy: tuple[int, int] = BINS_XY
    features: int = FEATURES
    encoding_std: float = 1.0
    input_wh: tuple[int, int] = (640, 640)


RTMO_S = RTMOConfig(widen=0.5, deepen=0.33, channels=256, stages=STAGES_S, use_keypoint_center=True)
RTMO_M = RTMOConfig(
    widen=0.75, deepen=0.67, channels=384, stages=STAGES_ML, use_keypoint_center=False
)
RTMO_L = RTMOConfig(
    widen=1.0, deepen=1.0, channels=512, stages=STAGES_ML, use_keypoint_center=False
)
RTMO_TINY = RTMOConfig(
    widen=0.25,
    deepen=0.33,
    channels=64,
    stages=STAGES_TINY,
    use_keypoint_center=True,
    hidden=64,
    bins_xy=(48, 64),
    features=64,
    encoding_std=0.3,
    input_wh=(192, 192),
)


class RTMO(FullImageMethod):
    """A backbone, a neck, a dense head and a coordinate classifier.

    Attributes:
        stage: 1 or 2 of the training.
        auxiliary: the head of `dense_weight`, while a training has one.
        closing: whether the last epochs run, in which the raw boxes are supervised too.
        score_threshold: detections with a lower score are dropped.
        iou_threshold: of the box NMS.
    """

    size_divisor = 32
    fit_mode = "inside"
    pad_value = 114
    default_flip_test = False
    score_threshold = 0.1
    iou_threshold = 0.65
    keypoint_layers = (
        *(f"head.head_module.{n}.{i}" for n in ("out_kpt_vis", "out_kpt_reg") for i in (0, 1)),
        "head.dcc.pose_to_kpts.0",
        "head.dcc.pose_to_kpts.1",
        "head.dcc.sigma_fc.0",
        "head.dcc.pos_enc",
        "head.loss_oks.sigmas",
    )
    unsaved = ("auxiliary.",)
    training_only = ("head.head_module.out_kpt_reg.", "head.dcc.sigma_fc.", "head.loss_oks.")

    def __init__(self, skeleton: Skeleton, config: RTMOConfig) -> None:
        super().__init__(skeleton, config.input_wh)
        k = len(skeleton)
        channels = config.channels
        self.config = config
        self.backbone = CSPDarknet(config.widen, config.deepen)
        self.neck = HybridEncoder(
            self.backbone.out_channels, channels, config.widen, config.deepen, config.hidden
        )
        self.head = RTMOHead(
            RTMOHeadModule(channels, config.widen, channels, k),
            DynamicCoordinateClassifier(
                channels, k, config.bins_xy, config.features, config.encoding_std
            ),
            torch.tensor(skeleton.sigmas, dtype=torch.float32),
        )
        self.stage = 1
        self.closing = False
        self.auxiliary: DenseJointHead | None = None
        self._dense_weight = 0.0

    def prepare(self, images: Tensor) -> Tensor:
        """Map (b, h, w, 3) uint8 RGB to (b, 3, h, w) BGR, 0 to 255, without normalisation."""
        x = images.to(self.device, non_blocking=True).float()
        return x.flip(-1).permute(0, 3, 1, 2)

    def forward(self, images: Tensor) -> RTMOOutputs | RTMOTrainingOutputs:
        """Map (b, 3, h, w) BGR images to the outputs of their grid cells.

        In a training with the dense head its logits come along.
        """
        levels = self.backbone(images)
        if self.auxiliary is None or not self.training:
            return self.head.head_module(self.neck(levels))
        finest, stride16, stride32 = self.neck.fuse(levels)
        cells = self.head.head_module((stride16, stride32))
        return RTMOTrainingOutputs(cells, self.auxiliary(finest))

    def split_network(self) -> SplitStages | None:
        """Return the stages up to stride 8, those behind them with the neck, and the head.

        None for a class of the user's own, whose network may be another.
        """
        return None if type(self) is not RTMO else split_rtmo(self._get_network())

    def fold_network(self) -> nn.Module:
        """Return a copy of the network with its linear layers folded into each other.

        A method of the user's own class is returned as it is.
        """
        return self if type(self) is not RTMO else FoldedRTMO(self._get_network())

    def _get_network(self) -> RTMONetwork:
        return RTMONetwork(self.backbone, self.neck, self.head.head_module)

    def begin_training(self, recipe: FullImageRecipe) -> None:
        """Add the dense head, if the recipe has one."""
        super().begin_training(replace(recipe, dense_weight=0.0))
        self._dense_weight = recipe.dense_weight
        self.auxiliary = None
        if recipe.dense_weight:
            head = DenseJointHead(self.config.hidden, len(self.skeleton)).to(self.device)
            self.auxiliary = head.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def begin_epoch(self, epoch: int, recipe: Recipe) -> None:
        """Start the second stage and the closing epochs when the recipe says so."""
        if isinstance(recipe, FullImageRecipe):
            self.stage = 2 if 0 < recipe.second_stage <= epoch else 1
            self.closing = epoch >= recipe.epochs - recipe.augment.closing

    def targets(self, keypoints: Any) -> RTMOTargets:
        """Convert the `BatchPeople` of a batch; people without a keypoint are left out."""
        people: BatchPeople = keypoints
        is_labelled = (people.keypoints[..., 2] > 0).any(dim=1)
        points = people.keypoints[is_labelled].clone()
        points[..., 2].clamp_(max=1)
        return RTMOTargets(
            image_index=people.image_index[is_labelled],
            boxes=people.boxes_xyxy[is_labelled],
            keypoints=points,
            area=people.area[is_labelled],
            unlabelled_mask=1 - people.heatmap_mask,
            joint_heatmaps=None if self.auxiliary is None else self._encode_heatmaps(people),
        )

    def _encode_heatmaps(self, people: BatchPeople) -> Tensor:
        """Encode the targets of the dense head."""
        b, h, w = people.heatmap_mask.shape
        factor = DENSE_STRIDE // MASK_STRIDE
        map_bhw = (b, h // factor, w // factor)
        return encode_joint_heatmaps(people.keypoints, people.corners, people.image_index, map_bhw)

    def loss(
        self, outputs: RTMOTrainingOutputs | tuple[Tensor, ...], targets: RTMOTargets
    ) -> dict[str, Tensor]:
        """Compute the terms of RTMO's loss, weighted for the current stage."""
        dense_terms: dict[str, Tensor] = {}
        if isinstance(outputs, RTMOTrainingOutputs):
            assert targets.joint_heatmaps is not None
            dense_terms["dense"] = self._dense_weight * compute_dense_loss(
                outputs.joint_logits, targets.joint_heatmaps, targets.unlabelled_mask
            )
            outputs = outputs.cells
        terms = compute_rtmo_losses(
            self.head,
            RTMOOutputs(*outputs),
            targets,
            self.config.stages[self.stage - 1],
            use_keypoint_center=self.config.use_keypoint_center,
            supervise_raw_boxes=self.closing,
        )
        return terms | dense_terms

    def detect(self, images: Tensor, flip_test: bool) -> list[Detections]:
        """Return the people that remain after box NMS; RTMO has no flip test."""
        outputs = self.run_network(images)
        points = outputs.grid_points
        boxes = decode_boxes(outputs.bbox_preds, points)  # (b, p, 4)
        scores = outputs.cls_scores.sigmoid()[..., 0]
        kept = [self._select_cells(b, s) for b, s in zip(boxes, scores, strict=True)]
        # The people of all images go through the classifier together.
        image = torch.cat([torch.full_like(cells, i) for i, cells in enumerate(kept)])
        cell = torch.cat(kept)
        kept_boxes = boxes[image, cell]
        pose_vecs = outputs.pose_vecs[image, cell]
        keypoints, _, _ = self.head.classify(pose_vecs, kept_boxes, points.xy[cell])
        visibility = outputs.kpt_vis[image, cell].sigmoid()
        h, w = images.shape[2:]
        clipped = torch.minimum(kept_boxes.clamp(min=0), kept_boxes.new_tensor([w, h, w, h]))
        detections = Detections(keypoints, visibility, scores[image, cell], clipped)
        counts = [len(cells) for cells in kept]
        columns = (column.split(counts) for column in detections)
        return [Detections(*parts) for parts in zip(*columns, strict=True)]

    def _select_cells(self, boxes: Tensor, scores: Tensor) -> Tensor:
        """Return the cells to keep of an image, the highest score first.

        Args:
            boxes, scores: (p, 4) and (p,).
        """
        cells = torch.nonzero(scores > self.score_threshold)[:, 0]
        kept = box_nms(
            boxes[cells].float().cpu().numpy(),
            scores[cells].float().cpu().numpy(),
            self.iou_threshold,
        )
        self.count_candidates(len(kept))
        kept_cells = cells[torch.from_numpy(kept).to(cells.device)]
        if self.counts_low_scores:
            self._count_low_cells(boxes, scores, kept_cells)
        return kept_cells[: self.max_people]

    def _count_low_cells(self, boxes: Tensor, scores: Tensor, kept: Tensor) -> None:
        """Count the people of an image whom the limit on scores drops, each once."""
        is_low = (scores > self.lowest_score) & (scores <= self.score_threshold)
        cells = torch.cat([kept, torch.nonzero(is_low)[:, 0]])
        distinct = box_nms(
            boxes[cells].float().cpu().numpy(),
            scores[cells].float().cpu().numpy(),
            self.iou_threshold,
        )
        self.count_low_scores(len(kept), len(distinct) - len(kept))


def create_s(skeleton: Skeleton) -> RTMO:
    """Create RTMO-s, 9.9 M parameters."""
    method = RTMO(skeleton, RTMO_S)
    method.name = "rtmo_s"
    method.card = make_card("s", "rtmo-s_8xb32-600e_coco-640x640-8db55a59_20231211.pth")
    method.recipes = make_recipes(closing_still=True)
    return method


def create_m(skeleton: Skeleton) -> RTMO:
    """Create RTMO-m, 22.5 M parameters."""
    method = RTMO(skeleton, RTMO_M)
    method.name = "rtmo_m"
    method.card = make_card("m", "rtmo-m_16xb16-600e_coco-640x640-6f4e0306_20231211.pth")
    method.recipes = make_recipes(closing_still=False)
    return method


def create_l(skeleton: Skeleton) -> RTMO:
    """Create RTMO-l, 44.7 M parameters."""
    method = RTMO(skeleton, RTMO_L)
    method.name = "rtmo_l"
    method.card = make_card("l", "rtmo-l_16xb16-600e_coco-640x640-516a421f_20231211.pth")
    method.recipes = make_recipes(closing_still=False)
    return method


def create_tiny(skeleton: Skeleton) -> RTMO:
    """Create RTMO at a quarter of its width for 192 × 192, 1.6 M parameters, for CPUs and tests."""
    method = RTMO(skeleton, RTMO_TINY)
    method.name = "rtmo_tiny"
    method.card = TINY_CARD
    method.recipes = make_tiny_recipes()
    return method
