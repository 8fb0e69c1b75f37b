"""The published models by name. A new one is a file here, its line below, and one in `PUBLISHED`.

`smallpose.catalog.method_checks.PUBLISHED` has the names for messages before PyTorch is loaded.
"""

from collections.abc import Mapping

from smallpose.external import (
    blazepose,
    efficientpose,
    movenet,
    movenet_single,
    openpose_thin,
    posenet,
)
from smallpose.external.external_model import ExternalModel

_FILES = (
    movenet.MODELS,
    movenet_single.MODELS,
    posenet.MODELS,
    efficientpose.MODELS,
    blazepose.MODELS,
    openpose_thin.MODELS,
)
MODELS: Mapping[str, ExternalModel] = {model.name: model for file in _FILES for model in file}
