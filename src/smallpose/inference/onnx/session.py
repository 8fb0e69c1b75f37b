"""Run a method's network with onnxruntime on CPUs; everything around it stays in PyTorch.

Onnxruntime keeps images in blocks of channels from layer to layer and computes a convolution, its
norm and its activation in one pass, which PyTorch does one after the other. The graph is made from
the method's weights in some seconds, once for each size of images.
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
from smallpose.system.packages import explain_import_error

MAX_SIZES = 8  # of images whose sessions are kept, each with a copy of the weights


class OnnxNetwork:
    """A replacement for the network of a method (`PoseMethod.network`).

    Args:
        method: in eval mode, on a CPU; its weights must not change afterwards.

    Raises: InputError if onnxruntime is not installed, or the method is on a GPU.
    """

    def __init__(self, method: PoseMethod) -> None:
        try:
            import onnx  # noqa: F401
            import onnxruntime  # type: ignore[import-untyped]
        except ImportError as error:
            raise explain_import_error("--onnx", error) from None
        if method.device.type != "cpu":
            raise InputError("--onnx", "runs on CPUs only", "leave it out, or add --device cpu")
        self.method, self.runtime = method, onnxruntime
        self.sessions: OrderedDict[tuple[int, ...], tuple[Any, Any]] = OrderedDict()

    def __call__(self, images: Tensor) -> Any:
        """Map (b, 3, h, w) to the outputs of `method.forward`."""
        size_hw = tuple(images.shape[2:])
        if size_hw not in self.sessions:
            self.sessions[size_hw] = self._create_session(images[:1])
            if len(self.sessions) > MAX_SIZES:
                self.sessions.popitem(last=False)
        self.sessions.move_to_end(size_hw)
        session, output_type = self.sessions[size_hw]
        inputs = {"images": images.contiguous().numpy()}
        outputs = [torch.from_numpy(column) for column in session.run(None, inputs)]
        if output_type is Tensor:
            return outputs[0]
        is_named_tuple = hasattr(output_type, "_fields")
        return output_type(*outputs) if is_named_tuple else output_type(outputs)

    def _create_session(self, images: Tensor) -> tuple[Any, Any]:
        """Return a session, and the type of the network's outputs."""
        example = torch.cat([images, images.flip(-1)]).contiguous()
        buffer = io.BytesIO()
        with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer's, that sides are fixed: it is intended
            # A tensor made in inference mode cannot be traced.
            example = example.clone()
            outputs = self.method(example)
            columns = [outputs] if isinstance(outputs, Tensor) else list(outputs)
            names = [f"output{index}" for index in range(len(columns))]
            # Some outputs are positions of cells, the same for any number of images.
            per_image = [name for name, c in zip(names, columns, strict=True) if len(c) == 2]
            torch.onnx.export(
                self.method,
                (example,),
                buffer,  # type: ignore[arg-type]  # a file object works too
                input_names=["images"],
                output_names=names,
                dynamic_axes={name: {0: "n"} for name in ("images", *per_image)},
                opset_version=OPSET,
                dynamo=False,
            )
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.enable_cpu_mem_arena = False  # each size would keep the memory of its largest batch
        options.log_severity_level = 3  # warnings about the graph are of no use to users
        session = self.runtime.InferenceSession(
            buffer.getvalue(), options, providers=["CPUExecutionProvider"]
        )
        return session, Tensor if isinstance(outputs, Tensor) else type(outputs)
