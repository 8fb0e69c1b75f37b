"""What samples need of a table, here and in a worker that was not forked."""

import multiprocessing

import numpy as np

from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.worker_tables import Columns


def people() -> Instances:
    rng = np.random.default_rng(0)
    images = make_images([7, 3, 5], ["a.jpg", "bé/c.jpg", "d.jpg"], [8, 0, 9], [4, 0, 6])
    boxes, keypoints = rng.uniform(1, 9, (5, 4)), rng.uniform(1, 9, (5, 17, 3))
    crowd = [False, True, False, False, False]
    return make_instances(COCO17, images, [2, 0, 2, 2, 0], boxes, keypoints, iscrowd=crowd)


def test_names_sizes_and_people_of_an_image_are_the_tables():
    table = people()
    columns = Columns.of(table)
    assert [columns.name(i) for i in range(3)] == list(table.images.file_names)
    assert [columns.people_of(i).tolist() for i in range(3)] == [[1, 4], [], [0, 2, 3]]
    assert [columns.size_wh(i) for i in range(3)] == [(8, 4), (0, 0), (9, 6)]
    assert columns.arrays.labelled.tolist() == [True, False, True, True, True]
    assert np.shares_memory(columns.arrays.keypoints, table.keypoints)


def told(columns: Columns, pipe) -> None:
    columns.arrays.boxes_xywh[0, 0] = 42  # seen by whoever maps the same memory
    pipe.send((columns.name(1), columns.skeleton.name, columns.arrays.keypoints))


def test_workers_that_are_not_forked_map_one_piece_of_memory():
    columns = Columns.of(people())
    spawn = multiprocessing.get_context("spawn")
    for _ in range(2):
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=told, args=(columns, theirs))
        process.start()
        name, skeleton, keypoints = ours.recv()
        process.join()
        assert (name, skeleton) == ("bé/c.jpg", "coco17")
        np.testing.assert_array_equal(keypoints, columns.arrays.keypoints)
    memory, layout = columns._passed
    ids_bytes = columns.arrays.ids.nbytes
    assert layout[0] == ("<i8", (5,)) and ids_bytes == 40
    # boxes stand behind ids and rows, each in its 64 bytes
    assert memory.array("f8", (1,), 128)[0] == 42
