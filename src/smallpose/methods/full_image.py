"""What bottom-up and single-stage methods share: full images in, all their people out."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.affine import map_to_image
from smallpose.dataloading.full_image.batch_people import BatchPeople
from smallpose.dataloading.full_image.letterbox import Letterbox, apply_letterbox, compute_letterbox
from smallpose.dataloading.full_image.mosaic import FullImageAugmentation
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.methods.check_images import list_images
from smallpose.models.codecs.nms import oks_nms_by_image
from smallpose.system.progress import report_long_loop

Floats = NDArray[np.float64]

# A labelled box is larger than the box around its keypoints. Enlarged by this share at every side,
# the latter overlap best with COCO's boxes (IoU 0.81 on average instead of 0.63; 381 people of
# val2017 with at least 15 keypoints).
KEYPOINT_BOX_MARGIN = 0.12


@dataclass(frozen=True, kw_only=True)
class FullImageRecipe(Recipe):
    """How a full-image method is trained; `batch_size` counts images.

    It adds to `Recipe` what RTMO's training needs.

    Args:
        rates: name prefix of weights to the factor of their learning rate.
        cosine: (epoch, rate) between which the rate falls along a cosine, instead of `schedule`;
            the rate rises with the square of the step over `warm_epochs` before.
        sizes: minimum and maximum side to which batches are resized, in multiples of 32.
        second_stage: epoch from which `method.stage` is 2.
        test_side: side of the network's input in tests and afterwards, px; 0 for that of training.
            Larger than the input of training, it suits windows that show parts of the images.
        dense_weight: weight of the loss of a head that training adds to RTMO and that predicts a
            heatmap of each joint; 0 for none.
    """

    augment: FullImageAugmentation = field(default_factory=FullImageAugmentation)
    rates: Mapping[str, float] = field(default_factory=dict)
    cosine: tuple[tuple[float, float], ...] = ()
    warm_epochs: float = 0
    sizes: tuple[int, int] | None = None
    second_stage: float = 0
    test_side: int = 0
    dense_weight: float = 0.0


class Detections(NamedTuple):
    """The d people detected in one image, px of the network's input.

    Args:
        keypoints: (d, k, 2).
        keypoint_scores: (d, k).
        scores: (d,) of each person, the highest first where the method ranks them.
        boxes_xyxy: (d, 4).
    """

    keypoints: Tensor
    keypoint_scores: Tensor
    scores: Tensor
    boxes_xyxy: Tensor

    def take(self, rows: Tensor | slice) -> "Detections":
        """Return some of the people."""
        return Detections(*(column[rows] for column in self))


class FullImageMethod(PoseMethod):
    """A network that detects all people of an image with their poses.

    A subclass defines `forward`, `targets`, `loss` and `detect`, and sets:

    Attributes:
        size_divisor: the sides of the network's input are multiples of this.
        fit_mode: how an image is fitted; see `compute_letterbox`.
        pad_value: grey level around the image.
        oks_threshold: people of one image with a larger OKS are duplicates; 1 keeps all.
        default_flip_test: whether its published numbers are made with the flip test.
        max_people: maximum number of people in an image; None for all. Those with the highest
            scores are kept.
        max_merged_people: the same for an image whose tiles are searched; None for all.
        num_limited: how many times `max_people` has left people out since it was set to 0.
        most_in_view: number of people that the network itself finds at most in one view; None for
            any.
        num_views: how many views were searched since it was set to 0, where `most_in_view` is set.
        num_full_views: in how many of them it found `most_in_view`.
        score_threshold: people with a lower score are dropped.
        counted_from: score from which those are counted that `score_threshold` drops; None where
            none are counted.
        num_scored: how many people of a score from `counted_from` on were detected since it was set
            to 0, each once in an image or a part of one.
        num_low: how many of them `score_threshold` has dropped.
        box_margin: share of its sides by which a box of its people is enlarged at every side
            before a top-down method is given it.
        rescore: whether a net that scores poses by their shape is used, where there is one.
        takes_any_side: whether `test_side` has an effect where another engine than PyTorch computes
            the network.
        test_side: side of the input in which images are predicted, px; 0 for `input_wh`.
        needed_px: height of a person in the network's input from which on most are detected; tiles
            are chosen by it.
    """

    size_divisor = 32
    fit_mode: Literal["inside", "cover"] = "cover"
    pad_value = 0
    oks_threshold = 1.0
    default_flip_test = True
    max_people: int | None = None
    max_merged_people: int | None = None
    num_limited = 0
    most_in_view: int | None = None
    num_views = 0
    num_full_views = 0
    score_threshold = 0.01
    counted_from: float | None = None
    num_scored = 0
    num_low = 0
    rescore = True
    box_margin = 0.0
    takes_any_side = False
    test_side = 0
    needed_px = 32

    @abstractmethod
    def targets(self, keypoints: Any) -> Any:
        """Convert the `BatchPeople` of a batch to what `loss` compares outputs with."""

    @abstractmethod
    def detect(self, images: Tensor, flip_test: bool) -> list[Detections]:
        """Detect the people in each of (b, 3, h, w) prepared images."""

    def flip_back(self, outputs: Any) -> Any:
        """Raise an error: full-image methods flip their maps back in `detect`."""
        raise NotImplementedError(f"{self.name} has no crops")

    def decode(self, outputs: Any) -> tuple[Tensor, Tensor]:
        """Raise an error: full-image methods decode in `detect`."""
        raise NotImplementedError(f"{self.name} has no crops")

    def fit_image(self, image_wh: tuple[int, int]) -> Letterbox:
        """Return how an image of that size is fitted to the network."""
        side = self.test_side
        input_wh = (side, side) if side else self.input_wh
        return compute_letterbox(image_wh, input_wh, self.size_divisor, self.fit_mode)

    def param_group_factors(
        self, name: str, weight: nn.Parameter, recipe: Recipe
    ) -> tuple[float, float]:
        """Return the factors of every method, with the recipe's `rates` applied."""
        rate, decay = super().param_group_factors(name, weight, recipe)
        rates = recipe.rates if isinstance(recipe, FullImageRecipe) else {}
        for prefix, factor in rates.items():
            if name.startswith(prefix):
                rate *= factor
        return rate, decay

    def begin_training(self, recipe: FullImageRecipe) -> None:
        """Prepare for a training by this recipe, before the optimizer is created.

        Raises: InputError when the method cannot be trained so.
        """
        self.test_side = recipe.test_side
        if recipe.dense_weight:
            raise InputError(
                f"dense_weight={recipe.dense_weight:g}",
                f"is for RTMO, and {self.name} has no such head",
                "leave it at 0",
            )

    def begin_epoch(self, epoch: int, recipe: Recipe) -> None:
        """Prepare for an epoch of a training, counted from 0; does nothing by default."""

    def count_candidates(self, num_people: int) -> None:
        """Record whether an image has more people than `max_people`, so that users learn of it."""
        if self.max_people is not None and num_people > self.max_people:
            self.num_limited += 1

    @property
    def counts_low_scores(self) -> bool:
        """Return whether `score_threshold` may drop people who are to be counted."""
        return self.counted_from is not None and self.counted_from < self.score_threshold

    @property
    def lowest_score(self) -> float:
        """Return the score from which people are kept or counted."""
        if self.counted_from is None:
            return self.score_threshold
        return min(self.counted_from, self.score_threshold)

    def count_low_scores(self, num_kept: int, num_low: int) -> None:
        """Record how many people of an image `score_threshold` keeps and drops."""
        self.num_scored += num_kept + num_low
        self.num_low += num_low

    def compute_losses(self, images: Tensor, people: BatchPeople) -> dict[str, Tensor]:
        """Compute the terms of the loss for (b, h, w, 3) uint8 RGB samples and their people."""
        targets = self.targets(people.to(self.device))
        return self.loss(self.compute_taught_outputs(self.prepare(images), targets), targets)

    @torch.inference_mode()
    def detect_in_images(
        self, images: Sequence[NDArray[np.uint8]], flip_test: bool, batch_size: int
    ) -> list[Detections]:
        """Detect the people of (h, w, 3) uint8 RGB images, px of the images.

        Images that are fitted to the same size go through the network together.
        """
        flip_test = self.allow_flip_test(flip_test)
        letterboxes = [self.fit_image((image.shape[1], image.shape[0])) for image in images]
        indices_by_size: dict[tuple[int, int], list[int]] = {}
        for index, letterbox in enumerate(letterboxes):
            indices_by_size.setdefault(letterbox.size_wh, []).append(index)
        batches = [
            indices[start : start + batch_size]
            for indices in indices_by_size.values()
            for start in range(0, len(indices), batch_size)
        ]
        detections: dict[int, Detections] = {}
        label = f"{self.name}: batches of {format_count(batch_size, 'image')} or tiles"
        for batch in report_long_loop(batches, label, every_s=60.0):
            inputs = np.stack(
                [apply_letterbox(images[i], letterboxes[i], self.pad_value) for i in batch]
            )
            people = self.detect(self.prepare(torch.from_numpy(inputs)), flip_test)
            detections.update(zip(batch, people, strict=True))
        return [
            detections_to_image(detections[index], letterbox)
            for index, letterbox in enumerate(letterboxes)
        ]

    def predict(
        self,
        images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
        boxes_xywh: Sequence[Floats] | Floats | None = None,
        *,
        box_scores: Sequence[Floats] | None = None,
        flip_test: bool | None = None,
        batch_size: int = 8,
    ) -> Predictions:
        """Predict all people of the images, image by image.

        Args:
            images: (h, w, 3) uint8 RGB each, or a single one.
            boxes_xywh, box_scores: not used; the method detects people itself.
            flip_test: (default: the method's own setting).
        Returns: Predictions whose `image_ids` are indices of `images`, from 0. A note says in how
            many images `max_people` was reached.
        """
        image_list = list_images(images)
        was_training = self.training
        if was_training:
            self.eval()
        if flip_test is None:
            flip_test = self.default_flip_test
        self.num_limited = 0
        detections = self.detect_in_images(image_list, flip_test, batch_size)
        if was_training:
            self.train()
        predictions = collect_predictions(self.skeleton, detections, list(range(len(image_list))))
        notes = describe_limit(self.name, self.num_limited, self.max_people)
        return replace(suppress_duplicates(predictions, self.oks_threshold), notes=notes)


def detections_to_image(detections: Detections, letterbox: Letterbox) -> Detections:
    """Map detections in network px to image px, in double precision on the CPU."""
    points = detections.keypoints.double().cpu().numpy()
    corners = detections.boxes_xyxy.double().cpu().numpy().reshape(-1, 2, 2)
    d = len(points)
    window = (
        np.broadcast_to(letterbox.center, (d, 2)),
        np.broadcast_to(letterbox.scale, (d, 2)),
        letterbox.size_wh,
    )
    return Detections(
        keypoints=torch.from_numpy(map_to_image(points, *window)),
        keypoint_scores=detections.keypoint_scores.double().cpu(),
        scores=detections.scores.double().cpu(),
        boxes_xyxy=torch.from_numpy(map_to_image(corners, *window).reshape(-1, 4)),
    )


def collect_predictions(
    skeleton: Skeleton, detections: Sequence[Detections], image_ids: Sequence[int]
) -> Predictions:
    """Concatenate the detections of several images, px of the images, to one table."""
    k = len(skeleton)
    empty = Detections(torch.zeros(0, k, 2), torch.zeros(0, k), torch.zeros(0), torch.zeros(0, 4))
    parts = [Detections(*(column.double() for column in part)) for part in (empty, *detections)]
    keypoints, keypoint_scores, scores, boxes = (
        torch.cat(column).numpy() for column in zip(*parts, strict=True)
    )
    boxes[:, 2:] -= boxes[:, :2]
    counts = [len(part.scores) for part in detections]
    return Predictions(
        skeleton=skeleton,
        image_ids=np.repeat(np.asarray(image_ids, dtype=np.int64), counts),
        keypoints=np.concatenate([keypoints, keypoint_scores[..., None]], axis=2),
        scores=scores,
        boxes_xywh=boxes,
    )


def suppress_duplicates(predictions: Predictions, oks_threshold: float) -> Predictions:
    """Remove duplicates by OKS NMS in each image; a pose's area is that of its keypoints' box."""
    if oks_threshold >= 1 or not len(predictions):
        return predictions
    points = predictions.keypoints[..., :2]
    area = (points.max(axis=1) - points.min(axis=1)).prod(axis=1)
    kept = oks_nms_by_image(
        predictions.image_ids,
        predictions.keypoints,
        predictions.scores,
        area,
        predictions.skeleton.sigmas,
        oks_threshold,
    )
    return predictions.take(np.sort(kept))


def describe_full_views(
    method: str, most_in_view: int | None, num_full_views: int, num_views: int
) -> tuple[str, ...]:
    """Return a note about views with as many people as the network finds; () if there are none."""
    if not num_full_views:
        return ()
    people = format_count(most_in_view or 0, "person", "people")
    return (
        f"{method}: at most {people} are found in a view, and as many in {num_full_views:,} of "
        f"{format_count(num_views, 'view')}: others may be missing, however tall they are; "
        "smallpose predict --tile PX makes parts of the image views of their own",
    )


def describe_limit(method: str, num_limited: int, max_people: int | None) -> tuple[str, ...]:
    """Return a note about images with more people than the limit; () if there are none."""
    if not num_limited:
        return ()
    people = format_count(max_people or 0, "person", "people")
    return (
        f"{method}: the limit of {people} was reached in {format_count(num_limited, 'image')}; the "
        "highest scores were kept, and predict --max-people N or all keeps more",
    )


def boxes_around_keypoints(keypoints: Tensor) -> Tensor:
    """Return the (d, 4) corners of the boxes around (d, k, 2) keypoints."""
    return torch.cat([keypoints.amin(dim=1), keypoints.amax(dim=1)], dim=1)
