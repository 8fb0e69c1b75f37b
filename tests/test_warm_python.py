"""The forked Python is as one that starts from nothing: streams, folder, exit codes, signals."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.warm_python import _shorten

pytest.importorskip("torch", reason="the server imports PyTorch")
SHOW = """
import os, sys
print(sys.argv, __name__, sys.path[0], os.getcwd(), os.environ["ONE"], len(os.environ))
print(sys.stdin.read(), file=sys.stderr)
print([p for p in sys.path if p.endswith("/more")], "" in sys.path, sys.path.index("/more"))
print(sys.stdout.isatty(), sys.stdout.seekable(), sys.stderr.isatty(), sys.flags.optimize)
raise SystemExit(3)
"""


def start(python: object, *words: str, **options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(python), *words], capture_output=True, text=True, check=False, **options
    )


@pytest.mark.parametrize(
    "words",
    [["-c", SHOW], ["show.py"], ["-m", "show"], ["-u", "-m", "show"], ["-P", "-u", "-c", SHOW]],
)
def test_arguments_streams_folder_and_environment_are_those_of_the_call(
    warm_python, tmp_path, words
):
    (tmp_path / "show.py").write_text(SHOW)
    environment = {
        "ONE": "1",
        "PYTHONPATH": "/other/more:/more",
        "PATH": os.environ["PATH"],
        "LC_CTYPE": "C.UTF-8",
    }
    warm, cold = (
        start(p, *words, "a", "b c", cwd=tmp_path, env=environment, input="typed")
        for p in (warm_python, sys.executable)
    )
    assert cold.returncode == 3
    # A shell is between, which sets PWD.
    expected = cold.stdout.replace(" 1 4\n", " 1 5\n")
    assert (warm.returncode, warm.stdout, warm.stderr) == (3, expected, cold.stderr)


@pytest.mark.parametrize(
    "code",
    [
        "pass",
        "raise SystemExit('words')",
        "import os; os.kill(os.getpid(), 9)",
        "import os; os._exit(7)",
        "import atexit; atexit.register(print, 'last'); print('first')",
    ],
)
def test_a_process_ends_as_python_does(warm_python, code):
    warm, cold = (start(python, "-c", code) for python in (warm_python, sys.executable))
    assert (warm.returncode, warm.stdout, warm.stderr) == (
        cold.returncode,
        cold.stdout,
        cold.stderr,
    )


def test_an_error_is_printed_and_ends_with_1(warm_python):
    done = start(warm_python, "-c", "1 / 0")
    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_signals_arrive_and_a_killed_caller_takes_the_process_with_it(warm_python):
    code = (
        "import os, signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(5));"
        "print(os.getpid(), flush=True); time.sleep(60)"
    )
    # What a shell without a terminal starts with & ignores SIGINT, and so do its children.
    codes = {signal.SIGTERM: 5, signal.SIGINT: -2, signal.SIGKILL: -9}
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        del codes[signal.SIGINT]
    for number, expected in codes.items():
        command = [str(warm_python), "-c", code]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            pid = int(process.stdout.readline())
            process.send_signal(number)
            assert process.wait(20) == expected
        deadline = time.monotonic() + 20
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_each_process_has_its_own_modules_which_are_loaded_already(warm_python):
    code = "import sys; print('torch' in sys.modules); import numpy; numpy.float64 = None"
    assert [start(warm_python, "-c", code).stdout for _ in range(2)] == ["True\n"] * 2


def test_a_started_process_starts_others_in_the_same_way(warm_python):
    code = "import subprocess, sys; print(subprocess.call([sys.executable, '-c', 'exit(4)']))"
    assert start(warm_python, "-c", code).stdout == "4\n"
    show = "import sys; print(sys.executable)"
    assert start(warm_python, "-c", show).stdout == f"{warm_python}\n"


def test_other_options_are_those_of_python_itself(warm_python):
    assert start(warm_python, "-V").stdout == f"Python {sys.version.split()[0]}\n"


def test_a_deep_folder_of_temporary_files_can_have_the_socket(warm_python, tmp_path):
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    address = folder / "socket"
    address.symlink_to(warm_python.parent / "warm_python")
    words = shlex.split(warm_python.read_text().splitlines()[1])[1:-1]
    words[words.index(str(warm_python.parent / "warm_python"))] = str(address)
    assert start(*words, "-c", "print(3)").stdout == "3\n"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(_shorten(str(folder / "other")))
    assert (folder / "other").is_socket()
