"""Convert networks to ONNX for engines, and keep the graphs by the hash of their weights.

Tracing takes some seconds. A graph that was made before by the same code from the same weights for
images of the same size is read from the user's cache instead.
"""

import contextlib
import hashlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import smallpose.methods
import smallpose.models
from smallpose.core.errors import RunError
from smallpose.inference.onnx.export import OPSET
from smallpose.methods.base import PoseMethod
from smallpose.methods.checkpoints.weights_digest import compute_weights_digest
from smallpose.system.cache import get_cache_folder
from smallpose.system.files import write_atomically

MAX_CACHED = 12  # graphs in the user's cache; the one that was read longest ago goes first

_DIGEST_BYTES = 32


@dataclass(frozen=True)
class TracedGraph:
    """A network for images of one size.

    Args:
        content: of an ONNX file, with the input "images", or the inputs "input0", "input1", ….
        output_type: of the network, Tensor or a tuple of some kind.
    """

    content: bytes
    output_type: type

    def pack_outputs(self, columns: list[Tensor]) -> Any:
        """Return the outputs of the graph as the network would."""
        if self.output_type is Tensor:
            return columns[0]
        is_named_tuple = hasattr(self.output_type, "_fields")
        return self.output_type(*columns) if is_named_tuple else self.output_type(columns)


def trace_network(network: nn.Module, inputs: Sequence[Tensor], method: PoseMethod) -> TracedGraph:
    """Convert a network for images of this size, any number of them.

    Args:
        network: in eval mode, on a CPU; the method itself or layers of it.
        inputs: (b, 3, h, w) images, or features of b images; the first is an example.
        method: whose network it is.
    """
    pairs = [torch.cat([x[:1], x[:1].flip(-1)]).contiguous() for x in inputs]
    with torch.inference_mode(False), torch.no_grad():
        # A tensor made in inference mode cannot be traced.
        example = tuple(pair.clone() for pair in pairs)
        outputs = network(*example)
        output_type = Tensor if isinstance(outputs, Tensor) else type(outputs)
        if method.code:  # a user's code may change while its weights do not
            return TracedGraph(_convert(network, example, outputs), output_type)
        path = get_cache_folder("graphs") / f"{_name_graph(network, example, method)}.graph"
        content = _read_cached(path)
        if content is None:
            content = _convert(network, example, outputs)
            _keep(path, content)
    return TracedGraph(content, output_type)


def _convert(network: nn.Module, example: tuple[Tensor, ...], outputs: Any) -> bytes:
    columns = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    names = [f"output{index}" for index in range(len(columns))]
    input_names = ["images"]
    if len(example) > 1:
        input_names = [f"input{index}" for index in range(len(example))]
    # Some outputs are positions of cells, the same for any number of images.
    count = len(example[0])
    per_image = [name for name, c in zip(names, columns, strict=True) if len(c) == count]
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's, that sides are fixed: it is intended
        torch.onnx.export(
            network,
            example,
            buffer,  # type: ignore[arg-type]  # a file object works too
            input_names=input_names,
            output_names=names,
            dynamic_axes={name: {0: "n"} for name in (*input_names, *per_image)},
            opset_version=OPSET,
            dynamo=False,
        )
    return buffer.getvalue()


def _name_graph(network: nn.Module, example: tuple[Tensor, ...], method: PoseMethod) -> str:
    """Return a hash of all that a graph is made from."""
    parts = (
        method.name,
        repr(network),
        compute_weights_digest(network),
        [tuple(tensor.shape) for tensor in example],
        OPSET,
        torch.__version__,
        _hash_code(),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@cache
def _hash_code() -> str:
    """Return a hash of the modules that networks are made of."""
    folders = [Path(package.__path__[0]) for package in (smallpose.models, smallpose.methods)]
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for file in sorted(file for folder in folders for file in folder.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _read_cached(path: Path) -> bytes | None:
    """Return a graph of the cache and mark it as used; None where there is no sound one."""
    try:
        kept = path.read_bytes()
        path.touch()
    except OSError:
        return None
    digest, content = kept[:_DIGEST_BYTES], kept[_DIGEST_BYTES:]
    return content if hashlib.sha256(content).digest() == digest else None


def _keep(path: Path, content: bytes) -> None:
    """Keep a graph in the cache, behind its hash; where the cache cannot be written, it is not."""
    with contextlib.suppress(OSError, RunError):
        write_atomically(path, hashlib.sha256(content).digest() + content)
        _remove_oldest(path.parent)


def _remove_oldest(folder: Path) -> None:
    """Keep the graphs that were used last."""
    files = sorted(folder.glob("*.graph"), key=lambda file: file.stat().st_mtime)
    for file in files[:-MAX_CACHED]:
        file.unlink(missing_ok=True)
