import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from smallpose.system import memory


def test_a_limit_of_the_shell_is_respected():
    code = (
        "import resource; from smallpose.system.memory import get_free_memory;"
        "resource.setrlimit(resource.RLIMIT_DATA, (300 << 20, 300 << 20)); print(get_free_memory())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(out.stdout) <= 300 << 20


def test_the_limit_of_a_container_is_respected(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("2000000000\n")
    (tmp_path / "memory.current").write_text("500000000\n")
    monkeypatch.setattr(memory, "Path", lambda folder, name: tmp_path / name)
    assert 1_500_000_000 in list(memory._read_container_limits())
    (tmp_path / "memory.max").write_text("max\n")
    assert list(memory._read_container_limits()) == []


def test_free_memory_of_this_machine_is_plausible():
    assert 1 << 20 < memory.get_free_memory() < 1 << 50


def _read_resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives the memory back")
def test_rows_that_are_not_used_any_more_give_their_memory_back():
    table = np.full((2_000_000, 4), 7.0)[10:]  # 64 MB
    before = _read_resident_bytes()
    memory.release_memory(table[:1_500_000])
    assert _read_resident_bytes() < before - 45e6
    assert (table[1_500_000:] == 7).all()
    table[:] = 8  # the memory can be written again
    assert (table == 8).all()


def test_small_shared_and_strided_arrays_keep_their_values():
    small = np.full(1000, 7.0)
    owner = bytearray(np.full(1_000_000, 7.0).tobytes())
    shared = np.frombuffer(owner)
    strided = np.full((1_000_000, 2), 7.0)[:, 0]
    constant = np.full(1_000_000, 7.0)
    constant.setflags(write=False)
    for array in (small, shared, strided, constant):
        memory.release_memory(array)
        assert (array == 7).all()
