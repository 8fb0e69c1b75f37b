"""Describe what a result was computed with: packages, engine, precision and processor.

The same weights and images give other keypoints under another OpenCV, which changes how crops are
enlarged, or in a lower precision, which some engines choose unasked on some processors.
"""

import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smallpose._version import __version__
from smallpose.core.counts import format_count

# Key of the description, and the module that it is the version of.
_MODULES = {
    "numpy": "numpy",
    "opencv": "cv2",
    "pillow": "PIL",
    "av": "av",
    "torch": "torch",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
}
# Values that may change keypoints, with their names in sentences; not the number of threads, say.
COMPARED = {
    "smallpose": "smallpose",
    "opencv": "OpenCV",
    "numpy": "NumPy",
    "pillow": "Pillow",
    "av": "PyAV",
    "engine": "engine",
    "torch": "PyTorch",
    "onnxruntime": "onnxruntime",
    "openvino": "OpenVINO",
    "precision": "precision",
    "device": "device",
    "cpu_features": "CPU features",
}
# Vector units whose use changes sums, and those by which engines compute in less than float32.
_FEATURES = (
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_bf16",
    "amx_fp16",
    "amx_int8",
    "asimd",
    "asimdhp",
    "bf16",
    "i8mm",
    "sve",
    "sve2",
)
_MAX_NAMES = 4  # results named for each value
_CPU_INFO = Path("/proc/cpuinfo")


def describe_environment(
    *, engine: str = "torch", precision: str = "float32", device: str = "cpu"
) -> dict[str, Any]:
    """Describe the packages that are loaded, the processor, and how the network is computed.

    Args:
        engine: what computes the network.
        precision: of the network's weights and layers.
        device: "cpu", or the name of the GPU.
    """
    versions = {key: _get_version(module) for key, module in _MODULES.items()}
    model, features = _read_cpu()
    return {
        "smallpose": __version__,
        "python": platform.python_version(),
        **{key: version for key, version in versions.items() if version},
        "engine": engine,
        "precision": _name_precision(precision, device),
        "device": device,
        "cpu": model,
        "cpu_features": features,
    }


def find_differences(environments: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Find the values that may change keypoints and that two environments have differently.

    A value that one of them did not record is not compared.

    Args:
        environments: by the name of the result; empty where none was recorded.
    Returns: key to the value of each result that recorded it.
    """
    differences = {}
    for key in COMPARED:
        values = {
            name: _format_value(environment[key])
            for name, environment in environments.items()
            if environment.get(key) not in (None, "", [])
        }
        if len(set(values.values())) > 1:
            differences[key] = values
    if "device" in differences and not _share_device(environments):
        differences.pop("cpu_features", None)  # of the computer of the GPU, which computes
    return differences


def describe_differences(environments: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say in one sentence what results were computed with that differs; [] if nothing does."""
    parts = []
    for key, values in find_differences(environments).items():
        names: dict[str, list[str]] = {}
        for name, value in values.items():
            names.setdefault(value, []).append(name)
        if key == "cpu_features":
            names = _keep_differing_features(names)
        listed = ", ".join(f"{value} ({_list_names(group)})" for value, group in names.items())
        parts.append(f"{COMPARED[key]} {listed}")
    if not parts:
        return []
    return [
        "results were computed differently, so a part of the differences may not be the methods': "
        + "; ".join(parts)
    ]


def _get_version(module: str) -> str:
    """Return the version of a module that is loaded; others had no part in the result."""
    return str(getattr(sys.modules.get(module), "__version__", ""))


def _name_precision(precision: str, device: str) -> str:
    """Name the precision; PyTorch's convolutions on GPUs round float32 to TF32 unless told not to.

    >>> _name_precision("float32", "cpu")
    'float32'
    """
    torch: Any = sys.modules.get("torch")
    if precision != "float32" or device == "cpu" or torch is None:
        return precision
    return "float32 (TF32 convolutions)" if torch.backends.cudnn.allow_tf32 else precision


def _read_cpu() -> tuple[str, list[str]]:
    """Return the processor's name and those of its features that change results."""
    try:
        lines = [line.partition(":") for line in _CPU_INFO.read_text().splitlines()]
    except OSError:
        return platform.processor() or platform.machine(), _list_numpy_features()
    values = {key.strip().lower(): value.strip() for key, _, value in reversed(lines)}
    flags = set((values.get("flags") or values.get("features") or "").split())
    model = values.get("model name") or platform.machine()
    return model, [name for name in _FEATURES if name in flags] or _list_numpy_features()


def _list_numpy_features() -> list[str]:
    config: Any = np.show_config(mode="dicts")
    names = (config or {}).get("SIMD Extensions", {}).get("found", [])
    return [str(name).lower() for name in names]


def _format_value(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _list_names(names: Sequence[str]) -> str:
    if len(names) <= _MAX_NAMES:
        return ", ".join(names)
    return (
        f"{', '.join(names[: _MAX_NAMES - 1])} and "
        f"{format_count(len(names) - _MAX_NAMES + 1, 'other')}"
    )


def _share_device(environments: Mapping[str, Mapping[str, Any]]) -> bool:
    return all(e.get("device") == "cpu" for e in environments.values() if e)


def _keep_differing_features(names: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Drop the features that all processors have."""
    shared = set.intersection(*(set(value.split()) for value in names))
    short = {
        " ".join(one for one in value.split() if one not in shared) or "none of these": group
        for value, group in names.items()
    }
    return short
