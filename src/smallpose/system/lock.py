"""One process at a time in a folder: a lock that dies with its process, however that ends."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from smallpose.core.errors import InputError

_NOT_HERE = (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS)  # of file systems without locks
_AGAIN_S = 0.05


@contextmanager
def locked(path: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock file, which says who does; it is removed in the end.

    Args:
        path: of the file, in the folder that it guards.
        wait_s: for a holder that is just ending; the children of a killed one hold it, too.

    Raises: InputError while another process holds it; OSError when it cannot be written.
    """
    until = time.monotonic() + wait_s
    while (handle := _take(path, until)) is None:
        pass
    try:
        with suppress(OSError):  # a full disk locks all the same
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()} since {time.strftime('%F %T')}".encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _take(path: Path, until: float) -> int | None:
    """The open file; None when its holder has just removed it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    holder = os.pread(handle, 100, 0).decode() or "another process"
                    raise InputError(
                        str(path.parent),
                        f"locked by {holder}",
                        "wait for it or name another folder",
                    ) from None
                time.sleep(_AGAIN_S)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                return handle
        if path.exists() and os.path.samestat(path.stat(), os.fstat(handle)):
            return handle
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None
