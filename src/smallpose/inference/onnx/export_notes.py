"""Write what a user of exported graphs must know: a README, and metadata inside the graphs."""

from typing import Any

# What other runtimes must be told, because their default is another; key and value as they take it.
OPENVINO_HINTS = {"INFERENCE_PRECISION_HINT": "f32"}
_README = """# {method} as ONNX

| file | content |
|---|---|
{files}
| `method.json` | input size, joints, and what is left to the caller |

Input: {input}. Inside the graph: {inside}. The caller {caller}; `examples/onnx_predict.py` of
smallpose does so with onnxruntime, NumPy and OpenCV.

## Precision

The graphs compute in float32, and so does onnxruntime on a CPU. OpenVINO does not by default: on
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
    return {"method": description["method"], "precision": "float32", **hints}


def format_readme(description: dict[str, Any]) -> str:
    """Format the README of an export as Markdown.

    Args:
        description: the content of `method.json`.
    """
    is_top_down = "crop" in description
    caller = "cuts crops and maps keypoints back to the image"
    if not is_top_down:
        caller = "fits images into the input and selects people"
    files: list[str] = description["files"]
    return _README.format(
        method=description["method"],
        files="\n".join(f"| `{name}` | {_PARTS[name]} |" for name in files),
        input=description["input"],
        inside=description["inside_the_graph"],
        caller=caller,
        network=files[0],
        hints=OPENVINO_HINTS,
        hint_key=f"{_METADATA_PREFIX}{next(iter(OPENVINO_HINTS))}",
    )
