"""Describe what a method computes with: packages, engine, precision and device."""

from typing import Any

import torch

from smallpose.inference.computation import choose_computation
from smallpose.inference.options import InferenceOptions
from smallpose.methods.base import PoseMethod
from smallpose.system.environment import describe_environment


def describe_method_environment(
    method: PoseMethod, options: InferenceOptions | None = None
) -> dict[str, Any]:
    """Describe what the method computes with under these options, for runs and results."""
    options = options or InferenceOptions()
    is_on_gpu = method.device.type == "cuda"
    chosen = choose_computation(method, options)
    return describe_environment(
        engine=chosen.engine,
        precision=chosen.precision_name,
        device=torch.cuda.get_device_name(method.device) if is_on_gpu else method.device.type,
    )
