"""Run tflite files in LiteRT, without its log."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch


def create_interpreter(path: Path, input_shape: Sequence[int] | None = None) -> Any:
    """Create an interpreter of a tflite file, which uses as many threads as PyTorch.

    Args:
        input_shape: to which the only input is resized (default: the file's own).
    """
    from ai_edge_litert.interpreter import Interpreter

    with _hide_native_log():
        interpreter = Interpreter(str(path), num_threads=torch.get_num_threads())
        if input_shape is not None:
            index = interpreter.get_input_details()[0]["index"]
            interpreter.resize_tensor_input(index, list(input_shape), strict=True)
        interpreter.allocate_tensors()
    return interpreter


def run_interpreter(interpreter: Any, tensor: Any) -> list[Any]:
    """Return copies of the outputs, in the order of the file, for its only input."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor)
    interpreter.invoke()
    return [interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()]


@contextmanager
def _hide_native_log() -> Iterator[None]:
    """Hide what LiteRT writes to file descriptor 2 about its delegate; errors are exceptions."""
    sys.stderr.flush()
    before = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(null)
