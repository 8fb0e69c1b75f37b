"""A process that ends at once has written everything, and has its exit code."""

import subprocess
import sys

END = "import sys; from smallpose.system.process_end import end_process\n"


def run(code):
    done = subprocess.run([sys.executable, "-c", END + code], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_it_has_the_exit_code_and_all_output_and_frees_no_objects():
    code = (
        "class Freed:\n"
        "    def __del__(self): print('freed')\n"
        "freed = Freed()\n"
        "sys.stdout.write('out'); sys.stderr.write('err')\n"
        "end_process(3)"
    )
    assert run(code) == (3, "out", "err")


def test_what_is_registered_for_the_end_is_done():
    code = "import atexit; atexit.register(print, 'registered'); end_process(0)"
    assert run(code) == (0, "registered\n", "")


def test_threads_profilers_and_debuggers_see_the_ordinary_end():
    for watcher in (
        "import threading; threading.Timer(0.2, print, ['timer']).start()",
        "sys.setprofile(lambda *_: None)",
        "sys.settrace(lambda *_: None)",
    ):
        status, out, _ = run(f"{watcher}\nend_process(3)\nprint('goes on')")
        assert status == 0, watcher
        assert out.startswith("goes on"), watcher


def test_evaluate_has_its_exit_codes():
    for arguments, status in ((["evaluate"], 2), (["evaluate", "--help"], 0), (["evaluat"], 2)):
        done = subprocess.run([sys.executable, "-m", "smallpose", *arguments], capture_output=True)
        assert done.returncode == status, arguments
        assert done.stdout or done.stderr
