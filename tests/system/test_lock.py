import os
import subprocess
import sys
import time

import pytest

from smallpose.core.errors import InputError
from smallpose.system.lock import hold_lock

HOLDER = """
import os, sys, time
from pathlib import Path
from smallpose.system.lock import hold_lock
with hold_lock(Path(sys.argv[1])):
    if os.fork() == 0:
        time.sleep(float(sys.argv[2]))
        os._exit(0)
    print("held", flush=True)
    time.sleep(60)
"""


def start_holder(path, child_s):
    command = [sys.executable, "-c", HOLDER, str(path), str(child_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_one_process_holds_the_lock_and_is_named_in_it(tmp_path):
    path = tmp_path / "lock"
    with start_holder(path, 0) as process:
        with pytest.raises(InputError, match=rf"locked by process {process.pid} since 2"):
            hold_lock(path).__enter__()
        process.kill()
    with hold_lock(path, wait_s=30):  # its child may still be about to end
        assert path.read_text().startswith(f"process {os.getpid()} since")
    assert not path.exists()


def test_the_children_of_a_killed_process_are_waited_for(tmp_path):
    path = tmp_path / "lock"
    with start_holder(path, 1.5) as process:
        process.kill()
    with pytest.raises(InputError, match="locked by process"):
        hold_lock(path).__enter__()
    start = time.monotonic()
    with hold_lock(path, wait_s=30):
        assert 0.1 < time.monotonic() - start < 20


def test_a_lock_file_that_was_removed_meanwhile_is_locked_again(tmp_path, monkeypatch):
    """The previous process removes the file between our opening and our locking it."""
    import fcntl

    path = tmp_path / "lock"
    path.touch()
    flock, calls = fcntl.flock, []

    def lock_and_remove(handle, how):
        calls.append(os.fstat(handle).st_ino)
        flock(handle, how)
        if len(calls) == 1:
            path.unlink()

    monkeypatch.setattr(fcntl, "flock", lock_and_remove)
    with hold_lock(path):
        assert len(calls) == 2
        assert path.stat().st_ino == calls[1]
