"""Weights that `smallpose weights train` makes from synthetic people, where nobody publishes any.

They are in the cache of this machine and are found there when a method is named without weights.
"""

from pathlib import Path

from smallpose.system.cache import get_cache_folder
from smallpose.system.progress import print_status

TRAINED = ("rtmo_tiny",)
TRAINING_TIME = "about 30 CPU minutes"
_MODEL = "model.safetensors"


def get_trained_folder(name: str) -> Path:
    """Return the folder of a method's weights that were trained here; it need not exist."""
    return get_cache_folder("trained") / name


def has_trained_weights(name: str) -> bool:
    """Return whether the weights of a method were trained here, to the end."""
    return name in TRAINED and (get_trained_folder(name) / _MODEL).is_file()


def take_trained_weights(name: str, weights: Path | str | None) -> Path | str | None:
    """Return given weights, or for a method without any those that were trained here.

    What they were trained on is printed; None where there are none either.
    """
    if weights is not None or not has_trained_weights(name):
        return weights
    folder = get_trained_folder(name)
    print_status(
        f"{name}: weights of {folder}, trained on synthetic people alone: AP is 0.1 on 43 "
        "photographs of COCO; for photographs take movenet"
    )
    return folder


def describe_training(name: str) -> str:
    """Return how the weights of a method are trained; "" where that is not offered."""
    if name not in TRAINED:
        return ""
    return (
        f"'smallpose weights train {name}' trains it on synthetic people in {TRAINING_TIME}, "
        "without a network, and keeps the weights"
    )
