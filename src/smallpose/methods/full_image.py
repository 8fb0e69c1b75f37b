"""What bottom-up and single-stage methods share: whole pictures in, all their people out."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smallpose.core.predictions import Predictions
from smallpose.dataloading.affine import map_to_image
from smallpose.dataloading.full_image.letterbox import Letterbox, apply_letterbox, compute_letterbox
from smallpose.dataloading.full_image.mosaic import FullImageAugmentation
from smallpose.dataloading.full_image.samples import BatchPeople
from smallpose.methods.base import PoseMethod, Recipe
from smallpose.models.backbones.hrnet import HRNetConfig
from smallpose.models.codecs.nms import oks_nms

Floats = NDArray[np.float64]

# A drawn box is larger than the extent of the keypoints in it. Grown by this share at every side,
# extents overlap best with COCO's boxes (IoU 0.81 on average instead of 0.63; 381 people of
# val2017 with at least 15 keypoints).
EXTENT_MARGIN = 0.12

# HRNet at a quarter of W32's width and with a block where that has four, for CPUs and tests.
TINY_PLAN = HRNetConfig(widths=(8, 16, 32, 64), modules=(1, 1, 1), depth=1, stem=16, first=1)


@dataclass(frozen=True, kw_only=True)
class FullImageRecipe(Recipe):
    """How a whole-image method is trained; `batch_size` counts pictures.

    What `Recipe` has no word for stands here, for the loop to use: RTMO's needs all of it.

    Args:
        rates: name prefix of weights to the factor of their learning rate.
        cosine: (epoch, rate) between which the rate falls along a cosine, instead of `schedule`;
            the rate rises with the square of the step over `warm_epochs` before.
        sizes: sides, least and most, to which each batch is resized in multiples of 32.
        second_stage: epoch from which `method.stage` is 2.
    """

    augment: FullImageAugmentation = field(default_factory=FullImageAugmentation)
    rates: Mapping[str, float] = field(default_factory=dict)
    cosine: tuple[tuple[float, float], ...] = ()
    warm_epochs: float = 0
    sizes: tuple[int, int] | None = None
    second_stage: float = 0


class Detections(NamedTuple):
    """People in one picture, px of what the network saw.

    Args:
        keypoints: (d, k, 2).
        keypoint_scores: (d, k).
        scores: (d,) of each person, the surest first where the method ranks them.
        boxes_xyxy: (d, 4).
    """

    keypoints: Tensor
    keypoint_scores: Tensor
    scores: Tensor
    boxes_xyxy: Tensor


class FullImageMethod(PoseMethod):
    """A network that finds and poses all people of a picture at once.

    A subclass defines `forward`, `targets`, `loss` and `find`, and sets:

    Attributes:
        multiple: the sides of what it takes are multiples of this.
        fit_mode: how a picture is fitted; see `fit_whole`.
        pad: grey level around the picture.
        oks_threshold: people of one picture with a larger OKS are one; 1 keeps all.
        default_flip_test: whether its published numbers are made with the mirrored picture too.
        max_people: people in a picture at most; None for all.
        score_threshold: people below are nobody.
        box_margin: share of its sides by which a box of its people grows at every side before a
            top-down method looks at them.
        rescore: whether a net that ranks poses by their shape does so, where there is one.
    """

    size_divisor = 32
    fit_mode: Literal["inside", "cover"] = "cover"
    pad_value = 0
    oks_threshold = 1.0
    default_flip_test = True
    max_people: int | None = None
    score_threshold = 0.01
    rescore = True
    box_margin = 0.0

    @abstractmethod
    def targets(self, keypoints: Any) -> Any:
        """`People` of a batch to what `loss` compares outputs with."""

    @abstractmethod
    def detect(self, pictures: Tensor, flip_test: bool) -> list[Detections]:
        """(b, 3, h, w) prepared pictures to the people in each."""

    def flip_back(self, outputs: Any) -> Any:
        """Whole-image methods mirror their maps back in `find`, each by its own rule."""
        raise NotImplementedError(f"{self.name} has no crops")

    def decode(self, outputs: Any) -> tuple[Tensor, Tensor]:
        """Whole-image methods decode in `find`."""
        raise NotImplementedError(f"{self.name} has no crops")

    def fit_image(self, picture_wh: tuple[int, int]) -> Letterbox:
        """How the method sees a picture of that size."""
        return compute_letterbox(picture_wh, self.input_wh, self.size_divisor, self.fit_mode)

    def param_group_factors(
        self, name: str, weight: nn.Parameter, recipe: Recipe
    ) -> tuple[float, float]:
        """As every method, and the recipe's own rates for weights whose names begin so."""
        rate, decay = super().param_group_factors(name, weight, recipe)
        rates = recipe.rates if isinstance(recipe, FullImageRecipe) else {}
        for prefix, factor in rates.items():
            if name.startswith(prefix):
                rate *= factor
        return rate, decay

    def begin_epoch(self, epoch: int, recipe: Recipe) -> None:
        """Told before each epoch of a training, counted from 0."""

    def compute_losses(self, pictures: Tensor, people: BatchPeople) -> dict[str, Tensor]:
        """The terms of the loss for (b, h, w, 3) uint8 RGB samples and their people."""
        return self.loss(self(self.prepare(pictures)), self.targets(people.to(self.device)))

    @torch.inference_mode()
    def detect_in_images(
        self, images: Sequence[NDArray[np.uint8]], flip_test: bool, batch_size: int
    ) -> list[Detections]:
        """The people of (h, w, 3) uint8 RGB images, px of the images.

        Images that are fitted to the same size go through the network together.
        """
        fittings = [self.fit_image((image.shape[1], image.shape[0])) for image in images]
        found: dict[int, Detections] = {}
        by_size: dict[tuple[int, int], list[int]] = {}
        for place, fitting in enumerate(fittings):
            by_size.setdefault(fitting.size_wh, []).append(place)
        for places in by_size.values():
            for start in range(0, len(places), batch_size):
                some = places[start : start + batch_size]
                shown = np.stack(
                    [apply_letterbox(images[p], fittings[p], self.pad_value) for p in some]
                )
                people = self.detect(self.prepare(torch.from_numpy(shown)), flip_test)
                found.update(zip(some, people, strict=True))
        return [
            detections_to_image(found[place], fitting) for place, fitting in enumerate(fittings)
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
        """All people of the images, image by image.

        Args:
            images: (h, w, 3) uint8 RGB each, or one alone.
            boxes_xywh, box_scores: not looked at; the method finds people by itself.
            flip_test: the method's own habit without.
        Returns: Predictions whose `image_ids` are places in `images`, from 0.
        """
        alone = isinstance(images, np.ndarray) and images.ndim == 3
        pictures = [np.asarray(images)] if alone else list(images)
        was_training = self.training
        if was_training:
            self.eval()
        flip = self.default_flip_test if flip_test is None else flip_test
        found = self.detect_in_images(pictures, flip, batch_size)
        if was_training:
            self.train()
        return suppress_duplicates(
            collect_predictions(self.skeleton, found, list(range(len(pictures)))),
            self.oks_threshold,
        )


def detections_to_image(found: Detections, fitting: Letterbox) -> Detections:
    """People in network px to people in picture px, in double precision on the CPU."""
    points = found.keypoints.double().cpu().numpy()
    corners = found.boxes_xyxy.double().cpu().numpy().reshape(-1, 2, 2)
    n = len(points)
    frame = (
        np.broadcast_to(fitting.center, (n, 2)),
        np.broadcast_to(fitting.scale, (n, 2)),
        fitting.size_wh,
    )
    return Detections(
        torch.from_numpy(map_to_image(points, *frame)),
        found.keypoint_scores.double().cpu(),
        found.scores.double().cpu(),
        torch.from_numpy(map_to_image(corners, *frame).reshape(-1, 4)),
    )


def collect_predictions(
    skeleton: Any, found: Sequence[Detections], image_ids: Sequence[int]
) -> Predictions:
    """People of several pictures, px of the pictures, as one table."""
    k = len(skeleton)
    empty = Detections(torch.zeros(0, k, 2), torch.zeros(0, k), torch.zeros(0), torch.zeros(0, 4))
    parts = [Detections(*(c.double() for c in part)) for part in (empty, *found)]
    points, sure, scores, boxes = (torch.cat(c).numpy() for c in zip(*parts, strict=True))
    boxes[:, 2:] -= boxes[:, :2]
    return Predictions(
        skeleton,
        np.repeat(np.asarray(image_ids, dtype=np.int64), [len(f.scores) for f in found]),
        np.concatenate([points, sure[..., None]], axis=2),
        scores,
        boxes,
    )


def suppress_duplicates(found: Predictions, above: float) -> Predictions:
    """Predictions without people found twice; the area of a pose is its extent's."""
    if above >= 1 or not len(found):
        return found
    low, high = found.keypoints[..., :2].min(axis=1), found.keypoints[..., :2].max(axis=1)
    area = (high - low).prod(axis=1)
    by_image = np.argsort(found.image_ids, kind="stable")
    first = np.flatnonzero(np.diff(found.image_ids[by_image], prepend=np.nan))
    kept = []
    for here in np.split(by_image, first[1:]):
        best = oks_nms(
            found.keypoints[here],
            found.scores[here],
            area[here],
            found.skeleton.sigmas,
            above,
        )
        kept.append(here[np.sort(best)])
    rows = np.sort(np.concatenate(kept))
    columns = ("image_ids", "keypoints", "scores", "boxes_xywh")
    return replace(found, **{name: getattr(found, name)[rows] for name in columns})


def boxes_around_keypoints(keypoints: Tensor) -> Tensor:
    """(d, k, 2) keypoints to the (d, 4) boxes around all of them."""
    return torch.cat([keypoints.amin(dim=1), keypoints.amax(dim=1)], dim=1)
