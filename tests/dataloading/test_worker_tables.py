"""The table of workers equals the table of people, also in processes that are not forked."""

import multiprocessing

import numpy as np

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.worker_tables import WorkerTable


def make_people() -> Instances:
    rng = np.random.default_rng(0)
    images = make_images([7, 3, 5], ["a.jpg", "bé/c.jpg", "d.jpg"], [8, 0, 9], [4, 0, 6])
    boxes = rng.uniform(1, 9, (5, 4))
    keypoints = rng.uniform(1, 9, (5, 17, 3))
    crowd = [False, True, False, False, False]
    return make_instances(COCO17, images, [2, 0, 2, 2, 0], boxes, keypoints, iscrowd=crowd)


def test_names_sizes_and_people_of_images_are_those_of_the_table():
    people = make_people()
    table = WorkerTable.from_instances(people)
    assert [table.file_name(i) for i in range(3)] == list(people.images.file_names)
    assert [table.rows_of_image(i).tolist() for i in range(3)] == [[1, 4], [], [0, 2, 3]]
    assert [table.size_wh(i) for i in range(3)] == [(8, 4), (0, 0), (9, 6)]
    assert table.arrays.is_labelled.tolist() == [True, False, True, True, True]
    assert np.shares_memory(table.arrays.keypoints, people.keypoints)


def send_contents(table: WorkerTable, pipe) -> None:
    table.arrays.boxes_xywh[0, 0] = 42  # visible in every process that maps the memory
    pipe.send((table.file_name(1), table.skeleton.name, table.arrays.keypoints))


def test_workers_that_are_not_forked_map_the_same_memory():
    table = WorkerTable.from_instances(make_people())
    spawn = multiprocessing.get_context("spawn")
    for _ in range(2):
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=send_contents, args=(table, theirs))
        process.start()
        name, skeleton, keypoints = ours.recv()
        process.join()
        assert (name, skeleton) == ("bé/c.jpg", "coco17")
        np.testing.assert_array_equal(keypoints, table.arrays.keypoints)
    memory, layout = table._passed
    ids_bytes = table.arrays.ids.nbytes
    assert layout[0] == ("<i8", (5,)) and ids_bytes == 40
    # Boxes come after ids and rows, which take 64 bytes each.
    assert memory.array("f8", (1,), 128)[0] == 42
