"""Tell whether the file of a user's method has changed since its weights were trained.

Weights alone do not say what a method computes: an edited file changes the numbers of a finished
run. A run records the hash of the file and of the modules beside it that it imports.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from smallpose.core.counts import choose_verb
from smallpose.system.files import hash_file

KEY = "code_sha256"  # in model.json


def hash_method_files(file: Path) -> dict[str, str]:
    """Return the SHA-256 of a method's file, first, and of the modules beside it, by their names.

    Modules are followed as far as files import each other by name; those of packages are not.
    """
    names = [file.name]
    for name in names:  # grows while it is read
        names += [one for one in _list_imports(file.with_name(name)) if one not in names]
    return {name: hash_file(file.with_name(name)) for name in names}


def _list_imports(file: Path) -> Iterator[str]:
    """Yield the names of the files beside a file that it imports."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.partition(".")[0])
    for module in sorted(imported):
        if file.with_name(f"{module}.py").is_file():
            yield f"{module}.py"


def describe_changed_files(weights: Path | str, trained: object, current: Mapping[str, str]) -> str:
    """Say which files have changed since weights were trained; "" where none has.

    Args:
        weights: a run's folder or file, for the message.
        trained: what the run recorded; None for one of an older version.
        current: hashes of now, the method's file first.
    """
    if not isinstance(trained, Mapping) or not trained or not current:
        return ""
    file, *modules = current
    (_, trained_file), *_ = trained.items()
    changed = [file] if current[file] != trained_file else []
    changed += [name for name in modules if current[name] != trained.get(name)]
    if not changed:
        return ""
    return (
        f"{', '.join(changed)} {choose_verb(len(changed), 'have')} changed since {weights} was "
        "trained, so it may compute other numbers now; restore the file, or train again"
    )
