"""A hash of a method's weights, whatever file they came from."""

import hashlib

import torch
from torch import nn


def compute_weights_digest(method: nn.Module) -> str:
    """Return the SHA-256 of the names, types, shapes and values of a method's weights.

    Returns: "" for a method whose weights are not tensors of PyTorch, such as an exported one.
    """
    state = method.state_dict()
    if not state:
        return ""
    digest = hashlib.sha256()
    for name in sorted(state):
        # The memory order of a tensor (channels last) is no part of its value.
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
