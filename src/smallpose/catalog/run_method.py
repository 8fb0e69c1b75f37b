"""Tell which method a run's weights belong to, also where it is in a file of the user's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smallpose.catalog.method_code import MethodCode
from smallpose.core.errors import InputError
from smallpose.system.json_decode import read_json
from smallpose.system.progress import print_status

# A run's folder has one of them; result.json is of runs without weights.
_CARDS = ("model.json", "result.json")
USAGE = "name the file and the weights: {code} --weights {weights}"


def read_run_method(folder: Path, usage: str = USAGE) -> str:
    """Return what `create_method` takes for the method of a run's folder.

    Args:
        usage: what to type where the file of a user's method is gone; `{code}` stands for
            `FILE.py:NAME` and `{weights}` for the folder.
    Raises: InputError when the folder is no run, or its method's file is not where it was.
    """
    for name in _CARDS:
        if (folder / name).is_file():
            return name_run_method(folder, read_json(folder / name, dict[str, Any]), usage)
    raise InputError(
        str(folder), "it has no model.json", "pass the folder of a run that 'smallpose train' made"
    )


def name_run_method(weights: Path, card: Mapping[str, Any], usage: str = USAGE) -> str:
    """Return what `create_method` takes for the method that a model card names; "" for none.

    A file of the user's own is named on stderr, because it is executed.

    Args:
        weights: a run's folder or file, for messages.
        card: what `model.json`, or the metadata of the weights, contains.
        usage: as for `read_run_method`.
    """
    method = str(card.get("method") or "")
    code = MethodCode.parse(str(card.get("code") or ""))
    if code is None:
        return method
    remedy = usage.format(code=f"FILE.py:{code.name}", weights=weights)
    if not code.file.is_absolute() or _is_inside(code.file, weights):
        # What comes with weights of others is not executed unless it is named.
        raise InputError(str(weights), f"its method {method} is in {code.file}", remedy)
    if not code.file.is_file():
        what = f"its method {method} is in {code.file}, which is not there any more"
        raise InputError(str(weights), what, remedy)
    print_status(f"{weights}: the method {method} is loaded from {code}")
    return str(code)


def _is_inside(file: Path, weights: Path) -> bool:
    folder = weights if weights.is_dir() else weights.parent
    return folder.resolve() in file.resolve().parents
