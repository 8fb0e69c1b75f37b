"""`croissant.json` of sets whose records lack a field, as loaders read it: column by column."""

import json
import shutil

import pytest

from smallpose.dataset.builder.build import build_dataset
from smallpose.dataset.options import BuildOptions
from smallpose.dataset.release import write_release


@pytest.fixture
def without_sizes(sources, tmp_path):
    """A built set in which the images of one of two sources are missing, and so are their sizes."""
    shutil.rmtree(sources["roots"]["mpii"] / "p")
    options = BuildOptions(images="none", missing_images="keep", leaks="off")
    build_dataset(sources["roots"], tmp_path / "set", options)
    return tmp_path / "set"


def extract_columns(folder):
    """Return each record set's columns as a loader extracts them, by the name of the set."""
    content = json.loads((folder / "croissant.json").read_text())
    files = {f["@id"]: f["contentUrl"] for f in content["distribution"]}
    sets = {}
    for records in content["recordSet"]:
        columns = {}
        for field in records["field"]:
            source = field["source"]
            data = json.loads((folder / files[source["fileObject"]["@id"]]).read_text())
            _, kind, name = source["extract"]["jsonPath"].replace("[*]", "").split(".")
            columns[name] = [one[name] for one in data[kind] if name in one]
        sets[records["name"]] = (records["description"], columns)
    return sets


def test_all_columns_of_a_record_set_are_equally_long(without_sizes, tmp_path):
    write_release(without_sizes, tmp_path / "release")
    for folder in (without_sizes, tmp_path / "release"):
        for description, columns in extract_columns(folder).values():
            assert len({len(column) for column in columns.values()}) == 1
            assert ("width" in columns) == (
                "file_name" in columns and "no known" not in description
            )
    description, columns = extract_columns(without_sizes)["train/images"]
    num_images = len(columns["id"])
    assert f"of {num_images} images have no known size" in description
    assert "width" not in columns and "height" not in columns and "source" in columns


def test_fields_that_all_records_have_are_kept(sources, tmp_path):
    build_dataset(sources["roots"], tmp_path / "set", BuildOptions(images="none", leaks="off"))
    for name, (description, columns) in extract_columns(tmp_path / "set").items():
        assert "left out" not in description
        assert ("width" in columns) == name.endswith("images")


def test_mlcroissant_reads_every_record(without_sizes, tmp_path):
    mlcroissant = pytest.importorskip("mlcroissant", reason="pip install mlcroissant to check")
    write_release(without_sizes, tmp_path / "release")
    for folder in (without_sizes, tmp_path / "release"):
        data = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
        for split in ("train", "test"):
            content = json.loads((folder / f"annotations/{split}.json").read_text())
            for kind in ("images", "annotations"):
                assert len(list(data.records(f"{split}/{kind}"))) == len(content[kind])
