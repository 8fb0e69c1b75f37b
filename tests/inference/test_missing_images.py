"""Missing images are counted before the first one is read."""

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17
from smallpose.inference.options import InferenceOptions
from smallpose.inference.predict_files import predict_coco_file
from smallpose.io.coco_annotations import write_coco
from smallpose.methods import METHODS


@pytest.fixture
def truth(tmp_path):
    """Six images of which two are there; the last one has no person."""
    cv2 = pytest.importorskip("cv2")
    images = make_images(range(1, 7), [f"{i}.png" for i in range(6)], [64] * 6, [64] * 6)
    keypoints = np.full((5, 17, 3), 20.0)
    keypoints[..., 2] = 2
    boxes = np.tile([4.0, 4, 50, 50], (5, 1))
    write_coco(make_instances(COCO17, images, np.arange(5), boxes, keypoints), tmp_path / "t.json")
    (tmp_path / "photos").mkdir()
    for i in (0, 5):
        cv2.imwrite(str(tmp_path / "photos" / f"{i}.png"), np.zeros((64, 64, 3), np.uint8))
    return tmp_path / "t.json"


@pytest.mark.parametrize(
    ("name", "count"), [("simple_baseline_r18_tiny", "4 of 5"), ("cid_hrnet_w8_tiny", "4 of 6")]
)
def test_all_missing_images_are_counted(truth, name, count):
    method = METHODS[name](COCO17).eval()
    with pytest.raises(InputError) as caught:
        predict_coco_file(method, truth, truth.parent / "photos")
    assert str(caught.value) == (
        f"{truth.parent / 'photos'}: {count} images cannot be read, more than 0.1%: they are not "
        "there (first: 1.png); name the folder that the file names of t.json start from by "
        "--images, or allow more with --max-unreadable"
    )


def test_as_many_as_were_allowed_are_left_out(truth):
    method = METHODS["simple_baseline_r18_tiny"](COCO17).eval()
    options = InferenceOptions(max_unreadable=0.8)
    result = predict_coco_file(method, truth, truth.parent / "photos", options=options)
    assert len(result.predictions) == 1 and len(result.predictions.notes) == 4
