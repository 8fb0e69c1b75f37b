"""Tests of the export to MMPose configs."""

from pathlib import Path

import pytest

from smallpose.core.errors import InputError
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataset.built_set import open_set
from smallpose.dataset.export import export_set


def test_the_mmpose_config_describes_the_21_joints_and_loads_the_data_set(built, tmp_path):
    export_set(built, "mmpose", tmp_path / "out")
    info: dict = {}
    exec((tmp_path / "out" / "smallpose_info.py").read_text(), info)
    info = info["dataset_info"]
    names = [info["keypoint_info"][n]["name"] for n in range(21)]
    assert tuple(names) == SMALLPOSE.joints
    swaps = [info["keypoint_info"][n]["swap"] for n in range(21)]
    assert [
        names.index(s) if s else n for n, s in enumerate(swaps)
    ] == SMALLPOSE.flip_indices.tolist()
    links = [tuple(names.index(j) for j in s["link"]) for s in info["skeleton_info"].values()]
    assert tuple(links) == SMALLPOSE.edges
    assert info["sigmas"] == SMALLPOSE.sigmas.tolist()
    data: dict = {}
    exec((tmp_path / "out" / "smallpose_data.py").read_text(), data)
    for loader, split in (("train_dataloader", "train"), ("val_dataloader", "test")):
        dataset = data[loader]["dataset"]
        root = Path(dataset["data_root"])
        assert root / dataset["ann_file"] == built.resolve() / "annotations" / f"{split}.json"
        for name in open_set(built).parts[split].images.file_names:
            assert (root / dataset["data_prefix"]["img"] / name).is_file()


def test_images_option_is_refused_for_mmpose(built, tmp_path):
    with pytest.raises(InputError, match="--images copy: an MMPose config refers to the images"):
        export_set(built, "mmpose", tmp_path / "mmpose", "copy")
