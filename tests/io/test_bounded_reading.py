"""Hostile files need time and memory in proportion to their size."""

import contextlib
import json
import tracemalloc

import pytest

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.io import json_text
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_annotations_fast import read_coco_fast
from smallpose.io.coco_results import read_results

MB = 2**20


def measure_peak(function) -> int:
    """Return the bytes that a call needs at its peak; InputError is allowed."""
    tracemalloc.start()
    try:
        function()
    except InputError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def make_truth(people: list[str], extra: str = "") -> bytes:
    images = '"images":[{"id":1,"file_name":"1.jpg","width":9,"height":9}]'
    return f'{{{images},"annotations":[{",".join(people)}]{extra}}}'.encode()


def make_person(number: int, num_values: int) -> str:
    keypoints = ",".join(["0"] * num_values)
    record = f'{{"id":{number},"image_id":1,"bbox":[0,0,1,1],"num_keypoints":0'
    return f'{record},"keypoints":[{keypoints}]}}'


@pytest.mark.parametrize("num_values", [6000, 30_000])
def test_braces_elsewhere_do_not_multiply_the_memory_of_long_poses(num_values):
    text = make_truth([make_person(1, num_values)], ',"info":[' + "{}," * 300_000 + "{}]")
    assert measure_peak(lambda: read_coco("a.json", data=text)) < 40 * len(text)


@pytest.mark.skipif(json_text.EXTENSION is None, reason="_json was not built")
def test_braces_in_results_do_not_multiply_the_memory():
    truth = read_coco("a.json", data=make_truth([make_person(1, 6000)]))
    keypoints = "[" + ",".join(["0"] * 6000) + "]"
    note = '"note":[' + "{}," * 300_000 + "{}]"
    text = f'[{{"image_id":1,"score":1,"keypoints":{keypoints},{note}}}]'.encode()
    assert measure_peak(lambda: read_results("a.json", truth, text)) < 40 * len(text)


@pytest.mark.parametrize("num_values", [300, 6000, 9000])
def test_people_without_keypoints_do_not_multiply_the_memory(num_values, monkeypatch):
    monkeypatch.setattr("smallpose.io.coco_annotations_slow.MIN_TABLE_LIMIT", 5 * MB)
    bare = [f'{{"id":{i},"image_id":1,"bbox":[0,0,1,1]}}' for i in range(2, 3_000)]
    text = make_truth([make_person(1, num_values), *bare])
    assert measure_peak(lambda: read_coco("a.json", data=text)) < 100 * len(text) + 20 * MB
    if num_values > 300:
        with pytest.raises(InputError, match=r"GiB, for|at most 2,000 for each person"):
            read_coco("a.json", data=text)


@pytest.mark.timeout(100)  # quadratic steps would take minutes
@pytest.mark.parametrize(
    "kind", ["persons", "joints", "names", "blanks", "members", "cuts", "images"]
)
def test_time_is_in_proportion_to_the_size(kind, tmp_path):
    person = make_person(1, 51)
    n = 30_000
    texts = {
        "persons": ',"categories":['
        + ",".join(f'{{"id":{i},"name":"person"}}' for i in range(1, n))
        + "]",
        "joints": ',"categories":'
        + json.dumps([{"id": 1, "name": "person", "keypoints": [f"j{i}" for i in range(n)]}]),
        "blanks": " " * 20_000_000,
        "members": "".join(f',"x{i}":{i}  ' for i in range(n)),
    }
    path = tmp_path / "a.json"
    truth = read_coco("t.json", data=make_truth([person]))
    if kind in texts:
        text = make_truth([person], texts[kind])
        path.write_bytes(text + b" " * 1_000_000)
        with contextlib.suppress(InputError):
            read_coco(path)
        return
    result = f'{{"image_id":1,"score":1,"keypoints":[{",".join(["0"] * 51)}]}}'
    results = {
        "names": json.dumps({"keypoint_names": [f"j{i}" for i in range(n)], "predictions": []}),
        "cuts": "[" + result + ',{"a":"' + "}" * 20_000_000 + '"}]',
        "images": "[" + ",".join([result] * 3000 + [result.replace(":1,", ":2,", 1)]) + "]",
    }
    path.write_text(results[kind])
    with contextlib.suppress(InputError):
        read_results(path, truth)


@pytest.mark.skipif(json_text.EXTENSION is None, reason="_json was not built")
def test_ordinary_files_are_still_read_fast(tmp_path):
    people = [make_person(i, 51) for i in range(1, 100)]
    categories = json.dumps([{"id": 1, "name": "person", "keypoints": list(COCO17.joints)}])
    text = make_truth(people, f',"categories":{categories}')
    people = read_coco_fast("a.json", text)
    assert people is not None
    assert len(people) == 99
    assert people.skeleton == COCO17
