"""A lock of one process at a time, gone with whoever held it."""

import os
import subprocess
import sys
import time

import pytest

from smallpose.core.errors import InputError
from smallpose.system.lock import locked

HOLDER = """
import os, sys, time
from pathlib import Path
from smallpose.system.lock import locked
with locked(Path(sys.argv[1])):
    if os.fork() == 0:
        time.sleep(float(sys.argv[2]))
        os._exit(0)
    print("held", flush=True)
    time.sleep(60)
"""


def held(path, child_s):
    command = [sys.executable, "-c", HOLDER, str(path), str(child_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_one_process_holds_it_and_says_who_it_is(tmp_path):
    path = tmp_path / "lock"
    with held(path, 0) as process:
        with pytest.raises(InputError, match=rf"locked by process {process.pid} since 2"):
            locked(path).__enter__()
        process.kill()
    with locked(path, wait_s=30):  # its child may still be about to end
        assert path.read_text().startswith(f"process {os.getpid()} since")
    assert not path.exists()


def test_the_children_of_a_killed_holder_are_waited_for(tmp_path):
    path = tmp_path / "lock"
    with held(path, 1.5) as process:
        process.kill()
    with pytest.raises(InputError, match="locked by process"):
        locked(path).__enter__()
    at = time.monotonic()
    with locked(path, wait_s=30):
        assert 0.1 < time.monotonic() - at < 20


def test_a_lock_that_was_removed_meanwhile_is_no_lock(tmp_path, monkeypatch):
    """Its holder removes it between our opening and our locking it."""
    import fcntl

    path = tmp_path / "lock"
    path.touch()
    flock, calls = fcntl.flock, []

    def removing(handle, how):
        calls.append(os.fstat(handle).st_ino)
        flock(handle, how)
        if len(calls) == 1:
            path.unlink()

    monkeypatch.setattr(fcntl, "flock", removing)
    with locked(path):
        assert len(calls) == 2
        assert path.stat().st_ino == calls[1]
