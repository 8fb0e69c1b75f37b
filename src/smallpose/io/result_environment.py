"""Keep what a result file was computed with in a file beside it.

COCO's results are a plain list, which has no room for it: `predictions.json` gets
`predictions.environment.json`, with the hash of the results, so that it is not taken for that of
another file of the same name.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smallpose.core.errors import InputError
from smallpose.system.files import hash_file, write_atomically
from smallpose.system.json_decode import read_json

_HASH = "results_sha256"
_RUN_RESULTS = "found.json"  # of a run, whose result.json has its environment
_RUN_FACTS = "result.json"


def get_environment_path(results: Path) -> Path:
    """Return the path of the file that describes how a result file was computed."""
    return results.with_name(f"{results.stem}.environment.json")


def write_environment(results: Path, environment: Mapping[str, Any]) -> Path:
    """Write what a result file was computed with to the file beside it; return its path."""
    path = get_environment_path(results)
    content = {_HASH: hash_file(results), **environment}
    write_atomically(path, json.dumps(content, indent=1) + "\n")
    return path


def read_environment(results: Path) -> dict[str, Any]:
    """Read what a result file was computed with; empty where that is not known.

    It is not known without a file beside the results, or if this is of other results. The results
    of a run are described in its `result.json`.
    """
    facts = results.with_name(_RUN_FACTS)
    path = get_environment_path(results)
    if path.is_file():
        content = _read_mapping(path)
        is_of_results = results.is_file() and content.pop(_HASH, "") == hash_file(results)
        return content if is_of_results else {}
    if results.name == _RUN_RESULTS and facts.is_file():
        environment = _read_mapping(facts).get("environment")
        return environment if isinstance(environment, dict) else {}
    return {}


def _read_mapping(path: Path) -> dict[str, Any]:
    """Read a JSON object; a broken file says nothing about the results, which are read anyway."""
    try:
        return dict(read_json(path, dict))
    except InputError:
        return {}
