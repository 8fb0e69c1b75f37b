"""Tests of a release: complete, with checksums, without images and paths of this machine."""

import csv
import hashlib
import json
import re
import shutil
import zipfile

import pytest

from smallpose.cli.main import main
from smallpose.dataset.docs.datasheet import SECTIONS
from smallpose.io.coco_annotations import read_coco


@pytest.fixture(scope="module")
def built(tiny_synthetic, tmp_path_factory):
    root = tmp_path_factory.mktemp("release")
    roots = [w for s in ("coco", "aic") for w in (f"--{s}", str(tiny_synthetic / s))]
    assert main(["build", str(root / "set"), *roots]) == 0
    return root / "set"


@pytest.fixture(scope="module")
def released(built, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "given"
    assert main(["release", str(built), "--out", str(out)]) == 0
    return out


def test_a_release_holds_everything_but_images(released):
    names = {p.relative_to(released).as_posix() for p in released.rglob("*") if p.is_file()}
    assert names == {
        "annotations/train.json",
        "annotations/test.json",
        "README.md",
        "croissant.json",
        "index.csv",
        "index.json",
        "leaks.json",
        "manifest.json",
        "SHA256SUMS",
    }


def test_the_list_of_images_has_their_split_in_the_source(built, released):
    with (released / "index.csv").open(newline="") as file:
        rows = {row["file_name"]: row["source_split"] for row in csv.DictReader(file)}
    for split in ("train", "test"):
        images = read_coco(built / "annotations" / f"{split}.json").images
        wanted = dict(zip(images.file_names, images.source_splits, strict=True))
        assert {name: rows[name] for name in wanted} == wanted
    assert {"train", "val"} <= set(rows.values())


def test_every_file_has_its_checksum(released):
    lines = (released / "SHA256SUMS").read_text().splitlines()
    assert len(lines) == 8
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((released / name).read_bytes()).hexdigest() == digest


def test_every_file_that_the_card_lists_exists(released):
    named = re.findall(r"^\| `([^`]+)` \|", (released / "README.md").read_text(), re.MULTILINE)
    assert len(named) >= 5
    assert [name for name in named if not (released / name).is_file()] == []


def test_a_release_can_be_checked(released, tmp_path, capsys):
    assert main(["check", str(released)]) == 0
    assert "images are not included" in capsys.readouterr().out
    copy = shutil.copytree(released, tmp_path / "copy")
    (copy / "annotations" / "test.json").write_text("{}")
    assert main(["check", str(copy)]) == 2
    assert "test.json has changed" in capsys.readouterr().out


def test_a_release_has_no_path_of_the_machine_that_built_it(built, released):
    for file in released.rglob("*"):
        if file.is_file():
            assert str(built.parent) not in file.read_text(), file.name


def test_the_index_names_every_image_once(released):
    rows = (released / "index.csv").read_text().splitlines()[1:]
    images = [read_coco(released / "annotations" / f"{s}.json").images for s in ("train", "test")]
    assert len(rows) == sum(len(part) for part in images)
    assert len({row.split(",")[0] for row in rows}) == len(rows)


def test_a_zip_file_has_the_same_bytes_whenever_it_is_written(built, released, tmp_path):
    for name in ("a.zip", "b.zip"):
        assert main(["release", str(built), "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("index.csv") == (released / "index.csv").read_bytes()


def test_a_data_set_that_has_changed_is_not_released(built, tmp_path, capsys):
    card = built / "README.md"
    before = card.read_bytes()
    card.write_bytes(before + b"!")
    try:
        assert main(["release", str(built), "--out", str(tmp_path / "out")]) == 2
    finally:
        card.write_bytes(before)
    assert "changed since the data set was built" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_not_overwritten_by_a_release(built, released, capsys):
    assert main(["release", str(built), "--out", str(released)]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_the_datasheet_has_every_section_and_only_numbers_of_the_manifest(built):
    card = (built / "README.md").read_text()
    manifest = json.loads((built / "manifest.json").read_text())
    for section in SECTIONS:
        assert f"### {section}\n" in card
    known = {"21", *re.findall(r"\d+", json.dumps(manifest))}  # and the 21 joints of the paper
    mixes = [s["small_medium_large"] for s in manifest["selection"].values()]
    known |= {str(sum(column)) for column in zip(*mixes, strict=True)}
    for key in ("people", "images"):
        known.add(str(sum(s[key] for s in manifest["sources"].values())))
    sheet = card.split("## Datasheet")[1].split("## Licences")[0]
    for number in re.findall(
        r"(?<![\d.])\d[\d,]*(?= (?:small|medium|large|others|images|people|of))", sheet
    ):
        assert number.replace(",", "") in known, number
    for source in manifest["sources"]:
        assert f"- {source}: " in sheet


@pytest.fixture
def data(built):
    return json.loads((built / "croissant.json").read_text())


class TestCroissant:
    """The structure that the format requires, and references that can be resolved."""

    def test_required_properties_are_set(self, data):
        assert data["@type"] == "sc:Dataset"
        assert data["conformsTo"] == "http://mlcommons.org/croissant/1.0"
        assert data["@context"]["cr"] == "http://mlcommons.org/croissant/"
        for key in ("name", "description", "license", "version", "distribution", "recordSet"):
            assert data[key], key

    def test_files_have_their_hashes_and_sizes(self, data, built):
        for file in data["distribution"]:
            content = (built / file["contentUrl"]).read_bytes()
            assert file["sha256"] == hashlib.sha256(content).hexdigest()
            assert file["contentSize"] == f"{len(content)} B"

    def test_every_field_extracts_a_value_of_its_type(self, data, built):
        kinds = {"sc:Integer": int, "sc:Float": float, "sc:Text": str}
        files = {
            f["@id"]: json.loads((built / f["contentUrl"]).read_text())
            for f in data["distribution"]
        }
        ids = set()
        for records in data["recordSet"]:
            for field in records["field"]:
                ids.add(field["@id"])
                path = re.fullmatch(
                    r"\$\.(\w+)\[\*\]\.(\w+)", field["source"]["extract"]["jsonPath"]
                )
                assert path is not None
                rows = files[field["source"]["fileObject"]["@id"]][path[1]]
                assert rows
                kind = kinds[field["dataType"]]
                number = (int, float) if kind is float else kind
                assert all(isinstance(row[path[2]], number) for row in rows), field["@id"]
        assert len(ids) == sum(len(r["field"]) for r in data["recordSet"])

    def test_mlcroissant_accepts_the_file(self, data, built):
        checker = pytest.importorskip("mlcroissant", reason="pip install mlcroissant to check")
        checker.Dataset(jsonld=str(built / "croissant.json"))


def test_a_release_can_be_exported_and_audited(built, released, tmp_path):
    """With the images added to the annotations, and the labels without images."""
    copy = shutil.copytree(released, tmp_path / "copy")
    out = str(tmp_path / "parquet")
    assert main(["export", str(copy), "--to", "parquet", "--out", out]) == 0
    assert main(["audit", str(copy), "--labels-only"]) == 0
    shutil.copytree(built / "images", copy / "images", symlinks=False)
    assert main(["export", str(copy), "--to", "yolo", "--out", str(tmp_path / "yolo")]) == 0
    assert any((tmp_path / "yolo").rglob("*.txt"))
    assert main(["check", str(copy)]) == 0
