"""Text of other kinds is named where JSON is due, with the command that reads it."""

import pytest

from smallpose.cli.main import main
from smallpose.system.text_kinds import describe_text

TEXTS = {
    "set/data.yaml": (
        "path: .\ntrain: images/train\nkpt_shape: [17, 3]\nnames:\n  0: person\n",
        "the description of a YOLO data set; make a set of its folder and pass that: smallpose "
        "build SET --source own={folder}",
    ),
    "set/config.yml": ("model: a\n", "not JSON but YAML"),
    "set/annotations.xml": (
        "<?xml version='1.0'?>\n<annotations>\n</annotations>",
        "XML of CVAT; make a set of its folder",
    ),
    "set/table.csv": ("file_name,light\na.jpg,day\n", "a table (CSV)"),
    "set/table.dat": ("image,x,y\n1,2,3\n", "a table (CSV)"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_file_of_another_kind_is_named(tmp_path, capsys, name):
    text, message = TEXTS[name]
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text(text)
    for words in (["check", str(path)], ["evaluate", str(path), str(path)]):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert message.format(folder=path.parent) in error
        assert "broken JSON" not in error


def test_a_label_file_is_named_by_check(tmp_path, capsys):
    path = tmp_path / "a.txt"
    path.write_text("0 0.5 0.5 0.1 0.1 0.5 0.5 2\n")
    assert main(["check", str(path)]) == 2
    assert f"the YOLO labels of one image; results: give the folder of all of them, {tmp_path}" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2,a,b,c", "a video"),
        (b"\x1aE\xdf\xa3\1\0,\0,\0", "a video"),
        (b"\0\0\0\x1cftypheic\0\0", "an HEIC image"),
    ],
)
def test_a_video_is_no_table_though_it_has_commas(head, kind, tmp_path, capsys):
    (tmp_path / "clip.bin").write_bytes(head)
    assert main(["evaluate", str(tmp_path / "clip.bin"), str(tmp_path / "clip.bin")]) == 2
    assert f"not JSON but {kind}; give the file of its labels or results" in capsys.readouterr().err


@pytest.mark.parametrize("text", ['{"images": [}', "[1, 2", "1 2 3", "nothing", '{"a": 1,,}'])
def test_broken_json_is_still_called_so(text):
    assert describe_text("file.json", text.encode()) is None
