"""A method's network run by onnxruntime, for CPUs; all around it stays as it is.

Onnxruntime keeps pictures in blocks of channels from layer to layer and does a convolution, its
norm and its activation in one go, which PyTorch does one after the other. The graph is made from
the method's weights in some seconds, once for each size of pictures.
"""

import io
import warnings
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

from smallpose.core.errors import InputError
from smallpose.inference.onnx.export import OPSET
from smallpose.methods.base import PoseMethod

MAX_SIZES = 8  # of pictures whose graphs are kept, each with the weights once more


class OnnxNetwork:
    """What `PoseMethod.run` asks in place of the network.

    Args:
        method: in eval mode, on a CPU; its weights must not change afterwards.

    Raises: InputError where onnxruntime is not installed, or the method is on a GPU.
    """

    def __init__(self, method: PoseMethod) -> None:
        try:
            import onnx  # noqa: F401
            import onnxruntime  # type: ignore[import-untyped]
        except ImportError:
            raise InputError(
                "--onnx", "onnxruntime is not installed", "pip install '.[onnx]' in your clone"
            ) from None
        if method.device.type != "cpu":
            raise InputError("--onnx", "is for CPUs", "leave it out, or name --device cpu")
        self.method, self.runtime = method, onnxruntime
        self.sessions: OrderedDict[tuple[int, ...], tuple[Any, Any]] = OrderedDict()

    def __call__(self, pictures: Tensor) -> Any:
        """(b, 3, h, w) to what `method.forward` says."""
        size = tuple(pictures.shape[2:])
        if size not in self.sessions:
            self.sessions[size] = self._prepared(pictures[:1])
            if len(self.sessions) > MAX_SIZES:
                self.sessions.popitem(last=False)
        self.sessions.move_to_end(size)
        session, kind = self.sessions[size]
        given = {"pictures": pictures.contiguous().numpy()}
        said = [torch.from_numpy(column) for column in session.run(None, given)]
        if kind is Tensor:
            return said[0]
        return kind(*said) if hasattr(kind, "_fields") else kind(said)

    def _prepared(self, pictures: Tensor) -> tuple[Any, Any]:
        """A session, and the type of what the network says."""
        two = torch.cat([pictures, pictures.flip(-1)]).contiguous()
        held = io.BytesIO()
        with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tracing: the sides are fixed on purpose
            # A tensor of inference mode cannot be traced.
            two = two.clone()
            said = self.method(two)
            columns = [said] if isinstance(said, Tensor) else list(said)
            names = [f"said{number}" for number in range(len(columns))]
            # Some say where their cells are, which is the same for any number of pictures.
            free = [name for name, c in zip(names, columns, strict=True) if len(c) == 2]
            torch.onnx.export(
                self.method,
                (two,),
                held,  # type: ignore[arg-type]  # a file will do
                input_names=["pictures"],
                output_names=names,
                dynamic_axes={name: {0: "n"} for name in ("pictures", *free)},
                opset_version=OPSET,
                dynamo=False,
            )
        how = self.runtime.SessionOptions()
        how.intra_op_num_threads = torch.get_num_threads()
        how.enable_cpu_mem_arena = False  # each size would keep what its largest batch took
        how.log_severity_level = 3  # its advice on the graph is nothing a user could follow
        session = self.runtime.InferenceSession(
            held.getvalue(), how, providers=["CPUExecutionProvider"]
        )
        return session, Tensor if isinstance(said, Tensor) else type(said)
