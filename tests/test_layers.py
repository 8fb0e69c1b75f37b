"""Packages are layers: each imports only from those before it, and the first need no PyTorch."""

import ast
import subprocess
import sys
from pathlib import Path

import smallpose

ROOT = Path(smallpose.__file__).parent
WITHOUT_TORCH = ["core", "system", "io", "stats", "sources", "synthetic", "dataset", "evaluation"]
WITHOUT_TORCH += ["catalog"]
WITH_TORCH = ["models", "dataloading", "methods", "external"]
WITH_TORCH += ["inference", "training", "resolution"]
LAYERS = [*WITHOUT_TORCH, *WITH_TORCH, "report", "cli"]


def list_imports(file: Path) -> set[str]:
    """Return every module that the file imports, at its top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            names.add(node.module or "")
    return names


def get_module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(("smallpose", *(p for p in parts if p != "__init__")))


def get_package(file: Path) -> str:
    return file.relative_to(ROOT).parts[0]


FILES = [f for f in ROOT.rglob("*.py") if len(f.relative_to(ROOT).parts) > 1]


def test_every_package_has_its_place_in_the_layers():
    assert {get_package(f) for f in FILES} <= set(LAYERS)


def test_a_package_imports_only_from_packages_before_it():
    for file in FILES:
        layer = LAYERS.index(get_package(file))
        for name in list_imports(file):
            parts = name.split(".")
            if parts[0] == "smallpose" and len(parts) > 1 and parts[1] in LAYERS:
                assert LAYERS.index(parts[1]) <= layer, f"{file.relative_to(ROOT)} imports {name}"


def test_there_are_no_import_cycles():
    """Only imports at the top of a module count; those inside functions run later."""
    files = {get_module_name(file): file for file in FILES}
    graph = {}
    for module, file in files.items():
        top = [n for n in ast.parse(file.read_text()).body if isinstance(n, ast.ImportFrom)]
        targets = {f"{n.module}.{alias.name}": n.module for n in top for alias in n.names}
        graph[module] = {name if name in files else parent for name, parent in targets.items()}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"import cycle: {' -> '.join((*path, module))}"
        if module not in done:
            for other in graph.get(module, ()):
                visit(other, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_packages_up_to_evaluation_never_import_pytorch():
    for file in FILES:
        if get_package(file) in WITHOUT_TORCH:
            assert not {n.split(".")[0] for n in list_imports(file)} & {"torch", "safetensors"}, (
                file
            )


def test_importing_smallpose_loads_neither_pytorch_nor_matplotlib_nor_opencv():
    code = (
        "import sys, smallpose; smallpose.read_coco; smallpose.evaluate; smallpose.crowd_index;"
        "print([m for m in ('torch', 'matplotlib', 'cv2', 'scipy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
