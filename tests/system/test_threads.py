import threading

import pytest

from smallpose.system.threads import run_parts


def test_results_come_in_the_order_of_the_parts():
    assert run_parts(lambda part: part * part, 5, 3) == [0, 1, 4, 9, 16]


def test_the_calling_thread_is_one_of_the_workers():
    barrier = threading.Barrier(3, timeout=30)

    def work(part):
        barrier.wait()  # passed only if three threads work at the same time
        return threading.get_ident()

    threads = run_parts(work, 3, 3)
    assert threading.get_ident() in threads
    assert len(set(threads)) == 3


def test_an_error_in_a_thread_is_raised():
    def work(part):
        if part == 2:
            raise ValueError("part 2")
        return part

    with pytest.raises(ValueError, match="part 2"):
        run_parts(work, 5, 3)
