"""Tests of the export to Parquet and of reading it back."""

import sys

import pytest

from smallpose.core.errors import InputError
from smallpose.dataset.built_set import open_set
from smallpose.dataset.export import export_set, parquet


@pytest.mark.parametrize("image_mode", ["none", "copy"])
def test_parquet_is_read_back_to_the_last_bit(built, tmp_path, is_same, image_mode):
    pytest.importorskip("pyarrow", reason="pyarrow is optional: pip install '.[parquet]'")
    from smallpose.dataset.export.read_parquet import read_parquet

    result = export_set(built, "parquet", tmp_path / "out", image_mode)
    assert (result.images, result.missing, result.losses) == (5, 0, [])
    for split, people in open_set(built).parts.items():
        assert is_same(read_parquet(tmp_path / "out", split), people)


def test_parquet_of_several_files_is_read_back_as_one_table(built, tmp_path, is_same, monkeypatch):
    pytest.importorskip("pyarrow", reason="pyarrow is optional: pip install '.[parquet]'")
    from smallpose.dataset.export.read_parquet import read_parquet

    monkeypatch.setattr(parquet, "IMAGES_PER_FILE", {False: 1, True: 1})
    export_set(built, "parquet", tmp_path / "out")
    assert len(list((tmp_path / "out" / "data").iterdir())) == 5
    for split, people in open_set(built).parts.items():
        assert is_same(read_parquet(tmp_path / "out", split), people)


def test_parquet_stores_image_files_byte_for_byte(built, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is optional")
    export_set(built, "parquet", tmp_path / "out", "copy")
    table = pq.read_table(tmp_path / "out" / "data" / "train-00000-of-00001.parquet")
    rows = table.select(["file_name", "image"]).to_pylist()
    assert len(rows) == 3
    for row in rows:
        assert row["image"]["bytes"] == (built / "images" / row["file_name"]).read_bytes()


def test_the_error_without_pyarrow_names_what_to_install(built, tmp_path, monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match=r"pip install '\.\[parquet\]'"):
        export_set(built, "parquet", tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir() if "out" in p.name] == []
