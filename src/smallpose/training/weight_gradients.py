"""Compute the weight gradients of convolutions in a second thread, with the same bits.

A convolution's backward pass computes two gradients that do not depend on each other: that of its
input, which the layers before wait for, and that of its weights. On a CPU with a free core the
second one is computed in another thread meanwhile. Each of them is the operation that PyTorch calls
anyway, so no sum is split; more threads of PyTorch would split sums, and end with other bits.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from smallpose.methods.base import PoseMethod
from smallpose.system.threads import count_cores

_convolve = torch.ops.aten.convolution.default
_convolve_backward = torch.ops.aten.convolution_backward.default


def can_use_weight_thread(method: PoseMethod, num_processes: int = 1) -> bool:
    """Return whether the gradients of a method's convolutions can be shared by two threads.

    This needs a CPU with a core that is free, and no network of the user's own, which might
    differentiate its gradients again.
    """
    is_known = not method.code
    has_core = torch.get_num_threads() == 1 and count_cores(2) == 2
    return is_known and has_core and method.device.type == "cpu" and num_processes == 1


@contextmanager
def compute_weight_gradients_in_thread(method: nn.Module) -> Iterator[None]:
    """Let a second thread compute weight gradients of a network's convolutions in this context."""
    layers: list[Any] = [layer for layer in method.modules() if _is_plain_convolution(layer)]
    casts = _WeightCasts()
    hook = method.register_forward_pre_hook(lambda *_: casts.clear())
    num_threads = torch.get_num_threads()
    with ThreadPoolExecutor(1, "gradients", _begin_thread, (num_threads,)) as thread:
        for layer in layers:
            layer.forward = _make_forward(layer, thread, casts)
        try:
            yield
        finally:
            hook.remove()
            for layer in layers:
                del layer.forward


def _begin_thread(num_threads: int) -> None:
    """Set what a new thread has its own value of: by default, it uses all cores."""
    torch.set_num_threads(num_threads)
    torch.set_grad_enabled(False)


def _is_plain_convolution(layer: Any) -> bool:
    """Return whether a layer is a convolution padded by zeros, called with a tensor alone."""
    if type(layer) not in (nn.Conv2d, nn.ConvTranspose2d) or "forward" in vars(layer):
        return False
    return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


class _WeightCasts:
    """The weights that a forward pass casts, once each, as autocast does.

    A layer that is used twice has two gradients, which are added before they are cast back.
    """

    def __init__(self) -> None:
        self._cast: dict[int, Tensor] = {}

    def clear(self) -> None:
        """Forget the weights of the forward pass before."""
        self._cast.clear()

    def cast(self, weight: Tensor | None, dtype: torch.dtype) -> Tensor | None:
        """Return a weight in another type."""
        if weight is None:
            return None
        if id(weight) not in self._cast:
            self._cast[id(weight)] = weight.to(dtype)
        return self._cast[id(weight)]


def _make_forward(
    layer: Any, thread: ThreadPoolExecutor, casts: _WeightCasts
) -> Callable[[Tensor], Tensor]:
    """Return what replaces the `forward` of a convolution."""
    plain_forward = layer.forward
    is_transposed = isinstance(layer, nn.ConvTranspose2d)
    options = (
        list(layer.stride),
        list(layer.padding),
        list(layer.dilation),
        is_transposed,
        list(layer.output_padding),
        layer.groups,
    )

    def forward(x: Tensor) -> Tensor:
        is_trained = torch.is_grad_enabled() and layer.weight.requires_grad
        if not is_trained or x.ndim != 4:
            return plain_forward(x)  # type: ignore[no-any-return]
        weight, bias = layer.weight, layer.bias
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            x = x.to(dtype)
            weight, bias = casts.cast(weight, dtype), casts.cast(bias, dtype)
        return _Convolution.apply(x, weight, bias, options, thread)  # type: ignore[no-any-return]

    return forward


class _Convolution(torch.autograd.Function):
    """A convolution whose backward pass is shared by this thread and another."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        options: tuple[Any, ...],
        thread: ThreadPoolExecutor,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.bias_shape = None if bias is None else list(bias.shape)
        ctx.options, ctx.thread = options, thread
        return _convolve(x, weight, bias, *options)  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable  # type: ignore
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        x, weight = ctx.saved_tensors
        arguments = (gradient, x, weight, ctx.bias_shape, *ctx.options)
        needs_input, needs_weight, needs_bias, *_ = ctx.needs_input_grad
        of_weights = [False, needs_weight, needs_bias]
        if not needs_input:
            return (*_convolve_backward(*arguments, of_weights), None, None)
        future = ctx.thread.submit(_convolve_backward, *arguments, of_weights)
        of_input = _convolve_backward(*arguments, [True, False, False])[0]
        # If the other thread has not begun, because its core is busy, there is no use in waiting.
        results = _convolve_backward(*arguments, of_weights) if future.cancel() else future.result()
        return of_input, results[1], results[2], None, None
