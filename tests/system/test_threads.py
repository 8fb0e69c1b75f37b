import threading

import pytest

from smallpose.system import threads
from smallpose.system.threads import begin, run_parts


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


def test_the_first_part_that_fails_is_raised_whichever_thread_fails_first():
    for _ in range(20):
        both = threading.Barrier(2, timeout=30)

        def work(part, both=both):
            if part in (3, 4):
                both.wait()  # they fail at the same time
                raise ValueError(f"part {part}")
            return part

        with pytest.raises(ValueError, match="part 3"):
            run_parts(work, 50, 2)


def test_no_part_is_begun_after_one_has_failed():
    begun = []

    def work(part):
        begun.append(part)
        raise ValueError

    with pytest.raises(ValueError):
        run_parts(work, 1000, 2)
    assert len(begun) <= 2


def test_parts_are_done_where_no_thread_can_be_started(monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert run_parts(lambda part: part, 5, 3) == [0, 1, 2, 3, 4]
    assert begin(lambda: 7)() == 7


def test_work_that_was_begun_gives_its_result_or_its_error(monkeypatch):
    def fail():
        raise ValueError("later")

    for num_cores in (1, 2):
        monkeypatch.setattr(threads, "count_cores", lambda n=num_cores: n)
        assert begin(lambda: 7)() == 7
        get_result = begin(fail)
        with pytest.raises(ValueError, match="later"):
            get_result()
