"""The memory that is left is the least of what the machine, a container and the shell allow."""

import subprocess
import sys

from smallpose.system import memory


def test_a_shell_limit_counts():
    code = (
        "import resource; from smallpose.system.memory import free_memory;"
        "resource.setrlimit(resource.RLIMIT_DATA, (300 << 20, 300 << 20)); print(free_memory())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(out.stdout) <= 300 << 20


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("2000000000\n")
    (tmp_path / "memory.current").write_text("500000000\n")
    inside = lambda folder, name: tmp_path / name  # noqa: E731
    monkeypatch.setattr(memory, "Path", inside)
    assert 1_500_000_000 in list(memory._container())
    (tmp_path / "memory.max").write_text("max\n")
    assert list(memory._container()) == []


def test_this_machine_has_some():
    assert 1 << 20 < memory.free_memory() < 1 << 50
