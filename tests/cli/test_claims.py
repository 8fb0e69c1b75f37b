"""`smallpose claims`: its table, its JSON and its errors."""

import json

from smallpose.cli.main import main


def test_the_papers_own_numbers_need_no_run(capsys):
    assert main(["claims"]) == 0
    out = capsys.readouterr().out
    assert "not supported" in out
    assert "printed 16.8" in out


def test_json_holds_every_comparison(capsys, tmp_path):
    assert main(["claims", "--json", "-", "--out", str(tmp_path)]) == 0
    result = json.loads(capsys.readouterr().out)
    by_key = {c["key"]: c for c in result["claims"]}
    assert by_key["E9"]["paper"]["verdict"] == "not supported"
    assert by_key["E9"]["paper"]["decides"]["interval"][1] < 0
    assert len(by_key["C12"]["paper"]["cells"]) == 44
    assert by_key["C15"]["paper"] is None
    assert {p.name for p in tmp_path.iterdir()} >= {"claims.md", "claims.csv"}


def test_a_wrong_name_is_one_line(capsys):
    assert main(["claims", "--set", f"cocoa={__file__}"]) == 2
    assert "cocoa: no claim is about a set of that name" in capsys.readouterr().err
    assert main(["claims", "--set", "coco"]) == 2
    assert "write --set coco=file.json" in capsys.readouterr().err
