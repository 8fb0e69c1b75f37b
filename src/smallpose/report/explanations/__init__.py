"""Show by simulation where the quick reading of a number is wrong: one file per question."""

# ruff: noqa: E402 (the modules below cannot be imported without this package)
from collections.abc import Callable

from smallpose.system.packages import require_packages

require_packages("smallpose.report.explanations", "matplotlib")

from smallpose.report.explanations.bootstrap_bias import explain_bootstrap_bias
from smallpose.report.explanations.density_columns import explain_density_columns
from smallpose.report.explanations.detection_limit import explain_detection_limit
from smallpose.report.explanations.explanation import Explanation, save_explanation

EXPLANATIONS: dict[str, Callable[[int], Explanation]] = {
    "density": explain_density_columns,
    "limit": explain_detection_limit,
    "bias": explain_bootstrap_bias,
}

__all__ = ["EXPLANATIONS", "Explanation", "save_explanation"]
