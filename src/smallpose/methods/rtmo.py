"""RTMO (Lu et al. 2024): one pass over the picture, a coordinate classifier for each person.

CSPDarknet, a hybrid encoder and a dense head say at 2,000 cells of a 640 × 640 picture whether a
person is there, with box and pose vector; boxes of the same person are dropped, and the dynamic
coordinate classifier turns the pose vectors that remain into keypoints. Trained twice over: first
the cells' own guesses of the keypoints and the classifier learn from the labels, later the guesses
learn from the classifier.

Printed AP (Tables 2 and 3): 33.2 in setting A, 63.1 in B; of which size is not said (Sec. 5.5).
MMPose's checkpoints have the same weight names; COCO val AP 67.7, 70.9 and 72.4 for s, m and l. A
picture takes about 0.3, 0.8 and 1.7 seconds on one CPU core.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.full_image.mosaic import FullImageAugmentation
from smallpose.dataloading.full_image.samples import MASK_STRIDE, BatchPeople
from smallpose.methods.base import MethodCard, Recipe
from smallpose.methods.full_image import Detections, FullImageMethod, FullImageRecipe
from smallpose.models.backbones.csp_darknet import CSPDarknet
from smallpose.models.codecs.nms import box_nms
from smallpose.models.codecs.offsets import (
    GridPoints,
    box_iou,
    corners_to_center_size,
    decode_boxes,
    decode_keypoints,
    encode_boxes,
)
from smallpose.models.codecs.sim_ota import CellPredictions, assign_cells, compute_oks
from smallpose.models.heads.hybrid_encoder import HIDDEN_CHANNELS, HybridEncoder
from smallpose.models.heads.rtmo import RTMOHeadModule, RTMOOutputs
from smallpose.models.heads.rtmo_dcc import BINS_XY, FEATURES, DynamicCoordinateClassifier

BOX_PADDING = 1.25  # the classifier's bins cover this much more than the box


@dataclass(frozen=True, kw_only=True)
class Weighting:
    """How much each term of the loss counts, in both stages of the training.

    Args:
        box, visible, guess, joints, person: of the terms by these names in `RTMO.loss`.
        power: of the OKS that the cell's score shall become.
        from_classifier: guesses and scores learn from the coordinate classifier.
        blur: limits, in parts of a person's size, of how wide the network may say that labels are.
            A wide label asks the classifier only to be near.
        tolerance: of a guess, in parts of what OKS allows. OKS pulls nothing that is far away.
    """

    box: float = 5.0
    visible: float = 1.0
    guess: float = 30.0
    joints: float = 1.0
    person: float = 1.0
    power: float = 0.5
    from_classifier: bool = False
    blur: tuple[float, float] = (1e-3, math.inf)
    tolerance: float = 1.0


STAGES_S = (Weighting(), Weighting(guess=10, joints=5, from_classifier=True))
# The twin's trainings last for hundreds of steps and not for a million. So its classifier is asked
# for the exact place from the beginning, and far joints pull its guesses, too.
STAGES_TINY = (
    Weighting(blur=(0.015, 0.015), tolerance=4),
    Weighting(blur=(0.015, 0.015), guess=10, joints=5, from_classifier=True),
)
STAGES_ML = (
    Weighting(joints=0.01),
    Weighting(guess=10, joints=5, person=2, power=1.0, from_classifier=True),
)


def _mmpose(batch: int, still: bool) -> FullImageRecipe:
    return FullImageRecipe(
        optimizer="adamw",
        learning_rate=4e-3,
        batch_size=batch,
        epochs=600,
        weight_decay=0.05,
        clip_norm=0.1,
        rates={"neck.encoder": 0.05},
        # Up over 5 epochs, down to 2e-4 at 280, up to 5e-4 for the second stage, down again.
        warm_epochs=5,
        cosine=((5, 4e-3), (280, 2e-4), (280, 5e-4), (281, 5e-4), (580, 2e-4), (600, 2e-4)),
        ema=(2e-4, 2000.0),
        sizes=(480, 800),
        second_stage=280,
        augment=FullImageAugmentation(
            pad=114,
            hsv=(5, 30, 30),
            only_labelled=True,
            fit="long",
            mosaic=True,
            closing=20,
            closing_still=still,
        ),
    )


def _recipes(still: bool) -> dict[str, Recipe]:
    return {
        "paper": _mmpose(32, still),
        "mmpose": _mmpose(256, still),
        "quick": FullImageRecipe(
            optimizer="adamw",
            learning_rate=1e-3,
            batch_size=16,
            epochs=20,
            weight_decay=0.05,
            schedule="one_cycle",
            warm_up=20,
            # The classifier's waves of single px blur again at a rate that the rest likes.
            rates={"head.dcc": 0.25},
            augment=FullImageAugmentation(
                pad=114, only_labelled=True, fit="long", rotate_deg=15, scale_range=(0.75, 1.25)
            ),
        ),
    }


class Batch(NamedTuple):
    """People as `loss` wants them.

    Args:
        picture: (n,) numbers of their pictures.
        boxes: (n, 4) corners, px.
        keypoints: (n, k, 3) x, y and 1 where labelled.
        area: (n,) px².
        uncounted: (b, h, w) 1 where people stand that nobody labelled.
    """

    picture: Tensor
    boxes: Tensor
    keypoints: Tensor
    area: Tensor
    uncounted: Tensor


class _Head(nn.Module):
    """The parts under the names that checkpoints have for them."""

    def __init__(
        self, dense: RTMOHeadModule, classifier: DynamicCoordinateClassifier, sigmas: Tensor
    ) -> None:
        super().__init__()
        self.head_module = dense
        self.dcc = classifier
        self.loss_oks = nn.Module()
        self.loss_oks.register_buffer("sigmas", sigmas)


class RTMO(FullImageMethod):
    """A backbone, a neck, a dense head and a coordinate classifier.

    Args:
        widen, deepen: size of the backbone and of parts of the neck and head.
        channels: of the features the head gets, and of the pose vectors.
        stages: weights of the loss in the first and the second stage.
        keypoint_center: cells near the mean of a person's keypoints learn him, not near the
            middle of his box.
        hidden: channels inside the neck.
        bins_xy, features, spread: of the coordinate classifier.
    Attributes:
        stage: 1 or 2 of the training.
        closing: whether the last epochs run, in which the raw boxes are taught too.
        score_threshold, iou_above: people below the one and boxes above the other are dropped.
        max_people: people in a picture at most; None for all.
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
    training_only = ("head.head_module.out_kpt_reg.", "head.dcc.sigma_fc.", "head.loss_oks.")

    def __init__(
        self,
        skeleton: Skeleton,
        widen: float,
        deepen: float,
        channels: int,
        stages: tuple[Weighting, Weighting],
        keypoint_center: bool,
        *,
        hidden: int = HIDDEN_CHANNELS,
        bins_xy: tuple[int, int] = BINS_XY,
        features: int = FEATURES,
        spread: float = 1.0,
        input_wh: tuple[int, int] = (640, 640),
    ) -> None:
        super().__init__(skeleton, input_wh)
        k = len(skeleton)
        self.backbone = CSPDarknet(widen, deepen)
        self.neck = HybridEncoder(self.backbone.out_channels, channels, widen, deepen, hidden)
        self.head = _Head(
            RTMOHeadModule(channels, widen, channels, k),
            DynamicCoordinateClassifier(channels, k, bins_xy, features, spread),
            torch.tensor(skeleton.sigmas, dtype=torch.float32),
        )
        self.stages, self.keypoint_center = stages, keypoint_center
        self.stage, self.closing = 1, False

    @property
    def sigmas(self) -> Tensor:
        """(k,) OKS tolerances."""
        return self.head.loss_oks.get_buffer("sigmas")

    def prepare(self, crops: Tensor) -> Tensor:
        """(b, h, w, 3) uint8 RGB to (b, 3, h, w) BGR, 0 to 255: nothing is subtracted here."""
        x = crops.to(self.device, non_blocking=True).float()
        return x.flip(-1).permute(0, 3, 1, 2)

    def forward(self, pictures: Tensor) -> RTMOOutputs:
        """(b, 3, h, w) BGR pictures to what their cells say."""
        return self.head.head_module(self.neck(self.backbone(pictures)))

    def begin_epoch(self, epoch: int, recipe: Recipe) -> None:
        """The second stage and the closing epochs begin when the recipe says so."""
        if isinstance(recipe, FullImageRecipe):
            self.stage = 2 if 0 < recipe.second_stage <= epoch else 1
            self.closing = epoch >= recipe.epochs - recipe.augment.closing

    def classify(
        self, poses: Tensor, boxes: Tensor, points: GridPoints
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(n, c) pose vectors and (n, 4) corners to joints and bins, as `CoordinateClassifier`."""
        center, size = corners_to_center_size(boxes)
        return self.head.dcc(poses, center, size * BOX_PADDING, points.xy)

    def detect(self, pictures: Tensor, flip_test: bool) -> list[Detections]:
        """People above `score_above`, one for each box; there is no mirrored pass in RTMO."""
        cells = self.run_network(pictures)
        points = cells.points
        boxes = decode_boxes(cells.boxes, points)  # (b, p, 4)
        scores = cells.logits.sigmoid()[..., 0]
        rows = [self._distinct(b, s) for b, s in zip(boxes, scores, strict=True)]
        # All pictures' people go through the classifier together.
        number = torch.cat([torch.full_like(r, i) for i, r in enumerate(rows)])
        cell = torch.cat(rows)
        chosen = boxes[number, cell]
        keypoints, _, _ = self.classify(cells.poses[number, cell], chosen, points.take(cell))
        visible = cells.visible[number, cell].sigmoid()
        h, w = pictures.shape[2:]
        chosen = torch.minimum(chosen.clamp(min=0), chosen.new_tensor([w, h, w, h]))
        all_of_them = Detections(keypoints, visible, scores[number, cell], chosen)
        lengths = [len(r) for r in rows]
        columns = (c.split(lengths) for c in all_of_them)
        return [Detections(*parts) for parts in zip(*columns, strict=True)]

    def _distinct(self, boxes: Tensor, scores: Tensor) -> Tensor:
        """(p, 4) and (p,) to the cells whose people are kept, the surest first."""
        sure = torch.nonzero(scores > self.score_threshold)[:, 0]
        kept = box_nms(
            boxes[sure].float().cpu().numpy(),
            scores[sure].float().cpu().numpy(),
            self.iou_threshold,
        )
        return sure[torch.from_numpy(kept[: self.max_people]).to(sure.device)]

    def targets(self, keypoints: Any) -> Batch:
        """`People` of a batch as `loss` wants them; those without a keypoint teach nothing."""
        people: BatchPeople = keypoints
        seen = (people.keypoints[..., 2] > 0).any(dim=1)
        points = people.keypoints[seen].clone()
        points[..., 2].clamp_(max=1)
        return Batch(
            people.image_index[seen],
            people.boxes_xyxy[seen],
            points,
            people.area[seen],
            1 - people.heatmap_mask,
        )

    def loss(self, outputs: tuple[Tensor, ...], targets: Batch) -> dict[str, Tensor]:
        """The terms of RTMO's loss (Lu et al., Sec. 3.4), weighted for the stage at hand."""
        cells = RTMOOutputs(*outputs)
        points = cells.points
        weights = self.stages[self.stage - 1]
        boxes = decode_boxes(cells.boxes, points)
        guesses = decode_keypoints(cells.offsets, points)
        picture, cell, person, oks = self._assign(cells, points, boxes, guesses, targets)
        n = max(len(cell), 1)

        truth = targets.keypoints[person]
        where, seen, area = truth[..., :2], truth[..., 2], targets.area[person]
        mine, at = boxes[picture, cell], points.take(cell)
        joints, p_x, p_y = self.classify(cells.poses[picture, cell], mine, at)
        guess = guesses[picture, cell]

        overlap = box_iou(mine, targets.boxes[person]).clamp(min=1e-16)
        terms = {"box": weights.box * (1 - overlap.square()).sum() / n}
        visible = cells.visible[picture, cell]
        terms["visible"] = weights.visible * mean(
            F.binary_cross_entropy_with_logits(visible, seen, reduction="none")
        )
        likely = self._likelihood(cells.poses[picture, cell], (p_x, p_y), mine, where, area)
        terms["joints"] = weights.joints * mean(negative_log(likely) * seen)
        aim, counted = where, seen
        if weights.from_classifier:
            aim = joints.detach()
            better = (aim - where).norm(dim=-1) < (guess.detach() - where).norm(dim=-1)
            counted = seen * better
            oks = compute_oks(aim, where, seen, area, self.sigmas)
        # Over all k joints and not over the labelled ones: people with few labels pull less.
        sigmas = weights.tolerance * self.sigmas
        near = keypoint_similarity(guess, aim, area, sigmas) * counted / seen.shape[-1]
        terms["guess"] = weights.guess * mean(1 - near.sum(dim=-1))
        if self.closing:
            raw = cells.boxes[picture, cell]
            aimed = encode_boxes(targets.boxes[person], at)
            terms["raw_box"] = (raw - aimed).abs().sum() / n

        quality = torch.zeros_like(cells.logits[..., 0])
        quality[picture, cell] = oks.detach().pow(weights.power).to(quality.dtype)
        counts = 1 - self._uncounted(cells, guesses, targets)
        lost = varifocal_loss(cells.logits[..., 0], quality) * counts
        terms["person"] = weights.person * lost.sum() / n
        return terms

    @torch.no_grad()
    def _assign(
        self, cells: RTMOOutputs, points: GridPoints, boxes: Tensor, guesses: Tensor, people: Batch
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pictures, cells, people (rows of `people`) and OKS of the cells that learn somebody."""
        parts = []
        for number in range(len(boxes)):
            rows = torch.nonzero(people.picture == number)[:, 0]
            guess = CellPredictions(
                cells.logits[number, :, 0].float().sigmoid(),
                boxes[number].float(),
                guesses[number].float(),
            )
            cell, whom, oks = assign_cells(
                guess,
                points,
                people.boxes[rows],
                people.keypoints[rows],
                people.area[rows],
                self.sigmas,
                self.keypoint_center,
            )
            parts.append((torch.full_like(cell, number), cell, rows[whom], oks))
        picture, cell, person, oks = (torch.cat(column) for column in zip(*parts, strict=True))
        return picture, cell, person, oks

    def _likelihood(
        self,
        poses: Tensor,
        bins: tuple[Tensor, Tensor],
        boxes: Tensor,
        truth: Tensor,
        area: Tensor,
    ) -> Tensor:
        """(m, k) how likely the labels are under the classifier's bins.

        Each label is blurred by a Laplace distribution whose width, in parts of the person's size,
        the network says itself, within the limits of `Weighting.blur`.
        """
        sigma = self.head.dcc.sigma_fc(poses).clamp(*self.stages[self.stage - 1].blur)[..., None]
        width = sigma * area.sqrt().clamp(min=1)[:, None, None]
        center, size = corners_to_center_size(boxes)
        places = self.head.dcc.bins(center, size * BOX_PADDING)
        likely = torch.ones_like(truth[..., 0])
        for axis, (p, place) in enumerate(zip(bins, places, strict=True)):
            away = (truth[..., axis, None] - place[:, None]).abs()  # (m, k, bins)
            likely = likely * (p * torch.exp(-away / width / 2) / sigma).sum(dim=-1)
        return likely

    @torch.no_grad()
    def _uncounted(self, cells: RTMOOutputs, guesses: Tensor, people: Batch) -> Tensor:
        """(b, p) how far each cell's person stands among people whom nobody labelled."""
        if not people.uncounted.any():
            return torch.zeros_like(cells.logits[..., 0])
        sure = (cells.visible.sigmoid() > 0.3).to(guesses.dtype)[..., None]
        middle = (guesses * sure).sum(dim=2) / sure.sum(dim=2).clamp(min=1e-8)  # (b, p, 2)
        h, w = people.uncounted.shape[-2:]
        last = middle.new_tensor([w, h]) * MASK_STRIDE - 1
        grid = middle / last * 2 - 1
        held = F.grid_sample(people.uncounted[:, None], grid[:, None], align_corners=False)
        return held[:, 0, 0]


def mean(values: Tensor) -> Tensor:
    """The mean; 0 of nothing, still with a gradient for every weight."""
    return values.sum() / max(values.numel(), 1)


def keypoint_similarity(found: Tensor, truth: Tensor, area: Tensor, sigmas: Tensor) -> Tensor:
    """Each joint's part of the OKS of (m, k, 2) poses, (m, k); areas (m,), sigmas (k,)."""
    squared = (found - truth).square().sum(dim=-1)
    size = area.clamp(min=1e-16)[:, None] * (2 * sigmas).square()
    return torch.exp(-squared / size / 2)


def negative_log(likely: Tensor) -> Tensor:
    """Minus the logarithm of likelihoods that may be 0."""
    return -(likely + 1e-4).log()


def varifocal_loss(logits: Tensor, quality: Tensor) -> Tensor:
    """Cross entropy with the quality as target; empty cells count by how wrong they are."""
    weights = torch.where(quality > 1e-4, quality, 0.75 * logits.sigmoid().square())
    held = logits.clamp(min=-10, max=10)
    return F.binary_cross_entropy_with_logits(held, quality, reduction="none") * weights


PAPER_AP = {"A": (33.2, 17.2), "B": (63.1, 55.1)}


def _card(size: str, checkpoint: str) -> MethodCard:
    return MethodCard(
        title=f"RTMO-{size}",
        paradigm="single-stage",
        parts="CSPDarknet, hybrid encoder, dense head, dynamic coordinate classifier",
        paper_ap=PAPER_AP,
        checkpoint=checkpoint,
        checkpoint_folder="v1/projects/rtmo",
        checkpoint_hash=checkpoint.split("_")[-2].split("-")[-1],
    )


TINY_CARD = MethodCard(
    title="RTMO (tiny)",
    paradigm="single-stage",
    parts="CSPDarknet at an eighth of its width, 192 × 192",
)


def create_s(skeleton: Skeleton) -> RTMO:
    """RTMO-s, 9.9 M parameters."""
    method = RTMO(skeleton, 0.5, 0.33, 256, STAGES_S, keypoint_center=True)
    method.name = "rtmo_s"
    method.card = _card("s", "rtmo-s_8xb32-600e_coco-640x640-8db55a59_20231211.pth")
    method.recipes = _recipes(still=True)
    return method


def create_m(skeleton: Skeleton) -> RTMO:
    """RTMO-m, 22.5 M parameters."""
    method = RTMO(skeleton, 0.75, 0.67, 384, STAGES_ML, keypoint_center=False)
    method.name = "rtmo_m"
    method.card = _card("m", "rtmo-m_16xb16-600e_coco-640x640-6f4e0306_20231211.pth")
    method.recipes = _recipes(still=False)
    return method


def create_l(skeleton: Skeleton) -> RTMO:  # noqa: E743
    """RTMO-l, 44.7 M parameters."""
    method = RTMO(skeleton, 1.0, 1.0, 512, STAGES_ML, keypoint_center=False)
    method.name = "rtmo_l"
    method.card = _card("l", "rtmo-l_16xb16-600e_coco-640x640-516a421f_20231211.pth")
    method.recipes = _recipes(still=False)
    return method


def create_tiny(skeleton: Skeleton) -> RTMO:
    """RTMO at an eighth of its width at 192 × 192, 0.5 M parameters, for CPUs and tests."""
    method = RTMO(
        skeleton,
        0.25,
        0.33,
        64,
        STAGES_TINY,
        keypoint_center=True,
        hidden=64,
        bins_xy=(48, 64),
        features=64,
        spread=0.3,
        input_wh=(192, 192),
    )
    method.name = "rtmo_tiny"
    method.card = TINY_CARD
    recipes = _recipes(still=True)
    # Its classifier begins gently (`spread`) and learns at everybody's rate.
    quick = recipes["quick"]
    assert isinstance(quick, FullImageRecipe)
    method.recipes = {"quick": replace(quick, rates={})} | {
        n: recipes[n] for n in ("paper", "mmpose")
    }
    return method
