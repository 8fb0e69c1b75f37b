"""Expected OKS, a method of our own for small people: few pixels, and scores that count.

No method of the paper. It is compared with `simple_baseline_r18_tiny` at the same CPU time
(bench/README.md, "a method for small people"), from which it differs in this:

- The network works at strides 8 and 16 from its third layer on (`models/backbones/stride8.py`).
  Small people have no detail for finer maps, and a step takes less time.
- Maps are distributions, trained by their cross-entropy with Gaussian labels. Its gradient is as
  large in the first step as later, where squares of heatmaps first have to learn where nothing is.
- Joints are read where their expected OKS is largest, and scored by it
  (`models/codecs/expected_oks.py`).
- The recipe has Muon (`training/muon.py`), half the augmentation and an epoch more: few steps go
  farther.
"""

from torch import Tensor

from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.augmentation import Augmentation
from smallpose.methods.base import MethodCard, PoseMethod, Recipe
from smallpose.models.backbones.stride8 import Stride8Net
from smallpose.models.codecs.expected_oks import (
    STRIDE,
    MapLabels,
    compute_map_cross_entropy,
    decode_expected_oks,
    encode_map_labels,
    find_label_sigmas,
)
from smallpose.models.heads.shuffled_maps import ShuffledMapsHead

TINY_CARD = MethodCard(
    title="Expected OKS (tiny)",
    paradigm="top-down",
    parts="residual blocks at strides 8 and 16, maps of probability read by expected OKS, 96 × 64",
)
TINY_RECIPES = {
    # Half the augmentation of `simple_baseline_r18_tiny`: few epochs do not repeat a person often.
    "quick": Recipe(
        optimizer="muon",
        learning_rate=4e-3,
        weight_decay=0.01,
        batch_size=32,
        epochs=7,
        schedule="one_cycle",
        warm_up=20,
        augment=Augmentation(half_body=0, shift=0.04, scale=0.08, rotate_deg=10, rotate_chance=0.4),
    ),
}


class ExpectedOKS(PoseMethod):
    """A backbone at stride 8, and maps at stride 4 that are distributions of joints."""

    score_rule = "box_times_mean"
    _sigmas: Tensor

    def __init__(self, skeleton: Skeleton, backbone: Stride8Net, input_wh: tuple[int, int]) -> None:
        super().__init__(skeleton, input_wh)
        self.backbone = backbone
        self.head = ShuffledMapsHead(backbone.out_channels, len(skeleton))
        self.register_buffer("_sigmas", find_label_sigmas(skeleton), persistent=False)

    @property
    def map_wh(self) -> tuple[int, int]:
        """Return the size of the maps."""
        return self.input_wh[0] // STRIDE, self.input_wh[1] // STRIDE

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) crops to (b, k, h / 4, w / 4); their softmax are probabilities."""
        logits: Tensor = self.head(self.backbone(images))
        return logits

    def targets(self, keypoints: Tensor) -> MapLabels:
        """Encode (b, k, 3) keypoints as Gaussians of sum 1, and which of them are labelled."""
        return encode_map_labels(keypoints, self._sigmas, self.map_wh)

    def loss(self, outputs: Tensor, targets: MapLabels) -> dict[str, Tensor]:
        """Compute the cross-entropy of the maps; unlabelled joints have no weight."""
        return {"maps": compute_map_cross_entropy(outputs, targets)}

    def flip_back(self, outputs: Tensor) -> Tensor:
        """Flip maps back: left and right swapped; the grid needs no shift."""
        return outputs[:, self._flip_indices].flip(-1)

    def decode(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the places of largest expected OKS in crop px, and its values as scores."""
        return decode_expected_oks(outputs, self._sigmas)


def create_tiny(skeleton: Skeleton) -> ExpectedOKS:
    """Create the method for crops of 96 × 64, 0.3 M parameters."""
    method = ExpectedOKS(skeleton, Stride8Net(32, 64, 96), (64, 96))
    method.name = "expected_oks_tiny"
    method.card = TINY_CARD
    method.recipes = TINY_RECIPES
    return method
