"""Let one process at a time work in a folder, by a lock that ends with its process."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from smallpose.core.errors import InputError

_UNSUPPORTED = (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS)  # on file systems without locks
_RETRY_S = 0.05


@contextmanager
def hold_lock(path: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock file, which names the process that holds it; remove it at the end.

    Args:
        path: of the file, in the folder that it guards.
        wait_s: how long to wait for a process that is just ending; after a process was killed,
            its children hold the lock until they end.

    Raises: InputError while another process holds it; OSError when it cannot be written.
    """
    deadline = time.monotonic() + wait_s
    while (handle := _acquire_lock(path, deadline)) is None:
        pass
    try:
        with suppress(OSError):  # on a full disk the lock works without the name
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()} since {time.strftime('%F %T')}".encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _acquire_lock(path: Path, deadline: float) -> int | None:
    """Return the open and locked file; None when its last holder has removed it meanwhile."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if not _lock_file(handle, path, deadline):
            return handle
        if path.exists() and os.path.samestat(path.stat(), os.fstat(handle)):
            return handle
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def _lock_file(handle: int, path: Path, deadline: float) -> bool:
    """Lock the open file; return whether the file system supports locks."""
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(handle, 100, 0).decode() or "another process"
                raise InputError(
                    str(path.parent),
                    f"locked by {holder}",
                    "wait until it ends or choose another folder",
                ) from None
            time.sleep(_RETRY_S)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return False
            raise
