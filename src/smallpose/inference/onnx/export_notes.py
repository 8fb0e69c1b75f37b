"""Write what a user of exported graphs must know: a README, and metadata inside the graphs."""

from typing import Any

from smallpose.inference.onnx.rtmlib_notes import format_rtmlib_notes

# What other runtimes must be told, because their default is another; key and value as they take it.
OPENVINO_HINTS = {"INFERENCE_PRECISION_HINT": "f32"}
_README = """# {method} as ONNX

| file | content | operators of ONNX |
|---|---|---|
{files}
| `method.json` | input size, joints, and what is left to the caller | |

Opset {opset}. Input: {input}.
The number of {counted} in a batch is free, the sides of an image are fixed.
Inside the graph: {inside}. {caller}

## Precision

{precision} OpenVINO does not keep float32 by default: on
CPUs with bfloat16 (AVX512-BF16, AMX) it rounds to it, which moves keypoints by several px. Tell it
to compute in float32:

```python
import openvino

core = openvino.Core()
network = core.compile_model("{network}", "CPU", {hints!r})
```

The same hint is in `method.json` under `openvino` and in the metadata of each graph under
`{hint_key}`.

Crops are cut by `cv2.warpAffine`, whose result differs between versions of OpenCV (4.14 rounds
positions to 1/32 px, 5.0 does not). For equal keypoints use the version of the results you compare
with; `smallpose predict` records it.
"""
_PRECISIONS = {
    "float32": "The graphs compute in float32, and so does onnxruntime on a CPU.",
    "float16": "The network has float16 weights and outputs; normalisation and decoding are "
    "float32. onnxruntime\ncomputes most of it in float32 on a CPU. `smallpose export --check` "
    "measures what it costs.",
    "int8": "The weights have 8 bits, and activations are quantized for each batch while it runs: "
    "a file of a quarter\nof the size. `smallpose export --check` measures what it costs.",
}
_CALLERS = {
    "crop": "The caller cuts crops and maps keypoints back to the image;\n"
    "`examples/onnx_predict.py` of smallpose does so with onnxruntime, NumPy and OpenCV.",
    "picture": "The caller fits images into the input and selects people;\n"
    "`examples/onnx_predict.py` of smallpose does so with onnxruntime, NumPy and OpenCV.",
}
_PARTS = {
    "network.onnx": "images to keypoints, or to candidates of people",
    "people.onnx": "selected people to keypoints",
}
_METADATA_PREFIX = "openvino."


def build_metadata(description: dict[str, Any]) -> dict[str, str]:
    """Return the metadata of a graph: its method, precision, and hints to runtimes.

    Args:
        description: the content of `method.json`.
    """
    hints = {f"{_METADATA_PREFIX}{key}": value for key, value in OPENVINO_HINTS.items()}
    return {"method": description["method"], "precision": description["precision"], **hints}


def format_readme(description: dict[str, Any]) -> str:
    """Format the README of an export as Markdown.

    Args:
        description: the content of `method.json`.
    """
    is_top_down = "crop" in description
    is_rtmlib = description["layout"] == "rtmlib"
    caller = _CALLERS["crop" if is_top_down else "picture"]
    if is_rtmlib:
        caller = f"rtmlib {description['rtmlib']['version']} does the rest."
    files: list[str] = description["files"]
    readme = _README.format(
        method=description["method"],
        files="\n".join(_format_file(name, description) for name in files),
        opset=description["opset"],
        input=description["input"],
        counted="crops" if is_top_down else "images",
        inside=description["inside_the_graph"],
        caller=caller,
        precision=_PRECISIONS[description["precision"]],
        network=files[0],
        hints=OPENVINO_HINTS,
        hint_key=f"{_METADATA_PREFIX}{next(iter(OPENVINO_HINTS))}",
    )
    return readme + (format_rtmlib_notes(description) if is_rtmlib else "")


def _format_file(name: str, description: dict[str, Any]) -> str:
    operators = ", ".join(f"{op} {n}" for op, n in description["operators"][name].items())
    return f"| `{name}` | {_PARTS[name]} | {operators} |"
