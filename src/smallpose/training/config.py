"""The configuration of one training run: method, data, recipe, seed and output folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from smallpose.core.errors import InputError
from smallpose.dataloading.image_cache import DEFAULT_MB
from smallpose.dataloading.top_down.crop_options import INTERPOLATIONS
from smallpose.models.codecs.heatmap_coding import DECODINGS, TARGETS
from smallpose.training.settings import Setting

TRAINING_PRECISIONS = ("float32", "bfloat16", "auto")
# What fields may be; "" leaves the choice to the recipe or the method.
_WORDS = {
    "precision": ("", *TRAINING_PRECISIONS),
    "crop_interpolation": INTERPOLATIONS,
    "heatmap_targets": ("", *TARGETS),
    "heatmap_decoding": ("", *DECODINGS),
}


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What a training run does.

    Args:
        method: key of `METHODS`.
        data: folder of a built set.
        out: folder of the run; with several processes, one that all of them can access.
        setting: "A" or "B".
        subset: file with the training images to use (Table 5); None for all.
        derived: also train on keypoints that `build --derive` computed.
        recipe: key of the method's recipes (default: its first).
        sigmas: file of OKS sigmas, for joints that are none of the 21.
        swap: names of the left and the right joint of each pair; None for what names tell.
        overrides: recipe fields to change, by name; those of the augmentation as `augment.NAME`.
            Values are parsed from text.
        seed: of the initial weights, the order of samples and the augmentation.
        workers: processes per rank that load images; 0 loads in the training process.
        prefetch: batches that a thread prepares ahead while the network trains; 0 for none, None
            for 2 where a core is left for the thread. Workers need none.
        weight_thread: compute weight gradients of convolutions in a second thread, where a CPU has
            a free core; with the same bits.
        cache: folder for a cache of crops, which later epochs read (default: no cache).
        resume: continue the run in `out`.
        weights: initial weights.
        adapt: accept weights of another skeleton, joint by name.
        weights_skeleton: skeleton of the weights, if their file does not name it.
        trust: allow a `.pth` file to run code while it is read, if it needs to.
        max_unreadable: share of the images that may be unreadable.
        link_root, max_pixels: what `--link-root` and `--max-pixels` allowed, for the record. Calls
            in Python allow it by `system.link_roots` and `system.image_limits`.
        device: "cpu", "cuda", ... (default: a GPU if there is one).
        micro_batch: samples of a step that pass through the network together, on each device; the
            gradients of the parts are added. 0 for all.
        compile: backend of `torch.compile` for the network, such as "inductor"; "" for none.
        crop_interpolation: "linear" or "cubic", by which crops are enlarged.
        zoom: factor of both sides of the crops that the network gets.
        precision: "float32", "bfloat16" or "auto", which takes bfloat16 where the processor has it
            and no accuracy is lost; "" for what the recipe says (`half`).
        image_memory: megabytes of decoded images to keep in memory between epochs; no more than
            a quarter of the free memory is taken.
        heatmap_targets: "rounded", "unbiased" or "half-pixel"; see `HeatmapCoding`. "" is
            "unbiased" for heatmap methods with the recipe "own", else "rounded".
        heatmap_decoding: "quarter" or "dark"; "" for what suits the targets.
        tensorboard: also write the log for TensorBoard, below `out`.
        wandb: also send the log to this project of Weights & Biases; "" for none.

    Paths may be given as text.

    Raises: InputError for another setting, and for words that a field does not know.
    """

    method: str
    data: Path
    out: Path
    setting: Setting = "B"
    subset: Path | None = None
    derived: bool = False
    sigmas: Path | None = None
    swap: tuple[tuple[str, str], ...] | None = None
    recipe: str = ""
    overrides: Mapping[str, object] | tuple[tuple[str, object], ...] = ()
    seed: int = 0
    workers: int = 0
    prefetch: int | None = None
    weight_thread: bool = False
    cache: Path | None = None
    resume: bool = False
    weights: Path | str | None = None
    adapt: bool = False
    weights_skeleton: str = ""
    trust: bool = False
    max_unreadable: float = 0.001
    link_root: tuple[str, ...] = ()
    max_pixels: int = 0
    device: str = ""
    micro_batch: int = 0
    compile: str = ""
    crop_interpolation: str = "linear"
    zoom: int = 1
    precision: str = ""
    image_memory: int = DEFAULT_MB
    heatmap_targets: str = ""
    heatmap_decoding: str = ""
    tensorboard: bool = False
    wandb: str = ""

    def __post_init__(self) -> None:
        for name in ("data", "out", "subset", "sigmas", "cache"):
            value = getattr(self, name)
            if isinstance(value, str):
                object.__setattr__(self, name, Path(value))
        if self.setting not in get_args(Setting):
            names = " or ".join(get_args(Setting))
            raise InputError(f"setting={self.setting!r}", "no such setting", f"use {names}")
        for name, words in _WORDS.items():
            value = getattr(self, name)
            if value not in words:
                listed = ", ".join(word for word in words if word)
                what = "is unknown for training"
                raise InputError(f"--{name.replace('_', '-')} {value}", what, f"use {listed}")
