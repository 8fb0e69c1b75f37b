"""A built set that came from others: only the user says which folders it may reach."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_set_files import write_source

from smallpose.cli.main import main


@pytest.fixture
def own(tmp_path):
    """Return a set that the user built, with links to the images of its source."""
    source = write_source(tmp_path / "coco")
    assert main(["build", str(tmp_path / "set"), "--coco", str(source), "--leaks", "off"]) == 0
    return tmp_path / "set"


def write_secret(folder: Path) -> Path:
    """Write an image outside of the set and its source."""
    folder.mkdir()
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(folder / "secret.jpg")
    return folder / "secret.jpg"


def change_manifest(built: Path, change) -> None:
    path = built / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_the_sources_of_an_own_build_are_allowed_also_for_a_moved_or_copied_set(own, tmp_path):
    assert main(["check", str(own)]) == 0
    shutil.move(own, tmp_path / "moved")
    assert main(["check", str(tmp_path / "moved")]) == 0
    shutil.copytree(tmp_path / "moved", tmp_path / "copied", symlinks=True)
    assert main(["audit", str(tmp_path / "copied")]) == 0


def test_the_sources_of_others_are_allowed_by_link_root_alone(own, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another user"))
    for command in (["check", str(own)], ["audit", str(own)]):
        assert main(command) == 3
        error = capsys.readouterr().err.splitlines()[-1]
        folder = error.partition("--link-root ")[2]
        assert folder.startswith(str(tmp_path / "coco"))
        assert main([*command, "--link-root", str(tmp_path / "coco")]) == 0
    monkeypatch.setenv("SMALLPOSE_LINK_ROOTS", str(tmp_path / "coco"))
    assert main(["check", str(own)]) == 0


def test_a_manifest_cannot_allow_links_to_the_whole_disk(own, tmp_path, capsys):
    secret = write_secret(tmp_path / "private")
    image = next(own.glob("images/coco/*/*.jpg"))
    image.unlink()
    image.symlink_to(secret)
    change_manifest(own, lambda m: m["sources"]["coco"].update(link_roots=["/"], root="/"))
    out = tmp_path / "out"
    for command in (
        ["check", str(own)],
        ["audit", str(own), "--sheet", str(out)],
        ["export", str(own), "--to", "webdataset", "--out", str(out)],
    ):
        assert main(command) == 3
        assert "a link leads out" in capsys.readouterr().err
        assert not out.exists()


def test_a_recorded_path_is_followed_only_into_allowed_folders(own, tmp_path, capsys):
    secret = write_secret(tmp_path / "private")
    name = next(iter(json.loads((own / "manifest.json").read_text())["pictures"]))
    (own / "images" / name).unlink()
    change_manifest(own, lambda m: m["pictures"][name].update(path=str(secret)))
    for command in (["check", str(own)], ["audit", str(own)]):
        assert main(command) == 3
        assert f"--link-root {secret.parent}" in capsys.readouterr().err


def test_check_names_a_changed_manifest(own, tmp_path, capsys):
    path = own / "manifest.json"
    sound = path.read_bytes()
    assert sound.count(b'"seed": 0') == 1
    for changed in (
        sound.replace(b'"seed": 0', b'"seed": 7'),
        sound.replace(b'"seed": 0', b'"seed":  0'),
        sound + b"\n",
        sound.replace(b'"manifest_sha256": "', b'"manifest_sha256": "0')[:-5] + b'"\n}\n',
    ):
        path.write_bytes(changed)
        assert main(["check", str(own)]) == 2
        assert f"{path} has changed since the data set was built" in capsys.readouterr().out
    path.write_bytes(sound)
    assert main(["check", str(own)]) == 0
    assert main(["release", str(own), "--out", str(tmp_path / "release")]) == 0
    capsys.readouterr()
    assert main(["check", str(tmp_path / "release")]) == 0
    assert "manifest.json has" not in capsys.readouterr().out


def test_check_says_that_an_older_manifest_has_no_hash(own, capsys):
    change_manifest(own, lambda m: m.pop("manifest_sha256"))
    assert main(["check", str(own)]) == 0
    assert "has no hash of itself" in capsys.readouterr().out


def test_links_within_a_source_are_allowed_by_link_root(tmp_path, capsys):
    source = write_source(tmp_path / "coco")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    image = next(source.glob("train2017/*.jpg"))
    shutil.move(image, elsewhere / image.name)
    image.symlink_to(elsewhere / image.name)
    command = ["build", str(tmp_path / "set"), "--coco", str(source), "--leaks", "off"]
    assert main(command) == 3
    assert f"--link-root {elsewhere}" in capsys.readouterr().err
    assert main([*command, "--link-root", str(elsewhere)]) == 0
    assert main(["check", str(tmp_path / "set"), "--link-root", str(elsewhere)]) == 0


def test_a_configuration_that_cannot_be_written_is_named_with_the_option(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    source = write_source(tmp_path / "coco")
    assert main(["build", str(tmp_path / "set"), "--coco", str(source), "--leaks", "off"]) == 0
    assert f"add --link-root {source}" in capsys.readouterr().err
