"""A data set of a few images, generated once."""

import json

import pytest

from smallpose.synthetic import make_synthetic_dataset
from smallpose.synthetic.plan import SIZES, Size

SPECK = Size(20, sequence=5, group=2, clips=3, frames=5, clip_wh=(320, 180), plates=1)


@pytest.fixture(scope="session")
def speck(tmp_path_factory):
    """The folder of a data set smaller than `tiny`."""
    SIZES["speck"] = SPECK
    out = tmp_path_factory.mktemp("synthetic") / "dataset"
    make_synthetic_dataset(out, "speck", seed=5)
    return out


@pytest.fixture(scope="session")
def truth(speck):
    """Its truth: image records by file name, each with its annotations under "people"."""
    return read_truth(speck / "truth.json")


@pytest.fixture(scope="session")
def exact(speck):
    return read_truth(speck / "exact.json")


def read_truth(path):
    content = json.loads(path.read_text())
    images = {i["id"]: {**i, "people": []} for i in content["images"]}
    for annotation in content["annotations"]:
        images[annotation["image_id"]]["people"].append(annotation)
    return {i["file_name"]: i for i in images.values()}
