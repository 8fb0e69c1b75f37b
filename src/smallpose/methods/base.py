"""The base class of the methods."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smallpose.core.errors import InputError
from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import Skeleton
from smallpose.dataloading.affine import PADDING, map_to_image
from smallpose.dataloading.top_down.crop_options import CropOptions
from smallpose.io.joint_pairs import describe_mirroring
from smallpose.methods.device import find_device
from smallpose.methods.flip_test import explain_missing_flip_test, run_flip_test
from smallpose.methods.network_outputs import are_finite, run_checked_network
from smallpose.methods.predict_boxes import predict_in_boxes
from smallpose.methods.recipe import MethodCard, Recipe
from smallpose.methods.split_network import SplitNetwork, SplitStages
from smallpose.models.codecs.heatmap_coding import HeatmapCoding
from smallpose.system.progress import print_status

__all__ = [
    "MEAN",
    "STD",
    "MethodCard",
    "Outputs",
    "PoseMethod",
    "Recipe",
    "SplitNetwork",
    "are_finite",
    "find_device",
]

Floats = NDArray[np.float64]
Outputs = Tensor | tuple[Tensor, ...]

# ImageNet's mean and standard deviation, RGB on the 0..255 scale, as for the published weights.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


class PoseMethod(nn.Module, ABC):
    """A network with its targets, its loss and its decoding; crops in, keypoints out.

    A subclass defines `forward`, `targets`, `loss`, `flip_back` and `decode`, and sets:

    Attributes:
        name: its key in `METHODS`.
        card: title, paradigm, parts and checkpoint.
        recipes: how it can be trained; "paper", "mmpose", "quick".
        skeleton: the joints it predicts, in its order.
        input_wh: size of the images it takes.
        score_rule: key into `SCORE_RULES`.
        udp_warp: whether its crops are cut by the UDP warp (`dataloading/affine.py`).
        box_padding: factor from a person's box to the crop.
        crop_options: how its crops are enlarged; set by `set_crop_options`.
        heatmap_coding: how keypoints become heatmaps and heatmaps keypoints; None where the method
            has no such choice. Set by `set_heatmap_coding`.
        takes_any_size: whether the network works for crops of any size, so that they can be zoomed.
        sums_loss: whether its loss is a sum over the people of a batch instead of a mean.
        keypoint_layers: modules that have a number of rows for each joint, and perhaps more rows
            after them; they are adapted when weights of another skeleton are loaded.
        skeleton_specific: prefixes of the names of weights that no other skeleton can use.
        training_only: prefixes of the names of weights that only training needs; published files
            may lack them.
        unsaved: prefixes of the names of weights that a training adds and nothing else needs;
            they are neither counted nor saved with the others.
        engine: what computes the network, for records; only PyTorch's can be changed by options.
        reported_computation: what was printed of how the network is computed.
        code: `FILE.py:NAME` of a user's method, with the whole path; "" for ours.
        code_hashes: SHA-256 of that file, first, and of those beside it that it imports, by name.
        weights_path: file that its weights were read from; None for initial ones.
        precision: autocast type of `run_network`; None for single precision.
        network: what `run_network` calls in place of `forward`, such as a compiled copy; None for
            the method itself.
    """

    _mean: Tensor
    _std: Tensor
    _flip_indices: Tensor
    name: str
    card: MethodCard
    recipes: Mapping[str, Recipe]
    score_rule = "box_times_confident_mean"
    udp_warp = False
    box_padding = PADDING
    crop_options = CropOptions()
    heatmap_coding: HeatmapCoding | None = None
    takes_any_size = True
    sums_loss = False
    keypoint_layers: tuple[str, ...] = ("head.final_layer",)
    training_only: tuple[str, ...] = ()
    unsaved: tuple[str, ...] = ()
    skeleton_specific: tuple[str, ...] = ()
    engine: str = "torch"
    reported_computation: str = ""
    code: str = ""
    code_hashes: Mapping[str, str] = MappingProxyType({})
    weights_path: Path | None = None
    precision: torch.dtype | None = None
    network: Callable[[Tensor], Any] | None = None

    def __init__(self, skeleton: Skeleton, input_wh: tuple[int, int]) -> None:
        super().__init__()
        self.skeleton = skeleton
        self.input_wh = input_wh
        flip_indices = torch.from_numpy(skeleton.flip_indices)
        self.register_buffer("_mean", torch.tensor(MEAN), persistent=False)
        self.register_buffer("_std", torch.tensor(STD), persistent=False)
        self.register_buffer("_flip_indices", flip_indices, persistent=False)
        self._has_reported_flip = False
        self._has_reported_mirroring = False

    @property
    def device(self) -> torch.device:
        """Return the device of the weights."""
        return self._mean.device

    def move_to(self, device: str = "") -> Self:
        """Move the method to a device (default: a GPU if there is one), weights channels-last.

        Raises: InputError when the device cannot be used.
        """
        self.to(find_device(device))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    def set_crop_options(self, options: CropOptions) -> None:
        """Cut crops, and size the network's input, as the options say.

        Raises: InputError when the network cannot take crops of that size.
        """
        w, h = self.input_wh
        before = self.crop_options.zoom
        input_wh = (w // before * options.zoom, h // before * options.zoom)
        if options.zoom != before and not self._takes_size(input_wh):
            raise InputError(
                f"--zoom {options.zoom}",
                f"{self.name} has one size of crops",
                "leave it out, or use a top-down method other than SimCC and RTMPose",
            )
        self.input_wh = input_wh
        self.crop_options = options

    @torch.inference_mode()
    def _takes_size(self, input_wh: tuple[int, int]) -> bool:
        """Return whether crops may be so large; a method of the user's own is tried."""
        if not self.takes_any_size or type(self).__module__.startswith("smallpose."):
            return self.takes_any_size
        w, h = input_wh
        was_training = self.training
        self.eval()
        try:
            self(torch.zeros(1, 3, h, w, device=self.device))
        except RuntimeError:
            return False
        finally:
            self.train(was_training)
        return True

    def set_heatmap_coding(self, coding: HeatmapCoding) -> None:
        """Make targets and read maps as the coding says.

        Raises: InputError when the method has no such choice.
        """
        if coding == self.heatmap_coding:
            return
        if self.heatmap_coding is None:
            flag = "--heatmap-targets" if coding.targets != "rounded" else "--heatmap-decoding"
            raise InputError(
                flag,
                f"is for heatmaps at stride 4, and {self.name} has none, or UDP's, which are "
                "unbiased and read by DARK",
                "leave it out, or use SimpleBaseline, HRNet or HRFormer",
            )
        self.heatmap_coding = coding

    def get_trained_input_wh(self) -> tuple[int, int]:
        """Return the size of the network's input without `zoom`, which weights are made for."""
        w, h = self.input_wh
        return w // self.crop_options.zoom, h // self.crop_options.zoom

    @property
    def num_parameters(self) -> int:
        """Return the number of learned parameters."""
        weights = self.named_parameters()
        return sum(p.numel() for name, p in weights if not name.startswith(self.unsaved))

    def prepare(self, images: Tensor) -> Tensor:
        """Normalise (b, h, w, 3) uint8 RGB to (b, 3, h, w) on the method's device.

        The result keeps the channels-last memory order of the images, which convolutions prefer.
        """
        x = images.to(self.device, non_blocking=True).float()
        return (x - self._mean).div_(self._std).permute(0, 3, 1, 2)

    def reset_skeleton_specific(self) -> None:
        """Make the `skeleton_specific` weights neutral; weights of another skeleton are loaded."""

    def is_backbone_weight(self, name: str) -> bool:
        """Return whether ImageNet weights of the backbone contain the weight of that name."""
        return name.startswith("backbone.")

    def split_network(self) -> SplitNetwork | SplitStages | None:
        """Return the network in a part for bfloat16 and the rest; None where all is float32."""
        return None

    def fold_network(self) -> nn.Module:
        """Return the network as engines compute it: the same outputs, maybe of fewer layers."""
        return self

    def param_group_factors(
        self, name: str, weight: nn.Parameter, recipe: Recipe
    ) -> tuple[float, float]:
        """Return the factors of the learning rate and of the weight decay of a weight.

        Args:
            name: as in `named_parameters`.
        Returns: (1, 1), and (1, 0) for norms and biases.
        """
        return 1.0, float(weight.ndim > 1)

    @abstractmethod
    def targets(self, keypoints: Tensor) -> Any:
        """Encode (b, k, 3) keypoints, crop px and v, as what `loss` compares outputs with."""

    @abstractmethod
    def loss(self, outputs: Any, targets: Any) -> dict[str, Tensor]:
        """Compute the terms of the loss by name; training minimises their sum."""

    def compute_taught_outputs(self, images: Tensor, targets: Any) -> Any:
        """Compute the outputs for `loss`; a method may leave out those that targets do not teach.

        The network is called as a module, for the hooks that training gives it.

        Args:
            images: (b, 3, h, w), prepared.
        """
        return self(images)

    @abstractmethod
    def flip_back(self, outputs: Any) -> Any:
        """Convert outputs for mirrored crops to outputs for the crops themselves."""

    @abstractmethod
    def decode(self, outputs: Any) -> tuple[Tensor, Tensor]:
        """Decode outputs to (b, k, 2) keypoints in crop px and (b, k) keypoint scores."""

    def run_network(self, images: Tensor) -> Any:
        """Compute the outputs for (b, 3, h, w), in `precision` where that is set, as float32.

        Raises: RunError when they are not finite: such poses could neither be scored nor written.
        """
        return run_checked_network(self, images)

    def allow_flip_test(self, flip_test: bool) -> bool:
        """Return whether to run the flip test, which needs the left and right joints.

        Where they are not known it is left out. The first call prints why, or which joints stay in
        place although they may have a side, unless training has printed that.
        """
        if not flip_test:
            return False
        problem = self.skeleton.flip_problem
        remark = ""
        if problem:
            remark = explain_missing_flip_test(problem)
        elif not self._has_reported_mirroring:
            remark = describe_mirroring(self.skeleton)
        if remark and not self._has_reported_flip:
            print_status(remark)
        self._has_reported_flip = True
        return problem is None

    def mark_flip_reported(self) -> None:
        """Leave out the remark of `allow_flip_test`, where the same was printed already."""
        self._has_reported_flip = True

    def mark_mirroring_reported(self) -> None:
        """Leave out which joints stay in place, where it was printed when the weights were made."""
        self._has_reported_mirroring = True

    def compute_outputs(self, images: Tensor, flip_test: bool) -> Any:
        """Compute the outputs for (b, 3, h, w), averaged with the mirrored images' on request."""
        if not flip_test:
            return self.run_network(images)
        return run_flip_test(self.run_network, self.flip_back, images)

    @torch.inference_mode()
    def predict_crops(
        self, crops: Tensor, center: Floats, scale: Floats, flip_test: bool = True
    ) -> Floats:
        """Predict (b, k, 3) keypoints in image px with their scores.

        Args:
            crops: (b, h, w, 3) uint8 RGB.
            center, scale: (b, 2) of their windows.
        """
        flip_test = self.allow_flip_test(flip_test)
        points, scores = self.decode(self.compute_outputs(self.prepare(crops), flip_test))
        on_image = map_to_image(points.double().cpu().numpy(), center, scale, self.input_wh)
        return np.concatenate([on_image, scores.double().cpu().numpy()[..., None]], axis=2)

    def predict(
        self,
        images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
        boxes_xywh: Sequence[Floats] | Floats,
        *,
        box_scores: Sequence[Floats] | None = None,
        flip_test: bool = True,
        batch_size: int = 64,
    ) -> Predictions:
        """Predict the people in the given boxes, in their order.

        Args:
            images: (h, w, 3) uint8 RGB each, or a single one.
            boxes_xywh: for each image, (n, 4) px; for a single one, (n, 4).
            box_scores: for each image, (n,) (default: 1).
        Returns: Predictions whose `image_ids` are indices of `images`, from 0.
        """
        return predict_in_boxes(
            self,
            images,
            boxes_xywh,
            box_scores=box_scores,
            flip_test=flip_test,
            batch_size=batch_size,
        )
