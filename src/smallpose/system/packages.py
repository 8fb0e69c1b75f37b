"""Name the extra to install when a package is missing that the base install does not contain."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from smallpose.core.errors import InputError

# Imported module: the name of its package as users know it, and the extra that installs it.
EXTRAS = {
    "cv2": ("OpenCV", "images"),
    "PIL": ("Pillow", "images"),
    "scipy": ("SciPy", "build"),
    "yaml": ("PyYAML", "build"),
    "matplotlib": ("Matplotlib", "plots"),
    "jinja2": ("Jinja2", "plots"),
    "av": ("PyAV", "video"),
    "pyvips": ("libvips", "large"),
    "torch": ("PyTorch", "torch"),
    "safetensors": ("safetensors", "torch"),
    "pyarrow": ("pyarrow", "parquet"),
    "polars": ("polars", "polars"),
    "ray": ("Ray", "ray"),
    "onnx": ("ONNX", "onnx"),
    "onnxruntime": ("onnxruntime", "onnx"),
    "openvino": ("OpenVINO", "openvino"),
    "torchmetrics": ("torchmetrics", "torchmetrics"),
    "tensorboard": ("tensorboard", "tensorboard"),
    "ai_edge_litert": ("LiteRT", "movenet"),
}
# What an extra contains besides packages of its own.
_CONTAINED = {
    "build": {"images"},
    "video": {"images"},
    "large": {"images"},
    "onnx": {"torch"},
    "openvino": {"torch"},
    "movenet": {"images", "torch"},
    "torchmetrics": {"torch"},
    "tensorboard": {"torch"},
    "polars": {"parquet"},
    "ray": {"parquet"},
}
# Extras that bring OpenCV, which breaks another one that is installed, and their modules' packages.
_OPENCV = "opencv-python-headless"
_WITH_OPENCV = {"images", "build", "video", "large", "movenet"}
_PACKAGES = {
    "PIL": "pillow",
    "scipy": "scipy",
    "yaml": "pyyaml",
    "av": "av",
    "pyvips": "'pyvips[binary]'",
    "ai_edge_litert": "ai-edge-litert",
}
_CUDA_HINT = " (5 GB with CUDA; docs/install.md has the command for PyTorch without it)"


class MissingPackageError(InputError, ImportError):
    """A package is missing, or broken, that only some of smallpose needs.

    It is an ImportError too, so that code that tries an import and goes on without it still works.
    """


def require_packages(where: str, *modules: str) -> None:
    """Raise MissingPackageError for all of the modules that are not installed, at once.

    Nothing is imported.

    Args:
        where: the command, option or Python package that needs them.
        modules: keys of `EXTRAS`.
    """
    missing = [module for module in modules if not _is_installed(module)]
    if missing:
        raise _describe_missing(where, missing)


def describe_missing_extra(where: str, extra: str) -> str:
    """Say which packages of an extra are not installed, and what installs them; "" if all are.

    Args:
        where: what needs them later.
    """
    modules = [module for module, (_, of_extra) in EXTRAS.items() if of_extra == extra]
    missing = [module for module in modules if not _is_installed(module)]
    return str(_describe_missing(where, missing)) if missing else ""


def explain_import_error(where: str, error: ImportError) -> ImportError:
    """Return an error that names the remedy, or the same error where the module is none of ours."""
    if isinstance(error, MissingPackageError):
        is_option = not error.where.startswith("smallpose.")
        return error if is_option else MissingPackageError(where, error.what, error.remedy)
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return error
    if not _is_installed(module):
        return _describe_missing(where, [module])
    name, extra = EXTRAS[module]
    # OpenCV's build with windows needs libGL, which servers and containers do not have.
    remedies = {"cv2": "pip install --force-reinstall opencv-python-headless"}
    remedy = remedies.get(module, f"{format_install_command(extra)} into a new environment")
    return MissingPackageError(where, f"{name} is installed but cannot be loaded ({error})", remedy)


def format_install_command(*extras: str) -> str:
    """Return the command that installs the extras; there is no package on PyPI."""
    return f"pip install '.[{','.join(extras)}]' in your clone"


def format_module_command(*modules: str) -> str:
    """Return the command that installs modules by their extras, or by themselves.

    Beside an OpenCV of another package, extras would install a second one over it, and may change
    NumPy for it.

    Args:
        modules: keys of `EXTRAS`.
    """
    alone = [one for one in modules if EXTRAS[one][1] in _WITH_OPENCV]
    if "cv2" in alone or not _has_other_opencv():
        alone = []
    extras = list(dict.fromkeys(EXTRAS[one][1] for one in modules if one not in alone))
    contained = set().union(*(_CONTAINED.get(extra, set()) for extra in extras))
    extras = [extra for extra in extras if extra not in contained]
    commands = [format_install_command(*extras)] if extras else []
    if alone:
        commands.append(f"pip install {' '.join(_PACKAGES[one] for one in alone)}")
    return ", and ".join(commands)


def _has_other_opencv() -> bool:
    """Return whether there is an OpenCV that the extras would overwrite."""
    if not _is_installed("cv2"):
        return False
    # Imported here: few commands lack a package.
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        distribution(_OPENCV)
    except PackageNotFoundError:
        return True
    return False


def _is_installed(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    return find_spec(module) is not None


def _describe_missing(where: str, modules: Sequence[str]) -> MissingPackageError:
    names = [EXTRAS[module][0] for module in modules]
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    verb = "is" if len(names) == 1 else "are"
    remedy = format_module_command(*modules)
    if "torch" in modules and sys.platform == "linux":
        remedy += _CUDA_HINT
    return MissingPackageError(where, f"{listed} {verb} not installed", remedy)
