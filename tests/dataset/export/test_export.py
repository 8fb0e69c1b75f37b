"""Tests of what all exports have in common: README, losses, refusals and clean-up."""

import argparse
import ast

import pytest

from smallpose.cli import export
from smallpose.core.errors import InputError, RefusedError
from smallpose.dataset.export import EXPORTERS, export_set
from smallpose.system.lock import hold_lock


@pytest.mark.parametrize("to", EXPORTERS)
def test_each_export_has_a_readme_whose_python_parses(built, tmp_path, to):
    if to == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is optional")
    export_set(built, to, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    assert "5 images" in text and "## What is lost in this format" in text
    for block in text.split("```python\n")[1:]:
        ast.parse(block.split("```")[0])


def test_an_export_into_a_folder_with_files_is_refused(built, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="exists already"):
        export_set(built, "fiftyone", tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "precious"


def test_a_failed_export_leaves_no_files(built, tmp_path):
    outside = tmp_path / "elsewhere.jpg"
    outside.write_bytes(b"\xff\xd8\xff")
    link = built / "images" / "coco" / "a" / "1.jpg"
    link.unlink()
    link.symlink_to(outside)
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(RefusedError, match="leaves"):
        export_set(built, "webdataset", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_missing_images_are_counted(built, tmp_path):
    (built / "images" / "aic" / "7.jpg").unlink()
    assert export_set(built, "fiftyone", tmp_path / "out").missing == 1


def test_links_in_tar_files_and_unknown_formats_are_refused(built, tmp_path):
    with pytest.raises(InputError, match="copy or none"):
        export_set(built, "webdataset", tmp_path / "out", "link")
    with pytest.raises(InputError, match="yolo"):
        export_set(built, "vcr", tmp_path / "out")
    with pytest.raises(InputError, match="name a set of 'smallpose build', or put labels at"):
        export_set(tmp_path, "yolo", tmp_path / "out")


def test_export_prints_what_was_written_and_lost(built, tmp_path, capsys):
    parser = argparse.ArgumentParser()
    export.add_arguments(parser)
    export.run_command(
        parser.parse_args([str(built), "--to", "yolo", "--out", str(tmp_path / "out")])
    )
    out = capsys.readouterr().out
    assert out.startswith("Ultralytics YOLO-pose: 5 images, 7 annotations")
    assert "crowd regions" in out


def test_files_of_a_killed_export_are_removed_by_the_next(built, tmp_path):
    left = tmp_path / ".yolo.part"
    left.mkdir()
    (left / "old.txt").write_text("half")
    with (
        hold_lock(tmp_path / ".yolo.lock"),
        pytest.raises(InputError, match="locked by process"),
    ):
        export_set(built, "yolo", tmp_path / "yolo")
    export_set(built, "yolo", tmp_path / "yolo")
    assert not [p.name for p in tmp_path.iterdir() if p.name.startswith(".")]
    assert not (tmp_path / "yolo" / "old.txt").exists()
