"""A Python that has loaded PyTorch and smallpose: each start of it is a fork of one process.

A test that starts processes of commands pays for their imports alone, 2 to 4 seconds each. Here a
server imports once and forks for each start. What is started has its own memory, working folder,
environment, streams, signals and exit code, as with a Python that starts from nothing. Not so:
variables that count when a library is loaded (the threads of NumPy, one), and imports that a
command forgot. Tests of starting, memory and imports use `sys.executable`.

    warm_python.py serve SOCKET EXECUTABLE
    warm_python.py call SOCKET PYTHON [-u] [-P] (-m MODULE | -c CODE | FILE) [ARGUMENT …]

The second is what the executable runs, which tests call; with other options it is PYTHON itself.
"""

import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NUMBER = 8  # bytes of a number on the socket
FORWARDED = ("SIGTERM", "SIGINT", "SIGHUP")
TIMEOUT_S = 120.0
MAX_ADDRESS = 100  # bytes of the name of a socket; the system takes 107
# What the commands of the tests load, but for what the packages load themselves.
LIBRARIES = (
    "torch._dynamo",
    "torch.distributed.run",
    "torch.distributed.elastic.rendezvous.c10d_rendezvous_backend",
    "scipy.optimize",
    "jinja2",
)
PACKAGES = ("cli", "dataset", "inference", "methods", "report", "synthetic", "training")
# Loaded by few commands, and each takes as long as PyTorch.
OPTIONAL = ("torchmetrics", "onnxruntime", "openvino", "ray", "tensorboard")

_server_pids: list[int] = []


@contextmanager
def start_server(folder: Path) -> Iterator[Path]:
    """Start a server, or use the one that another process of the tests started; return its Python.

    Args:
        folder: the same for all processes that share the server. It ends with the last of them.
    """
    import importlib.util  # not in each call

    if not hasattr(os, "pidfd_open") or importlib.util.find_spec("torch") is None:  # not Linux
        yield Path(sys.executable)
        return
    import fcntl  # not on Windows

    executable, address = folder / "python", str(folder / "warm_python")
    with (folder / "warm_python.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lease = _take_lease(address)
        if lease is None:
            _write_executable(executable, address)
            _start_process(executable, address)
            lease = _take_lease(address)
    assert lease is not None, "the server ended; run tests/warm_python.py serve by hand"
    with lease:
        yield executable


def _take_lease(address: str) -> socket.socket | None:
    """Return a connection that keeps the server alive, or None if there is no server."""
    lease = socket.socket(socket.AF_UNIX)
    try:
        lease.connect(_shorten(address))
        _send_number(lease, 0)
        if lease.recv(1):  # after the server's imports
            return lease
    except OSError:
        pass
    lease.close()
    return None


def _shorten(address: str) -> str:
    """Return another name of a socket's file where its own, in a deep folder, is over the limit."""
    folder, name = os.path.split(address)
    if len(os.fsencode(address)) <= MAX_ADDRESS:
        return address
    return f"/proc/self/fd/{os.open(folder, os.O_RDONLY)}/{name}"


def _write_executable(path: Path, address: str) -> None:
    """Write a command that takes the arguments of Python. `-IS` spares most of its own start."""
    import shlex  # not in each call

    words = shlex.join((sys.executable, "-IS", __file__, "call", address, sys.executable))
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    path.chmod(0o755)


def _start_process(executable: Path, address: str) -> None:
    import subprocess  # not in each call

    Path(address).unlink(missing_ok=True)
    # A session of its own: Ctrl-C reaches the tests, which end it.
    process = subprocess.Popen(
        [sys.executable, __file__, "serve", address, str(executable)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,
    )
    deadline = time.monotonic() + TIMEOUT_S
    while not Path(address).exists():
        assert process.poll() is None and time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    _server_pids.append(process.pid)
    process.returncode = 0  # it outlives this process if another one uses it


def read_cpu_seconds() -> float:
    """Return those of the server that this process started, and of its forks that have ended."""
    if not _server_pids:
        return 0.0
    try:
        numbers = Path(f"/proc/{_server_pids[-1]}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, numbers[11:15])) / os.sysconf("SC_CLK_TCK")


def _send_number(connection: socket.socket, number: int) -> None:
    connection.sendall(number.to_bytes(NUMBER, "little"))


def _receive(connection: socket.socket, num_bytes: int) -> bytes:
    data = b""
    while len(data) < num_bytes:
        part = connection.recv(num_bytes - len(data))
        if not part:
            raise EOFError("the other side ended")
        data += part
    return data


def _receive_number(connection: socket.socket) -> int:
    return int.from_bytes(_receive(connection, NUMBER), "little")


# The command.


def call(address: str, python: str, words: list[str]) -> int:
    """Have a process forked, forward signals to it and end as it ends."""
    arguments = list(words)
    flags = []
    while arguments[:1] in (["-u"], ["-P"]):
        flags.append(arguments.pop(0))
    is_known = arguments[:1] in (["-m"], ["-c"]) or not "".join(arguments[:1]).startswith("-")
    if not arguments or not is_known:
        os.execv(python, [python, *words])
    request = {"words": arguments, "is_path_safe": "-P" in flags}
    request |= {"folder": str(Path.cwd()), "environment": dict(os.environ)}
    data = json.dumps(request).encode()
    numbers = [getattr(signal, name) for name in FORWARDED]
    # A signal that arrives before there is a process waits for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(_shorten(address))
        socket.send_fds(server, [len(data).to_bytes(NUMBER, "little")], [0, 1, 2])
        server.sendall(data)
        pid = _receive_number(server)
        for number in numbers:
            signal.signal(number, lambda number, _: os.kill(pid, number))
        # Handlers run between two steps of Python: a signal just before the wait would stay unseen
        # until its end, unless it ends the wait itself.
        received, wake_up = socket.socketpair()
        wake_up.setblocking(False)
        signal.set_wakeup_fd(wake_up.fileno(), warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
        while server not in select.select([server, received], [], [])[0]:
            received.recv(NUMBER)
        code = os.waitstatus_to_exitcode(_receive_number(server))
    if code < 0:
        with suppress(OSError):  # of signals that nobody can handle
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


# The server.


def serve(address: str) -> dict[str, object]:
    """Fork for each request until the last lease ends; return in forked processes alone.

    Returns:
        The request that this process is to run.
    """
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(_shorten(address + ".new"))
    listener.listen(64)
    Path(address + ".new").rename(address)
    _import_libraries()
    leases: list[socket.socket] = []
    processes: list[Process] = []
    while True:
        callers = [process.caller for process in processes]
        ready = select.select([listener, *leases, *callers, *processes], [], [])[0]
        for process in [p for p in processes if p in ready or p.caller in ready]:
            process.end()
            processes.remove(process)
        for lease in [lease for lease in leases if lease in ready]:
            lease.close()
            leases.remove(lease)
        if listener in ready:
            caller = listener.accept()[0]
            try:
                number, handles, _, _ = socket.recv_fds(caller, NUMBER, 3)
                if not handles:
                    caller.sendall(b"1")
                    leases.append(caller)
                    continue
                request = json.loads(_receive(caller, int.from_bytes(number, "little")))
            except (EOFError, OSError):  # the caller was killed
                caller.close()
                continue
            pid = os.fork()
            if pid == 0:
                _take_place(request, handles)
                return request
            processes.append(Process(pid, caller, handles))
        elif not leases:
            Path(address).unlink(missing_ok=True)
            os._exit(0)


class Process:
    """A forked process, which ends with its caller.

    Args:
        pid: of the process.
        caller: connection of the process that waits for it.
        handles: its three streams, closed here.
    """

    def __init__(self, pid: int, caller: socket.socket, handles: list[int]) -> None:
        self.pid = pid
        self.caller = caller
        self.handle = os.pidfd_open(pid)
        for stream in handles:
            os.close(stream)
        with suppress(OSError):
            _send_number(caller, pid)

    def fileno(self) -> int:
        """Return the handle that is ready once the process has ended."""
        return self.handle

    def end(self) -> None:
        """Tell the caller how the process ended, or end it where the caller did."""
        if not select.select([self.handle], [], [], 0)[0]:
            os.kill(self.pid, signal.SIGKILL)
        status = os.waitpid(self.pid, 0)[1]
        with self.caller, suppress(OSError):
            _send_number(self.caller, status)
        os.close(self.handle)


def _take_place(request: dict[str, object], handles: list[int]) -> None:
    """Take the streams, working folder and environment of the caller."""
    for stream, handle in enumerate(handles):
        os.dup2(handle, stream)
    # The objects of the server know whether its own streams can seek and are terminals.
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    # The sockets are those of the server and of other callers.
    os.closerange(3, max(int(path.name) for path in Path("/proc/self/fd").iterdir()) + 1)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])


def _import_libraries() -> None:
    """Import what commands use, and check that no thread was started, which a fork would lose."""
    import gc
    import importlib
    import pkgutil

    import smallpose

    gc.disable()
    for name in LIBRARIES:
        importlib.import_module(name)
    for package in PACKAGES:
        parent = importlib.import_module(f"smallpose.{package}")
        for module in pkgutil.walk_packages(parent.__path__, f"{smallpose.__name__}.{package}."):
            if not any(name in module.name for name in OPTIONAL):
                importlib.import_module(module.name)
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a library started a thread"
    os.fsync = lambda _: None  # as in the tests' own processes, see tests/conftest.py
    gc.collect()
    gc.freeze()
    gc.enable()


def run_request(words: list[str], is_path_safe: bool) -> None:
    """Run what Python's arguments name as its main module.

    Args:
        is_path_safe: modules are not looked for in the folder of the main module (-P).
    """
    import runpy

    option = words[0] if words[0] in ("-m", "-c") else ""
    target, *arguments = words[1:] if option else words
    folder = {"-m": str(Path.cwd()), "-c": ""}.get(option, str(Path(target).resolve().parent))
    variable = os.environ.get("PYTHONPATH", "")
    before = [] if is_path_safe else [folder]
    sys.path[:1] = [*before, *filter(None, variable.split(os.pathsep))]
    if option == "-m":
        sys.argv = [target, *arguments]
        if target in LIBRARIES:
            del sys.modules[target]  # as its main module, it is another one
        runpy.run_module(target, run_name="__main__", alter_sys=True)
        return
    sys.argv = [option or target, *arguments]
    if not option:
        runpy.run_path(target, run_name="__main__")
        return
    main = type(sys)("__main__")
    sys.modules["__main__"] = main
    exec(compile(target, "<string>", "exec"), main.__dict__)


def _run_to_the_end(words: list[str], is_path_safe: bool) -> None:
    """Run the request and end this process as Python does, but for freeing all memory.

    That alone takes 0.3 s where each page is shared with the server.
    """
    import atexit
    import threading
    import traceback

    code: object = 0
    try:
        run_request(words, is_path_safe)
    except SystemExit as error:
        code = error.code
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    if sys.argv[1] == "call":
        sys.exit(call(sys.argv[2], sys.argv[3], sys.argv[4:]))
    executable = sys.argv[3]
    request = serve(sys.argv[2])
    # What it starts with `sys.executable` is forked, too.
    sys.executable = executable
    _run_to_the_end(request["words"], request["is_path_safe"])
