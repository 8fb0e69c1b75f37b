"""Sum the CPU seconds of tests by file, in one process.

    python bench/suite.py [FILE or FOLDER …] [-- PYTEST'S OPTIONS]

Those of child processes that ended count for the test that waited for them, as do those that
tests/warm_python.py forks. Without a file, all
tests run, which takes many minutes.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Generator

import pytest


class CpuTimes:
    """Count the CPU seconds of fixtures and tests, and those of collecting.

    Args:
        own, children: seconds by file, of this process and of its child processes.
        num_tests: by file.
    """

    def __init__(self) -> None:
        self.own: Counter[str] = Counter()
        self.children: Counter[str] = Counter()
        self.num_tests: Counter[str] = Counter()
        self.collecting = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Count a test with the fixtures that it sets up and tears down."""
        before = os.times()
        forked_before = _read_forked_seconds()
        result = yield
        after = os.times()
        file = item.nodeid.partition("::")[0]
        self.own[file] += after.user + after.system - before.user - before.system
        self.children[file] += after.children_user + after.children_system
        self.children[file] -= before.children_user + before.children_system
        self.children[file] += _read_forked_seconds() - forked_before
        self.num_tests[file] += 1
        return result

    def pytest_collection_finish(self) -> None:
        """Count what was spent until here: imports and collecting."""
        self.collecting = time.process_time()

    def describe(self) -> str:
        """Return a table of all files, the most expensive first, and the sums."""
        total = self.own + self.children
        lines = ["    CPU s  children  tests  file"]
        lines += [
            f"{seconds:9.1f} {self.children[file]:9.1f} {self.num_tests[file]:6d}  {file}"
            for file, seconds in total.most_common()
        ]
        sums = f"{total.total():9.1f} {self.children.total():9.1f} {self.num_tests.total():6d}"
        return "\n".join([*lines, f"{sums}  all, and {self.collecting:.1f} s of collecting"])


def _read_forked_seconds() -> float:
    server = sys.modules.get("tests.warm_python")  # which tests/conftest.py loads
    return float(server.read_cpu_seconds()) if server else 0.0


def main() -> int:
    """Run the tests, print the table and return pytest's exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="files or folders, and pytest's options after --")
    words = parser.parse_args().words
    times = CpuTimes()
    code = pytest.main(["-q", "-p", "no:cacheprovider", *words], plugins=[times])
    print(times.describe())
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
