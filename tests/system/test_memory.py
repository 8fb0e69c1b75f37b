import gc
import subprocess
import sys

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


def test_garbage_is_collected_again_after_a_pause():
    with pytest.raises(KeyError), memory.pause_garbage_collection():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()
    gc.disable()
    try:
        with memory.pause_garbage_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


_COUNT_FAULTS = """
import ctypes, resource, sys
import numpy as np
from smallpose.system.memory import keep_freed_memory

def count_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        # Three at a time: what is freed last is at the end of the heap, which is returned first.
        arrays = [np.ones(int(sys.argv[1]), np.uint8) for _ in range(3)]
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = count_faults()
is_set = keep_freed_memory()
count_faults()
after = count_faults()
if is_set and int(sys.argv[1]) > 32 * 2**20:  # older versions of glibc refuse such a threshold
    is_set = ctypes.CDLL(None).mallopt(-3, 256 * 2**20)
print(before, int(is_set), after)
"""


@pytest.mark.parametrize("num_bytes", [4_000_000, 40_000_000])
def test_freed_memory_is_used_again_without_new_pages(num_bytes):
    done = subprocess.run(
        [sys.executable, "-c", _COUNT_FAULTS, str(num_bytes)],
        capture_output=True,
        text=True,
        check=True,
    )
    before, is_set, after = map(int, done.stdout.split())
    if not is_set:
        pytest.skip("this C library always returns freed memory")
    assert after < 1000 < before
