"""The models of a curve: methods, runs and programs, each with a name.

A model has a `name`, an `identity` (what must be the same for finished results to be kept) and
`takes_boxes`, `predict(reduced, out)`, which writes COCO results for the images of a `ReducedSet`,
and `stay_ready()`, a context that keeps a compiled network between sets. Another kind of model is
one more file with these five, and one more case in `create_models`.
"""

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from smallpose.catalog.method_checks import is_method_name
from smallpose.catalog.run_method import read_run_method
from smallpose.core.errors import InputError
from smallpose.resolution.command import parse_commands
from smallpose.resolution.reduced_set import ReducedSet

if TYPE_CHECKING:
    from smallpose.inference import InferenceOptions
    from smallpose.methods.full_image import FullImageMethod
    from smallpose.resolution.method_model import MethodModel


class Model(Protocol):
    """What `study.measure_curves` needs of a model."""

    @property
    def name(self) -> str:
        """Return the name, which is unique among the models."""

    @property
    def identity(self) -> dict[str, Any]:
        """Return what must be the same for finished results to be kept."""

    @property
    def takes_boxes(self) -> bool:
        """Return whether it is given the people's boxes; others look at whole images."""

    def stay_ready(self) -> AbstractContextManager[None]:
        """Keep between sets what takes long to make, as long as the context lasts."""

    def predict(self, reduced: ReducedSet, out: Path) -> None:
        """Write COCO results for the images of the set, with the ids of its boxes."""


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Options of our methods.

    Args:
        weights: of a method that is named without a run.
        interpolations, zooms: crops of top-down methods; each combination is a model. Empty: as
            the weights were trained.
        tiles: sides of the tiles in which full-image methods search, too; each is a model, and 0
            is the full image alone.
        tile_to: side of the network's input for tiles, px; 0 for that of the full image.
        device: of PyTorch.
        flip_test: average with the mirrored crop or image.
        batch_size: 0 for the method's.
        engine, precision: what computes PyTorch networks, as in `InferenceOptions`.
        trust: let a `.pth` file run code while it is read.
    """

    weights: str | None = None
    interpolations: tuple[str, ...] = ()
    zooms: tuple[int, ...] = ()
    tiles: tuple[int, ...] = ()
    tile_to: int = 0
    device: str = ""
    flip_test: bool = True
    batch_size: int = 0
    engine: str = "torch"
    precision: str = "float32"
    trust: bool = False


def create_models(
    words: Sequence[str], commands: Sequence[str], options: ModelOptions
) -> list[Model]:
    """Create the models of a call.

    Args:
        words: names of methods, and folders of runs.
        commands: values of `--command`.

    Raises: InputError when a word is neither, weights are missing, or two have the same name.
    """
    programs = parse_commands(commands)
    methods = _create_methods(words, options) if words else []
    if (options.interpolations or options.zooms) and not any(m.is_top_down for m in methods):
        raise InputError(
            "--crop-interpolation and --zoom", "no model is a top-down method", "leave them out"
        )
    if any(options.tiles) and all(m.is_top_down for m in methods):
        raise InputError(
            "--tile", "no model is a full-image method, which would search tiles", "leave it out"
        )
    models: list[Model] = [*methods, *programs]
    if not models:
        raise InputError(
            "smallpose resolution",
            "no model was named",
            "name a published model such as movenet, a method with --weights, the folder of a run, "
            "or --command 'PROGRAM …'",
        )
    names = Counter(model.name for model in models)
    repeated = [name for name, count in names.items() if count > 1]
    if repeated:
        raise InputError(
            f"model {repeated[0]}", "was named twice", "give each its own folder or name"
        )
    return models


def _create_methods(words: Sequence[str], options: ModelOptions) -> "list[MethodModel]":
    models: list[MethodModel] = []
    stems = Counter(Path(word).resolve().name for word in words)
    for word in words:
        folder = Path(word)
        is_run = _is_run(word)
        name = folder.resolve().name if is_run else word
        if stems[name] > 1 and is_run:
            name = re.sub(r"[^\w.-]+", "-", word.strip("/"))
        models += _create_variants(word, name, options)
    return models


def _is_run(word: str) -> bool:
    """Return whether a word is the folder of a run; a method of its name comes first."""
    return Path(word).is_dir() and not is_method_name(word)


def _create_variants(word: str, name: str, options: ModelOptions) -> "list[MethodModel]":
    """Create a model for each way in which its crops are enlarged, or images are searched."""
    from smallpose.inference import InferenceOptions
    from smallpose.methods import METHODS
    from smallpose.methods.full_image import FullImageMethod
    from smallpose.resolution.method_model import MethodModel, is_method, load_method

    folder = Path(word)
    if _is_run(word):
        method = load_method(read_run_method(folder), folder, options.device, options.trust)
    elif is_method(word):
        method = load_method(word, options.weights, options.device, options.trust)
    else:
        raise InputError(
            word,
            "is neither the folder of a run nor a method",
            f"check the path, or name a method such as {next(iter(METHODS))}",
        )
    flip_test = None if options.flip_test else False
    base = InferenceOptions(flip_test=flip_test, batch_size=options.batch_size)
    if method.engine == "torch":  # a published model has an engine and a precision of its own
        base = replace(base, engine=options.engine, precision=options.precision)
    if isinstance(method, FullImageMethod):
        return _create_tile_variants(name, method, base, options)
    variants = []
    for interpolation in options.interpolations or ("",):
        for zoom in options.zooms or (0,):
            label = name
            if interpolation not in ("", "linear"):
                label += f" {interpolation}"
            if zoom > 1:
                label += f" zoom {zoom}"
            chosen = replace(base, crop_interpolation=interpolation, zoom=zoom)
            variants.append(MethodModel(label, method, chosen))
    return variants


def _create_tile_variants(
    name: str, method: "FullImageMethod", base: "InferenceOptions", options: ModelOptions
) -> "list[MethodModel]":
    """Create a model for each size of tiles."""
    from smallpose.inference.full_image import refuse_other_input
    from smallpose.resolution.method_model import MethodModel

    variants = []
    for tile in options.tiles or (0,):
        chosen = replace(base, tile=tile, tile_to=options.tile_to if tile else 0)
        refuse_other_input(method, chosen)
        variants.append(MethodModel(f"{name} tile {tile}" if tile else name, method, chosen))
    return variants
