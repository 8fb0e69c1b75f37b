"""The fast reader of annotations gives the tables and the errors of the slow one."""

import gzip
import json

import pytest

from smallpose.core.errors import InputError
from smallpose.io import json_text
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_annotations_slow import read_coco_slow

needs_extension = pytest.mark.skipif(json_text.EXTENSION is None, reason="_json was not built")


@needs_extension
@pytest.mark.usefixtures("without_slow_readers")
@pytest.mark.parametrize("layout", [{}, {"indent": 4}, {"separators": (",", ":")}])
def test_random_files_give_the_table_of_the_slow_reader(
    layout, random_coco, assert_same_table, tmp_path
):
    path = tmp_path / "a.json"
    for seed in range(12):
        coco, _ = random_coco(seed, 21 if seed % 2 else 17, num_images=6, max_people=8)
        for i, annotation in enumerate(coco["annotations"]):
            extra = [
                {"segmentation": [[1, 2.5, 3]], "note": 'a "{quoted}" \\ word', "area": None},
                {
                    "source": "aic",
                    "box_rule": "drawn",
                    "iscrowd": bool(annotation["iscrowd"]),
                },
                {"source": "other", "segmentation_area": 1.25, "segmentation": {"size": [1, 2]}},
            ][i % 3]
            annotation.update(extra)
        assert coco["annotations"]
        path.write_text(json.dumps(coco, **layout))
        assert_same_table(read_coco(path), read_coco_slow(path))


@needs_extension
@pytest.mark.usefixtures("without_slow_readers")
@pytest.mark.parametrize(
    "name",
    [
        "coco/example4/example_coco_val.json",
        "coco/example1/gt_dataset.json",
        "coco/val_subset250/val_subset.json.gz",
        "other/crowdpose/crowdpose_val.json.gz",
    ],
)
def test_real_files_give_the_table_of_the_slow_reader(name, real, assert_same_table, tmp_path):
    assert_same_table(read_coco(real / name), read_coco_slow(real / name))
    if name.endswith(".gz"):
        path = tmp_path / "a.json"
        path.write_bytes(gzip.decompress((real / name).read_bytes()))
        assert_same_table(read_coco(path), read_coco_slow(path))


def test_broken_files_give_the_table_or_the_error_of_the_slow_reader(
    random_coco, broken_texts, assert_same_table, tmp_path
):
    coco, _ = random_coco(6, num_images=3, max_people=3)
    path = tmp_path / "a.json"
    for text in broken_texts(json.dumps(coco)):
        path.write_text(text, encoding="utf-8")
        try:
            expected = read_coco_slow(path)
        except InputError as error:
            with pytest.raises(InputError) as caught:
                read_coco(path)
            assert str(caught.value) == str(error)
        else:
            assert_same_table(read_coco(path), expected)
