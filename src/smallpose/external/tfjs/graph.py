"""Read a TensorFlow.js graph model: `model.json`, and the files of numbers that it names."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError

Array = NDArray[Any]

DTYPES = {"DT_FLOAT": np.dtype(np.float32), "DT_INT32": np.dtype(np.int32)}


@dataclass(frozen=True)
class Node:
    """An operator of the graph.

    Args:
        name: of its first output; others are `name:1` and so on.
        op: of TensorFlow, as `AddV2`.
        inputs: names of outputs of other nodes.
        attributes: by name; text as str, types as NumPy's, lists as tuples.
    """

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """A network.

    Args:
        nodes: all operators but constants, each after those whose outputs it takes.
        constants: by name.
        outputs: names of the outputs that its signature lists.
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    outputs: tuple[str, ...]


def read_graph(path: Path) -> Graph:
    """Read `model.json` and the files of numbers beside it.

    Raises: InputError for a file that is no such graph, or lacks numbers.
    """
    try:
        model = json.loads(path.read_text(encoding="utf-8"))
        records = model["modelTopology"]["node"]
        constants = _read_constants(model["weightsManifest"], path.parent)
        outputs = tuple(model["signature"]["outputs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"is no TensorFlow.js graph with its numbers ({error})"
        raise InputError(str(path), what, "use the files of the package") from None
    nodes = [_parse_node(record) for record in records if record["op"] != "Const"]
    missing = [r["name"] for r in records if r["op"] == "Const" and r["name"] not in constants]
    if missing:
        raise InputError(str(path), f"has no numbers of {missing[0]}", "use the files together")
    return Graph(_sort_nodes(nodes), constants, tuple(_strip_index(name) for name in outputs))


def _parse_node(record: Mapping[str, Any]) -> Node:
    inputs = tuple(
        _strip_index(name) for name in record.get("input", ()) if not name.startswith("^")
    )
    attributes = {key: _parse_attribute(value) for key, value in record.get("attr", {}).items()}
    return Node(record["name"], record["op"], inputs, attributes)


def _strip_index(name: str) -> str:
    """Return a name without the index of the first output, which is written or left out."""
    return name.removesuffix(":0")


def _parse_attribute(value: Mapping[str, Any]) -> Any:
    """Convert a protobuf value in JSON, in which 64-bit integers are text and text is base64."""
    if len(value) != 1:
        return None
    kind, content = next(iter(value.items()))
    if kind == "list":
        if not content:
            return ()
        item_kind, items = next(iter(content.items()))
        return tuple(_parse_attribute({item_kind: item}) for item in items)
    if kind == "s":
        return base64.b64decode(content).decode()
    if kind == "i":
        return int(content)
    if kind == "type":
        return DTYPES.get(content, content)
    if kind == "shape":
        return tuple(int(side["size"]) for side in content.get("dim", ()))
    return content


def _read_constants(manifest: Any, folder: Path) -> dict[str, Array]:
    constants: dict[str, Array] = {}
    for group in manifest:
        content = b"".join((folder / Path(name).name).read_bytes() for name in group["paths"])
        start = 0
        for record in group["weights"]:
            stored, kept = _get_dtypes(record)
            count = int(np.prod(record["shape"], dtype=np.int64))
            values = np.frombuffer(content, stored, count, start)
            constants[record["name"]] = values.reshape(record["shape"]).astype(kept)
            start += count * stored.itemsize
        if start != len(content):
            raise ValueError(f"{format_count(len(content), 'byte')} instead of {start:,}")
    return constants


def _get_dtypes(record: Mapping[str, Any]) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """Return the types of numbers in the file and in the graph."""
    kept = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4")}[record["dtype"]]
    if "quantization" not in record:
        return kept, kept
    return {"float16": np.dtype("<f2")}[record["quantization"]["dtype"]], kept


def _sort_nodes(nodes: list[Node]) -> tuple[Node, ...]:
    """Return the nodes, each after those whose outputs it takes."""
    by_name = {node.name: node for node in nodes}
    done: dict[str, Node] = {}
    for first in nodes:
        pending = [first]
        while pending:
            node = pending[-1]
            before = [by_name.get(name.partition(":")[0]) for name in node.inputs]
            todo = [other for other in before if other and other.name not in done]
            pending.extend(todo)
            if not todo:
                done[pending.pop().name] = node
    return tuple(done.values())
