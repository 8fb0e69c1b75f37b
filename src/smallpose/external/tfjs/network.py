"""Run a TensorFlow.js graph with onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smallpose.external.tfjs.graph import Array, read_graph


class TfjsNetwork:
    """A network of a `model.json`; each process converts it when it first runs it.

    Args:
        path: of `model.json`.
        dynamic_size: whether it takes images of any size instead of the one that the graph names.

    Raises: InputError for a graph that cannot be read.
    """

    def __init__(self, path: Path, dynamic_size: bool = False) -> None:
        self._path = path
        self._dynamic_size = dynamic_size
        self._session: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the session out, which each process makes for itself."""
        return {**self.__dict__, "_session": None}

    def run(self, image: NDArray[Any]) -> dict[str, Array]:
        """Return the outputs by name for (1, h, w, 3) of float32, or of int32 where it wants that.

        The values are those that its makers document for a pixel.
        """
        if self._session is None:
            self._session = self._create_session()
        (declared,) = self._session.get_inputs()
        dtype = np.int32 if declared.type == "tensor(int32)" else np.float32
        names = [output.name for output in self._session.get_outputs()]
        values = self._session.run(names, {declared.name: image.astype(dtype, copy=False)})
        return dict(zip(names, values, strict=True))

    def _create_session(self) -> Any:
        import onnxruntime  # type: ignore[import-untyped]

        from smallpose.external.tfjs.convert import convert_graph

        model = convert_graph(read_graph(self._path), self._dynamic_size)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # warnings about the graph are of no use to users
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
