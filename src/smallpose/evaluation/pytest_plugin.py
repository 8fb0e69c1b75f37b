"""A pytest fixture that scores keypoints with our `COCOeval` in place of pycocotools'.

`pytest_plugins = ["smallpose.evaluation.pytest_plugin"]` in a `conftest.py` makes it known.
"""

from collections.abc import Iterator

from smallpose.evaluation.pycocotools_patch import PycocotoolsPatch, patch_pycocotools
from smallpose.system.packages import MissingPackageError, format_install_command

try:
    import pytest
except ImportError:
    raise MissingPackageError(
        "smallpose.evaluation.pytest_plugin",
        "pytest is not installed",
        f"pip install pytest, or {format_install_command('dev')}",
    ) from None


@pytest.fixture
def patched_pycocotools() -> Iterator[PycocotoolsPatch]:
    """Patch pycocotools for the duration of a test."""
    with patch_pycocotools() as patch:
        yield patch
