"""Choose what computes a method's network: the engine, the precision, and of which layers.

This is the only place that decides; commands and scripts pass `InferenceOptions`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from smallpose.core.errors import InputError
from smallpose.inference.options import ENGINES, PRECISIONS, InferenceOptions
from smallpose.methods.base import PoseMethod
from smallpose.methods.split_network import SplitNetwork, SplitStages
from smallpose.system.progress import print_status


@dataclass(frozen=True)
class Computation:
    """What computes a network.

    Args:
        engine: one of `ENGINES`, or what a published model runs in.
        precision: of the network, or of its first layers.
        is_partial: whether layers after `PoseMethod.split_network` are computed in float32.
        reason: of "auto", for a message; "" where nothing was left to choose.
    """

    engine: str
    precision: torch.dtype = torch.float32
    is_partial: bool = False
    reason: str = ""

    @property
    def precision_name(self) -> str:
        """Return the precision for records."""
        name = str(self.precision).removeprefix("torch.")
        return f"{name} (last layers float32)" if self.is_partial else name


def has_fast_bfloat16(device: torch.device) -> bool:
    """Return whether a device multiplies in bfloat16 itself, and so faster than in float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type != "cpu":
        return False
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)


def choose_computation(method: PoseMethod, options: InferenceOptions) -> Computation:
    """Choose what computes the network of a method, on its device.

    Raises: InputError when options exclude each other, or fit neither the method nor the device.
    """
    _check_names(options)
    is_default = options.engine == "torch" and options.precision in ("float32", "auto")
    if method.engine != "torch":
        if is_default and not options.compile:
            return Computation(method.engine, reason=f"{method.name} runs in {method.engine}")
        raise _describe_other_engine(method, options)
    if options.compile and (options.engine != "torch" or options.precision == "auto"):
        raise InputError(
            "--compile",
            "cannot be combined with another engine or --precision auto",
            "leave it out, or name the precision",
        )
    if options.precision == "auto":
        return _choose_precision(method, options.engine)
    is_on_gpu = method.device.type == "cuda"
    if options.precision == "half":
        precision = torch.float16 if is_on_gpu else torch.bfloat16
    else:
        precision = getattr(torch, options.precision)
    if precision == torch.float16 and not is_on_gpu:
        raise InputError(
            "--precision float16", "is for GPUs", "use bfloat16, or auto, which looks at the CPU"
        )
    if options.engine == "onnxruntime" and precision != torch.float32:
        raise InputError(
            f"--precision {options.precision}",
            "cannot be combined with onnxruntime, which computes in float32 on CPUs",
            "use --engine openvino or torch",
        )
    # In training, the method's own precision is set already.
    if options.precision == "float32" and method.precision is not None:
        precision = method.precision
    return Computation(options.engine, precision)


def _describe_other_engine(method: PoseMethod, options: InferenceOptions) -> InputError:
    """Return the error for options of PyTorch networks that a published model is given."""
    given = [
        "--half" if value == "half" else f"{flag} {value}"
        for flag, value, default in (
            ("--engine", options.engine, "torch"),
            ("--precision", options.precision, "float32"),
        )
        if value != default
    ]
    given += ["--compile"] if options.compile else []
    verb, them = ("is", "it") if len(given) == 1 else ("are", "them")
    what = f"{verb} for PyTorch networks, and {method.name} runs in {method.engine}"
    return InputError(" and ".join(given), what, f"leave {them} out")


def _check_names(options: InferenceOptions) -> None:
    for flag, value, names in (
        ("--engine", options.engine, ENGINES),
        ("--precision", options.precision, (*PRECISIONS, "half")),
    ):
        if value not in names:
            raise InputError(f"{flag} {value}", "is unknown", f"use {', '.join(names)}")


def _choose_precision(method: PoseMethod, engine: str) -> Computation:
    """Take bfloat16 where it is fast and costs no accuracy."""
    if engine == "onnxruntime":
        return Computation(engine, reason="onnxruntime computes in float32 on CPUs")
    split = _split_network(method)
    if split is None:
        reason = f"no layers of {method.name} are known to lose nothing in bfloat16"
        return Computation(engine, reason=reason)
    if not has_fast_bfloat16(method.device):
        device = "this CPU" if method.device.type == "cpu" else "this device"
        return Computation(engine, reason=f"{device} has no fast bfloat16")
    reason = "its last layers and its decoding stay in float32"
    if isinstance(split, SplitStages):
        reason = f"only its {split.middle_name}, the rest stays in float32"
    return Computation(engine, torch.bfloat16, is_partial=True, reason=reason)


def _split_network(method: PoseMethod) -> SplitNetwork | SplitStages | None:
    """Return the parts of the network, as far as they are known to be what `forward` computes.

    A class of the user's own may inherit the parts and compute something else.
    """
    forward, split = (
        next(one for one in type(method).__mro__ if name in vars(one))
        for name in ("forward", "split_network")
    )
    return method.split_network() if issubclass(split, forward) else None


def describe_computation(method: PoseMethod, options: InferenceOptions) -> str:
    """Return a sentence about what --precision auto took."""
    chosen = choose_computation(method, options)
    precision = str(chosen.precision).removeprefix("torch.")
    return f"--precision auto: {method.name} in {precision}; {chosen.reason}"


def print_computation(method: PoseMethod, options: InferenceOptions) -> None:
    """Print what --precision auto took, once for a method; nothing for another precision."""
    if options.precision != "auto":
        return
    text = describe_computation(method, options)
    if method.reported_computation != text:
        print_status(text)
        method.reported_computation = text


@contextmanager
def apply_speed_options(method: PoseMethod, options: InferenceOptions) -> Iterator[None]:
    """Apply `engine`, `precision` and `compile`; afterwards only the compiled network stays.

    Raises: InputError when options exclude each other, or the engine is not installed.
    """
    if method.network is not None:
        # Whoever replaced the network has applied the options.
        yield
        return
    chosen = choose_computation(method, options)
    print_computation(method, options)
    precision, network = method.precision, method.network
    if options.compile:
        method.compile()
    try:
        _apply_choice(method, chosen)
        yield
    finally:
        method.precision, method.network = precision, network


def _apply_choice(method: PoseMethod, chosen: Computation) -> None:
    split = _split_network(method) if chosen.is_partial else None
    if isinstance(split, SplitStages):
        method.network = _compute_stages(method, split, chosen)
        return
    if split is not None:
        split.layers.training = False  # of the container; the layers are the method's
        if chosen.engine == "openvino":
            from smallpose.inference.onnx.bfloat16 import join_last_layer
            from smallpose.inference.onnx.session import OpenvinoNetwork

            compute_maps = OpenvinoNetwork(method, join_last_layer(split), bfloat16=True)
            method.network = _TwoParts(compute_maps, split.finish)
            return
        layers = _InPrecision(split.layers, chosen.precision)
        method.network = _TwoParts(layers, split.compute_last)
        return
    if chosen.engine == "onnxruntime":
        from smallpose.inference.onnx.session import OnnxNetwork

        method.network = OnnxNetwork(method)
    elif chosen.engine == "openvino":
        from smallpose.inference.onnx.session import OpenvinoNetwork

        method.network = OpenvinoNetwork(method, bfloat16=chosen.precision == torch.bfloat16)
    elif chosen.precision != torch.float32:
        method.precision = chosen.precision


def _compute_stages(
    method: PoseMethod, split: SplitStages, chosen: Computation
) -> Callable[[Tensor], Any]:
    """Return a network that computes the middle stages in the precision, the others in float32."""
    if chosen.engine != "openvino":
        middle = _InPrecision(split.middle, chosen.precision)
        return _ThreeStages(split.first, middle, split.last)
    from smallpose.inference.onnx.session import OpenvinoNetwork

    # One graph would need an attribute that OpenVINO does not document, and a release that
    # overlooked it would compute all in bfloat16.
    folded = split.fold()
    return _ThreeStages(
        OpenvinoNetwork(method, folded.first),
        OpenvinoNetwork(method, folded.middle, bfloat16=True),
        OpenvinoNetwork(method, folded.last),
    )


@dataclass(frozen=True)
class _InPrecision:
    """Layers that are computed in a lower precision, where PyTorch deems that safe."""

    layers: Callable[..., Any]
    precision: torch.dtype

    def __call__(self, *inputs: Tensor) -> Any:
        with torch.autocast(inputs[0].device.type, self.precision):
            return self.layers(*inputs)


@dataclass(frozen=True)
class _TwoParts:
    """A network of which the last layers are computed in float32."""

    layers: Callable[[Tensor], Tensor]
    finish: Callable[[Tensor], Any]

    def __call__(self, images: Tensor) -> Any:
        return self.finish(self.layers(images).float())


@dataclass(frozen=True)
class _ThreeStages:
    """A network of which the middle stages are computed in a lower precision."""

    first: Callable[[Tensor], Any]
    middle: Callable[..., Any]
    last: Callable[..., Any]

    def __call__(self, images: Tensor) -> Any:
        features = _list_columns(self.middle(*_list_columns(self.first(images))))
        return self.last(*(column.float() for column in features))


def _list_columns(outputs: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else outputs
