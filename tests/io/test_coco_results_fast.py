"""The fast reader of results gives the tables and the errors of the slow one."""

import gzip
import json

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.io import coco_results_fast, json_text
from smallpose.io.coco_annotations_slow import read_coco_slow
from smallpose.io.coco_results import read_results
from smallpose.io.coco_results_fast import CHUNK_BYTES
from smallpose.io.coco_results_slow import read_results_slow
from smallpose.io.mismatch import add_mismatch_note

needs_extension = pytest.mark.skipif(json_text.EXTENSION is None, reason="_json was not built")


def write_files(folder, coco, results, **layout):
    (folder / "truth.json").write_text(json.dumps(coco, **layout))
    (folder / "results.json").write_text(json.dumps(results, **layout))
    return read_coco_slow(folder / "truth.json"), folder / "results.json"


@needs_extension
@pytest.mark.usefixtures("without_slow_readers")
@pytest.mark.parametrize("layout", [{}, {"indent": 4}, {"separators": (",", ":")}])
def test_random_files_give_the_table_of_the_slow_reader(
    layout, random_coco, assert_same_table, tmp_path
):
    for seed in range(12):
        coco, results = random_coco(seed, 21 if seed % 2 else 17, num_images=6, max_people=8)
        assert results
        for i, result in enumerate(results):
            if i and result.get("bbox") is None:
                result["bbox"] = [[], None][i % 2]
        truth, path = write_files(tmp_path, coco, results, **layout)
        expected = add_mismatch_note(truth, read_results_slow(path, truth))
        assert_same_table(read_results(path, truth), expected)


@needs_extension
@pytest.mark.usefixtures("without_slow_readers")
@pytest.mark.parametrize("layout", [{}, {"indent": 4}, {"separators": (",", ":")}])
@pytest.mark.parametrize("names_first", [True, False])
def test_results_that_name_their_joints_give_the_table_of_the_slow_reader(
    layout, names_first, random_coco, assert_same_table, tmp_path, monkeypatch
):
    coco, results = random_coco(8, num_images=20, max_people=10)
    names = ["tail", *COCO17.joints[:0:-1]]
    content = {"keypoint_names": names, "predictions": results}
    if not names_first:
        content = dict(reversed(content.items()))
    truth, path = write_files(tmp_path, coco, content, **layout)
    expected = read_results_slow(path, truth)
    assert expected.skeleton.joints == COCO17.joints[1:]
    for num_bytes in (200, CHUNK_BYTES):
        monkeypatch.setattr(coco_results_fast, "CHUNK_BYTES", num_bytes)
        assert_same_table(read_results(path, truth), add_mismatch_note(truth, expected))
        monkeypatch.setattr(coco_results_fast, "PIECE_BYTES", num_bytes)
        chunks = coco_results_fast.map_results(path, truth, lambda piece: piece.keypoints.copy())
        assert np.array_equal(np.concatenate(chunks.values), expected.keypoints)
        assert chunks.notes == expected.notes


@needs_extension
@pytest.mark.usefixtures("without_slow_readers")
def test_a_file_cut_into_many_chunks_gives_the_same_table(
    random_coco, assert_same_table, tmp_path, monkeypatch
):
    truth, path = write_files(tmp_path, *random_coco(8, num_images=20, max_people=10))
    expected = add_mismatch_note(truth, read_results_slow(path, truth))
    for num_bytes in (200, 1000, 4096, CHUNK_BYTES):
        monkeypatch.setattr(coco_results_fast, "CHUNK_BYTES", num_bytes)
        assert_same_table(read_results(path, truth), expected)


@needs_extension
@pytest.mark.usefixtures("without_slow_readers")
def test_a_real_file_gives_the_table_of_the_slow_reader(real, assert_same_table, tmp_path):
    folder = real / "coco" / "val_subset250"
    truth = read_coco_slow(folder / "val_subset.json.gz")
    packed = folder / "detections_C.json.gz"
    path = tmp_path / "detections.json"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    assert_same_table(read_results(path, truth), read_results_slow(packed, truth))


def test_broken_files_give_the_table_or_the_error_of_the_slow_reader(
    random_coco, broken_texts, assert_same_table, tmp_path
):
    truth, path = write_files(tmp_path, *random_coco(6, num_images=3, max_people=3))
    for text in broken_texts(path.read_text()):
        path.write_text(text, encoding="utf-8")
        try:
            expected = read_results_slow(path, truth)
        except InputError as error:
            with pytest.raises(InputError) as caught:
                read_results(path, truth)
            assert str(caught.value) == str(error)
        else:
            assert_same_table(read_results(path, truth), expected)
