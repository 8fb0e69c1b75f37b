"""Try exported graphs with other numbers of crops, images or people than they were traced with.

Where a method computes a shape in Python, as in `view(len(x), -1)`, the tracer stores the number
that it saw: the graph then takes this number alone, or returns too few rows without an error.
"""

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError, RunError

Arrays = NDArray[Any]

_COUNTS = (1, 3)  # graphs are traced with two crops or images
_NODE = re.compile(r"running (\w+) node\. Name:'([^']*)'")
_INFERRED_NODE = re.compile(r"op_type:\s*(\w+), node name:\s*([^)\s]*)")
_REMEDY = (
    "compute no shape in Python: write x.flatten(1) or x.unflatten(1, (-1, 2)) in place of "
    "x.view(len(x), -1, 2), torch.stack in place of x[..., 0] = y, and x[..., 0] * 0 + 1 in "
    "place of x.new_ones(x.shape[:2])"
)


@contextmanager
def explain_runtime_errors(where: str, remedy: str) -> Iterator[None]:
    """Turn whatever a runtime raises into one line.

    Raises: RunError with the runtime's message.
    """
    try:
        yield
    except Exception as error:  # a runtime's exceptions have no common base but this one
        what = f"the runtime cannot compute the graph: {_shorten(error)}"
        raise RunError(where, what, remedy) from error


def refuse_fixed_counts(
    model: Any, example: Sequence[Arrays], fixed: Sequence[str], where: str
) -> None:
    """Check that a graph takes any number of crops, images or people.

    It is run by onnxruntime, or where that is not installed, its shapes are inferred.

    Args:
        model: ONNX's `ModelProto`.
        example: the inputs that it was traced with.
        fixed: inputs and outputs whose first axis is none of these numbers.
        where: the method, for messages.

    Raises: InputError that names the operation when it takes the traced number alone;
        RunError when onnxruntime does not read the graph.
    """
    names = [one.name for one in model.graph.input]
    inputs = dict(zip(names, example, strict=True))
    traced = next(len(array) for name, array in inputs.items() if name not in fixed)
    has_runtime = find_spec("onnxruntime") is not None
    find_problem = _RuntimeTrial(model) if has_runtime else _InferenceTrial(model)
    for count in _COUNTS:
        rows = np.arange(count) % traced
        tried = {n: array if n in fixed else array[rows] for n, array in inputs.items()}
        problem = find_problem(tried, count, fixed)
        if problem is None:
            continue
        what = (
            f"the graph takes no other number of crops, images or people than {traced}, with which "
            f"it was traced; with {count}, {problem}"
        )
        raise InputError(where, what, _REMEDY)


class _RuntimeTrial:
    """Runs a graph by onnxruntime.

    Raises: RunError for a graph that onnxruntime does not read.
    """

    def __init__(self, model: Any) -> None:
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # it would print what is raised
        self.run_options = onnxruntime.RunOptions()
        self.run_options.log_severity_level = 4
        self.model = model
        with explain_runtime_errors("the exported graph", "report it with the method's file"):
            self.session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )

    def __call__(self, inputs: dict[str, Arrays], count: int, fixed: Sequence[str]) -> str | None:
        """Return what is wrong with this number, as the end of a sentence; None if nothing is."""
        try:
            outputs = self.session.run(None, inputs, self.run_options)
        except Exception as error:  # see above
            match = _NODE.search(str(error))
            return f"{match[1]} {match[2]} fails" if match else f"it fails: {_shorten(error)}"
        return _find_wrong_output(self.model, [array.shape for array in outputs], count, fixed)


class _InferenceTrial:
    """Infers the shapes of a graph, where onnxruntime is not installed."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, inputs: dict[str, Arrays], count: int, fixed: Sequence[str]) -> str | None:
        """Return what is wrong with this number, as the end of a sentence; None if nothing is."""
        import onnx

        model = copy.deepcopy(self.model)
        for one in model.graph.input:
            for axis, size in zip(
                one.type.tensor_type.shape.dim, inputs[one.name].shape, strict=True
            ):
                axis.dim_value = size
        for one in (*model.graph.output, *model.graph.value_info):
            one.type.tensor_type.ClearField("shape")
        try:
            model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        except onnx.shape_inference.InferenceError as error:
            match = _INFERRED_NODE.search(str(error))
            return f"{match[1]} {match[2]} fails" if match else f"it fails: {_shorten(error)}"
        shapes = [one.type.tensor_type.shape.dim for one in model.graph.output]
        # What is not inferred counts as right.
        rows = [(s[0].dim_value if s and s[0].HasField("dim_value") else count,) for s in shapes]
        return _find_wrong_output(self.model, rows, count, fixed)


def _find_wrong_output(
    model: Any, shapes: Sequence[Sequence[Any]], count: int, fixed: Sequence[str]
) -> str | None:
    """Name the first output whose number of rows is another, and the operation that makes it."""
    makers = {name: node for node in model.graph.node for name in node.output}
    for output, shape in zip(model.graph.output, shapes, strict=True):
        if output.name in fixed or shape[0] == count:
            continue
        node = makers[output.name]
        return (
            f"{node.op_type} {node.name} returns {format_count(shape[0], 'row')} for the output "
            f"{output.name}"
        )
    return None


def _shorten(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}…"
