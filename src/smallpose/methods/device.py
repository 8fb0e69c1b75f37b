"""Find the device of PyTorch that a user names."""

import torch

from smallpose.core.errors import InputError


def find_device(name: str) -> torch.device:
    """Return a device by its name; without a name a GPU if there is one, else the CPU.

    Raises: InputError when the device cannot be used.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error).splitlines() or ["no such device"])[0]
        raise InputError(
            f"--device {name}", f"cannot be used ({reason[:100]})", _list_devices()
        ) from None
    return device


def _list_devices() -> str:
    """Say which devices of this machine can be named."""
    if torch.cuda.is_available():
        others = ", cuda:1" if torch.cuda.device_count() > 1 else ""
        return f"try cpu, cuda{others}"
    if torch.backends.mps.is_available():
        return "try cpu or mps"
    if torch.version.cuda is None and torch.version.hip is None:
        return (
            "use cpu; this PyTorch is built for CPUs alone: for a GPU install another build of it"
        )
    return "use cpu; PyTorch sees no GPU on this machine (nvidia-smi lists those that work)"
