"""Run a method's network with onnxruntime or OpenVINO on CPUs; all around it stays in PyTorch.

Both keep images in blocks of channels from layer to layer and compute a convolution, its norm and
its activation in one pass, which PyTorch does one after the other. The graph is made from the
method's weights in some seconds, once for each size of images (`traced_graph.py`).
"""

import functools
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smallpose.core.errors import InputError
from smallpose.inference.onnx.bfloat16 import take_bfloat16_to_the_end
from smallpose.inference.onnx.free_axis import explain_runtime_errors
from smallpose.inference.onnx.traced_graph import TracedGraph, trace_network
from smallpose.methods.base import PoseMethod
from smallpose.system.packages import explain_import_error

Arrays = NDArray[np.float32]
Session = Callable[[list[Arrays]], Sequence[Arrays]]

_REMEDY = (
    "leave --engine out; of a method of your own, compute no shape in Python, as in "
    "x.view(len(x), -1)"
)
MAX_SIZES = 8  # of images whose sessions are kept, each with a copy of the weights


class EngineNetwork(ABC):
    """A replacement for the network of a method (`PoseMethod.network`), or for some of its layers.

    Args:
        method: in eval mode, on a CPU; its weights must not change afterwards.
        network: the method itself (default), or layers of it.

    Raises: InputError if the engine is not installed, or the method is on a GPU.
    """

    option: str

    def __init__(self, method: PoseMethod, network: nn.Module | None = None) -> None:
        if method.device.type != "cpu":
            raise InputError(self.option, "runs on CPUs only", "leave it out, or add --device cpu")
        self.method = method
        self.network = method.fold_network() if network is None else network
        self.sessions: OrderedDict[tuple[int, ...], tuple[Session, TracedGraph]] = OrderedDict()

    def __call__(self, *inputs: Tensor) -> Any:
        """Map (b, 3, h, w) images, or features of b images, to the outputs of the network."""
        size_hw = tuple(inputs[0].shape[2:])
        if size_hw not in self.sessions:
            graph = trace_network(self.network, inputs, self.method)
            with explain_runtime_errors(self.option, _REMEDY):
                self.sessions[size_hw] = (self.create_session(graph.content), graph)
            if len(self.sessions) > MAX_SIZES:
                self.sessions.popitem(last=False)
        self.sessions.move_to_end(size_hw)
        session, graph = self.sessions[size_hw]
        with explain_runtime_errors(self.option, _REMEDY):
            outputs = session([tensor.contiguous().numpy() for tensor in inputs])
        return graph.pack_outputs([torch.from_numpy(column) for column in outputs])

    @abstractmethod
    def create_session(self, graph: bytes) -> Session:
        """Return a function from the inputs to the outputs of an ONNX graph."""


class OnnxNetwork(EngineNetwork):
    """Runs a network with onnxruntime, which computes in float32 on CPUs."""

    option = "--engine onnxruntime"

    def __init__(self, method: PoseMethod, network: nn.Module | None = None) -> None:
        try:
            import onnx  # noqa: F401
            import onnxruntime  # type: ignore[import-untyped]
        except ImportError as error:
            raise explain_import_error(self.option, error) from None
        super().__init__(method, network)
        self.runtime = onnxruntime

    def create_session(self, graph: bytes) -> Session:
        """Create a session of onnxruntime with PyTorch's number of threads."""
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.enable_cpu_mem_arena = False  # each size would keep the memory of its largest batch
        options.log_severity_level = 4  # warnings are of no use to users, and errors are raised
        session = self.runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

        names = [column.name for column in session.get_inputs()]

        def compute(inputs: list[Arrays]) -> Sequence[Arrays]:
            outputs: Sequence[Arrays] = session.run(None, dict(zip(names, inputs, strict=True)))
            return outputs

        return compute


@functools.cache
def get_openvino_core() -> Any:
    """Return the one `openvino.Core` of the process, which stays until its end.

    A Core that loads the CPU plugin gives its thread another stack for signal handlers, and the one
    that it found when it goes. Of two that go in the order in which they came, or of one that goes
    in another thread, a stack is left that is no memory any more: then the next signal, such as
    Ctrl-C, ends Python (OpenVINO 2026.4.1, findings/openvino_signal_stack.sh).
    """
    import openvino  # type: ignore[import-untyped,unused-ignore]

    return openvino.Core()


class OpenvinoNetwork(EngineNetwork):
    """Runs a network with OpenVINO.

    Args:
        bfloat16: compute in bfloat16, else in float32; OpenVINO's own default is bfloat16 on
            processors that have it.
    """

    option = "--engine openvino"

    def __init__(
        self, method: PoseMethod, network: nn.Module | None = None, bfloat16: bool = False
    ) -> None:
        try:
            import onnx  # noqa: F401
            import openvino  # type: ignore[import-untyped,unused-ignore]  # noqa: F401
        except ImportError as error:
            raise explain_import_error(self.option, error) from None
        super().__init__(method, network)
        self.core = get_openvino_core()
        self.bfloat16 = bfloat16
        self.settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
        }

    def create_session(self, graph: bytes) -> Session:
        """Compile the graph for this processor."""
        compiled = self.compile_graph(graph)
        request = compiled.create_infer_request()
        count = len(compiled.outputs)

        def compute(inputs: list[Arrays]) -> Sequence[Arrays]:
            # Results are copied, because the next call writes into the same memory.
            outputs = request.infer(inputs)
            return [np.array(outputs[index]) for index in range(count)]

        return compute

    def compile_graph(self, graph: bytes) -> Any:
        """Return OpenVINO's `CompiledModel` of an ONNX graph."""
        model = self.core.read_model(graph)
        if self.bfloat16:
            take_bfloat16_to_the_end(model)
        return self.core.compile_model(model, "CPU", self.settings)
