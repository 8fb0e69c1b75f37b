"""What is known of a method apart from its code: its card, and the recipes of its training."""

from dataclasses import dataclass, field
from typing import Literal

from smallpose.dataloading.augmentation import Augmentation


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a method is trained (paper, Sec. 5.5). Vary it with `replace(recipe, epochs=2)`."""

    optimizer: Literal["adam", "adamw", "muon"] = "adam"
    learning_rate: float = 5e-4
    batch_size: int = 128  # crops (or full images) per step, summed over devices
    epochs: int = 210
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 0.0  # of the gradient; 0 for no clipping
    backbone_rate: float = 1.0  # factor of the rate of the backbone's weights; 0 freezes them
    layer_decay: float = 1.0  # factor of the rate from each layer to the one before it (ViT)
    schedule: Literal["steps", "one_cycle", "flat_cosine"] = "steps"
    # Epochs; the paper names none, these are MMPose's. The fall of flat_cosine begins at the first.
    decay_at: tuple[float, ...] = (170, 200)
    warm_up: int = 500  # steps of a rising rate; for one_cycle this is given in percent
    validate_every: int = 10  # epochs
    half: bool = False  # bfloat16 where it is safe
    ema: tuple[float, float] = (0.0, 0.0)  # moving average's momentum and time constant, in steps
    sync_norm: bool = False  # batch norms are synchronised over all processes (SyncBN)
    steps: int = 0  # of the full run, for the schedule; 0: follows from the epochs
    augment: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True, kw_only=True)
class MethodCard:
    """What is known of a method apart from its code.

    Args:
        title: as in the paper.
        paradigm: how people are detected.
        parts: backbone and head, in words.
        checkpoint: file name of MMPose's COCO weights.
        checkpoint_folder: its folder on MMPose's server.
        checkpoint_hash: first eight digits of its SHA-256.
        other_checkpoints: file names of further published weights in that folder; those for the 26
            joints of Halpe have "halpe26" in their name.
    """

    title: str
    paradigm: Literal["top-down", "bottom-up", "single-stage"]
    parts: str
    checkpoint: str = ""
    checkpoint_folder: str = ""
    checkpoint_hash: str = ""
    other_checkpoints: tuple[str, ...] = ()
