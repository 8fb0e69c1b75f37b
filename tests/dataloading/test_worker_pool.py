"""Worker pools: results are in order, errors are passed on, and a death is survived once."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from smallpose.core.errors import InputError, RunError
from smallpose.dataloading.shared_memory import SharedMemory
from smallpose.dataloading.worker_pool import WorkerPool

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


class Filler:
    """Fills samples with the task's number; some tasks fail."""

    shape, max_samples = (3,), 2

    def __init__(self, folder: Path, dies: int = -1, deaths: int = 0, fails: int = -1) -> None:
        self.folder, self.dies, self.deaths, self.fails = folder, dies, deaths, fails

    def fill(self, task: int, out: np.ndarray) -> int:
        if task == self.fails:
            raise InputError(f"task {task}", "is bad", "leave it out")
        if task == self.dies and len(list(self.folder.iterdir())) < self.deaths:
            (self.folder / f"{time.monotonic_ns()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        out[:] = task
        return task * 10

    def describe(self, task: int) -> str:
        return f"task {task}"


def run_tasks(pool: WorkerPool, tasks: list[int]) -> list[int]:
    done = []
    for task, (meta, out) in zip(tasks, pool.run(tasks), strict=True):
        assert meta == task * 10 and (out == task).all()
        done.append(task)
    return done


@pytest.mark.parametrize("num_workers", [0, 1, 3])
def test_results_are_in_the_order_of_the_tasks_for_list_after_list(num_workers, tmp_path):
    pool = WorkerPool(Filler(tmp_path), num_workers)
    for n in (40, 0, 1, 17):
        assert run_tasks(pool, list(range(n))) == list(range(n))
    pool.close()
    assert run_tasks(pool, [5, 4]) == [5, 4]  # new workers are started
    pool.close()


def test_a_list_may_be_abandoned(tmp_path):
    pool = WorkerPool(Filler(tmp_path), 2)
    run = pool.run(list(range(30)))
    next(run)
    run.close()
    assert run_tasks(pool, [7, 8, 9]) == [7, 8, 9]
    pool.close()


def test_errors_of_workers_are_raised_in_this_process(tmp_path):
    pool = WorkerPool(Filler(tmp_path, fails=3), 2)
    with pytest.raises(InputError, match="task 3: is bad; leave it out"):
        run_tasks(pool, list(range(9)))


def test_a_worker_that_dies_once_is_restarted_with_a_message(tmp_path, capsys):
    pool = WorkerPool(Filler(tmp_path, dies=5, deaths=1), 2)
    assert run_tasks(pool, list(range(30))) == list(range(30))
    pool.close()
    status = capsys.readouterr().err
    assert status == "task 5: a worker process died near here (SIGKILL) and is restarted\n"


def test_two_deaths_at_one_task_raise_an_error_with_its_name_and_the_free_memory(tmp_path, capsys):
    pool = WorkerPool(Filler(tmp_path, dies=5, deaths=9), 2)
    with pytest.raises(RunError, match=r"task 5: .*SIGKILL.*2 times so far; [\d,]+ MiB of memory"):
        run_tasks(pool, list(range(30)))


def test_workers_of_any_start_method_map_the_same_memory():
    memory = SharedMemory(100)
    ours = memory.array(np.uint8, (10, 10))
    process = multiprocessing.get_context("spawn").Process(target=write_seven, args=(memory,))
    process.start()
    process.join()
    assert process.exitcode == 0 and (ours == 7).all()


def write_seven(memory: SharedMemory) -> None:
    memory.array(np.uint8, (100,))[:] = 7
