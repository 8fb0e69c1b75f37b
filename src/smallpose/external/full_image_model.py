"""What published models share that are given whole images and run outside PyTorch."""

from abc import abstractmethod
from typing import Any, NoReturn

import numpy as np
from torch import Tensor

from smallpose.dataloading.images import ImageArray
from smallpose.methods.full_image import Detections, FullImageMethod


class FullImageModel(FullImageMethod):
    """A published network that finds the people of prepared images; prediction only.

    A subclass defines `prepare` and `detect`, and sets `name`, `card` and `engine`.
    """

    recipes = {}  # noqa: RUF012 (a mapping, as in every method)
    default_flip_test = False

    def forward(self, images: Tensor) -> NoReturn:
        """Raise an error: the network is no PyTorch module."""
        raise NotImplementedError(f"{self.name} takes whole images; call predict")

    def targets(self, keypoints: Any) -> NoReturn:
        """Raise an error: it is not trained here."""
        raise NotImplementedError(f"{self.name} is not trained here")

    def loss(self, outputs: Any, targets: Any) -> NoReturn:
        """Raise an error: it is not trained here."""
        raise NotImplementedError(f"{self.name} is not trained here")


class UnpreparedImageModel(FullImageModel):
    """A published network that is given one image at a time, as it is.

    A subclass defines `detect_in_image`, and sets `name`, `card` and `engine`.
    """

    @abstractmethod
    def detect_in_image(self, image: ImageArray) -> Detections:
        """Detect the people of an (h, w, 3) uint8 RGB image, px of the image."""

    def detect_in_images(
        self, images: "list[ImageArray] | Any", flip_test: bool, batch_size: int
    ) -> list[Detections]:
        """Detect the people of (h, w, 3) uint8 RGB images, px of the images.

        Args:
            flip_test, batch_size: not used; the network takes one image, as it is.
        """
        return [self.detect_in_image(np.asarray(image)) for image in images]

    def detect(self, images: Tensor, flip_test: bool) -> NoReturn:
        """Raise an error: it takes unprepared images."""
        raise NotImplementedError(f"{self.name} takes whole images; call predict")
