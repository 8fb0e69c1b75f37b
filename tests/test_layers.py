"""The plan of the house holds: who may import whom, and what needs PyTorch."""

import ast
import subprocess
import sys
from pathlib import Path

import smallpose

HOUSE = Path(smallpose.__file__).parent
LIGHT = ["core", "system", "io", "stats", "sources", "synthetic", "dataset", "evaluation"]
HEAVY = ["models", "dataloading", "methods", "inference", "training"]
ROOMS = [*LIGHT, *HEAVY, "report", "cli"]


def imports(file: Path) -> set[str]:
    """Every module that the file names in an import, wherever the import stands."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found.add(node.module or "")
    return found


def module_name(file: Path) -> str:
    parts = file.relative_to(HOUSE).with_suffix("").parts
    return ".".join(("smallpose", *(p for p in parts if p != "__init__")))


def room_of(file: Path) -> str:
    return file.relative_to(HOUSE).parts[0]


FILES = [f for f in HOUSE.rglob("*.py") if len(f.relative_to(HOUSE).parts) > 1]


def test_every_room_stands_in_the_plan():
    assert {room_of(f) for f in FILES} <= set(ROOMS)


def test_a_room_imports_only_from_rooms_before_it():
    for file in FILES:
        here = ROOMS.index(room_of(file))
        for name in imports(file):
            parts = name.split(".")
            if parts[0] == "smallpose" and len(parts) > 1 and parts[1] in ROOMS:
                assert ROOMS.index(parts[1]) <= here, f"{file.relative_to(HOUSE)} imports {name}"


def test_no_import_goes_in_circles():
    """Only imports at the top of a module count; one inside a function is looked up later."""
    names = {module_name(file): file for file in FILES}
    graph = {}
    for name, file in names.items():
        top = [n for n in ast.parse(file.read_text()).body if isinstance(n, ast.ImportFrom)]
        wanted = {f"{n.module}.{a.name}": n.module for n in top for a in n.names}
        graph[name] = {full if full in names else part for full, part in wanted.items()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"circle: {' -> '.join((*above, name))}"
        if name not in done:
            for other in graph.get(name, ()):
                visit(other, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_rooms_up_to_evaluation_never_import_pytorch():
    for file in FILES:
        if room_of(file) in LIGHT:
            assert not {n.split(".")[0] for n in imports(file)} & {"torch", "safetensors"}, file


def test_importing_smallpose_loads_neither_pytorch_nor_matplotlib_nor_opencv():
    code = (
        "import sys, smallpose; smallpose.read_coco; smallpose.evaluate; smallpose.crowd_index;"
        "print([m for m in ('torch', 'matplotlib', 'cv2', 'scipy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
