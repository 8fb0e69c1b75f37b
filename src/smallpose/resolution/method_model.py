"""Run one of our methods as a model; PyTorch is loaded with this file."""

import hashlib
import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smallpose.dataloading.images import ImageReader
from smallpose.external import EXTERNAL, create_model
from smallpose.inference import InferenceOptions, predict_people
from smallpose.inference.computation import apply_speed_options, choose_computation
from smallpose.io.coco_results import write_results
from smallpose.methods import is_method_name
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import FullImageMethod
from smallpose.resolution.reduced_set import ReducedSet


@dataclass(frozen=True)
class MethodModel:
    """A method with its weights.

    Args:
        name: of the model.
        method: on its device.
        options: of the prediction.
    """

    name: str
    method: PoseMethod
    options: InferenceOptions

    @property
    def identity(self) -> dict[str, Any]:
        """Return what must be the same for its results to be kept."""
        digest = hashlib.sha256()
        for weight in self.method.state_dict().values():
            digest.update(np.ascontiguousarray(weight.cpu().numpy()).tobytes())
        crop = self.method.crop_options.override(self.options.crop_interpolation, self.options.zoom)
        chosen = choose_computation(self.method, self.options)
        # Results of earlier versions were kept without what computed them.
        computed: dict[str, str] = {}
        if (self.options.engine, self.options.precision) != ("torch", "float32"):
            computed = {"engine": chosen.engine, "precision": chosen.precision_name}
        if self.options.tile:
            computed["tile"] = f"{self.options.tile} to {self.options.tile_to}"
        if self.method.code_hashes:
            computed["code_sha256"] = json.dumps(dict(self.method.code_hashes))
        return computed | {
            "method": self.method.name,
            "weights": digest.hexdigest(),
            "joints": list(self.method.skeleton.joints),
            "crop": crop.to_dict(),
            "flip_test": self.options.flip_test is not False,
        }

    @property
    def is_top_down(self) -> bool:
        """Return whether it takes the boxes; a full-image method detects people itself."""
        return not isinstance(self.method, FullImageMethod)

    @property
    def takes_boxes(self) -> bool:
        """Return whether it is given the boxes."""
        return self.is_top_down

    def stay_ready(self) -> AbstractContextManager[None]:
        """Keep a network that an engine has compiled as long as the context lasts."""
        return apply_speed_options(self.method, self.options)

    def predict(self, reduced: ReducedSet, out: Path) -> None:
        """Predict the people of the images and write them with the names of their joints."""
        reader = ImageReader(reduced.images)
        predictions = predict_people(self.method, reduced.truth, None, reader.read, self.options)
        write_results(predictions, out, reduced.truth.category_id, keypoint_names=True)


def load_method(name: str, weights: Path | str | None, device: str, trust: bool) -> PoseMethod:
    """Create a method with its weights on a device.

    Raises: InputError when it has no weights, or they do not fit.
    """
    return create_model(name, weights=weights, trust=trust).move_to(device)


def is_method(name: str) -> bool:
    """Return whether it is the name of a method or of a published model."""
    return is_method_name(name) or name in EXTERNAL
