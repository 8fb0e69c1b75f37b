"""What published models share that are given one person's crop and run outside PyTorch."""

from abc import abstractmethod
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smallpose.dataloading.affine import map_to_image
from smallpose.methods.base import PoseMethod

Floats = NDArray[np.float64]


class CropModel(PoseMethod):
    """A published network that predicts the joints of the person in a crop; prediction only.

    A subclass defines `predict_points` and sets `name`, `card` and `engine`. The box of a person is
    enlarged as for the paper's methods unless it sets `box_padding`.

    Attributes:
        box_padding: factor from the box to the crop, around the middle of the box.
    """

    recipes = {}  # noqa: RUF012 (a mapping, as in every method)
    takes_any_size = False
    score_rule = "box_times_mean"

    @abstractmethod
    def predict_points(self, crop: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Predict (k, 2) joints in px of the (h, w, 3) RGB crop, and (k,) scores."""

    @torch.inference_mode()
    def predict_crops(
        self, crops: Tensor, center: Floats, scale: Floats, flip_test: bool = True
    ) -> Floats:
        """Predict (b, k, 3) keypoints in image px with their scores.

        Args:
            crops: (b, h, w, 3) uint8 RGB.
            center, scale: (b, 2) of their windows.
            flip_test: not used; the model is run once, as its makers do.
        """
        keypoints = np.zeros((len(crops), len(self.skeleton), 3))
        for row, crop in enumerate(crops.numpy()):
            keypoints[row, :, :2], keypoints[row, :, 2] = self.predict_points(crop)
        keypoints[:, :, :2] = map_to_image(keypoints[:, :, :2], center, scale, self.input_wh)
        return keypoints

    def forward(self, images: Tensor) -> NoReturn:
        """Raise an error: the network is no PyTorch module."""
        raise NotImplementedError(f"{self.name} takes crops as they are; call predict")

    def targets(self, keypoints: Tensor) -> NoReturn:
        """Raise an error: it is not trained here."""
        raise NotImplementedError(f"{self.name} is not trained here")

    def loss(self, outputs: Any, targets: Any) -> NoReturn:
        """Raise an error: it is not trained here."""
        raise NotImplementedError(f"{self.name} is not trained here")

    def flip_back(self, outputs: Any) -> NoReturn:
        """Raise an error: there is no flip test."""
        raise NotImplementedError(f"{self.name} has no flip test")

    def decode(self, outputs: Any) -> NoReturn:
        """Raise an error: `predict_points` decodes."""
        raise NotImplementedError(f"{self.name} takes crops as they are; call predict")
