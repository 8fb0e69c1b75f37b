"""What results were computed with is kept beside them and never taken for that of others."""

import json

from smallpose.io.result_environment import (
    get_environment_path,
    read_environment,
    write_environment,
)

FACTS = {"opencv": "5.0.0", "precision": "float32", "cpu_features": ["avx2"]}


def test_what_is_written_is_read(tmp_path):
    results = tmp_path / "a.json"
    results.write_text("[]")
    assert write_environment(results, FACTS) == tmp_path / "a.environment.json"
    assert read_environment(results) == FACTS


def test_results_that_were_replaced_have_no_environment(tmp_path):
    results = tmp_path / "a.json"
    results.write_text("[]")
    write_environment(results, FACTS)
    results.write_text("[ ]")
    assert read_environment(results) == {}


def test_files_of_others_have_none(tmp_path):
    results = tmp_path / "a.json"
    assert read_environment(results) == {}
    results.write_text("[]")
    assert read_environment(results) == {}
    for text in ("", "[1]", '{"opencv": ', '{"results_sha256": 3}'):
        get_environment_path(results).write_text(text)
        assert read_environment(results) == {}


def test_the_results_of_a_run_are_described_by_its_own_file(tmp_path):
    results = tmp_path / "found.json"
    results.write_text("[]")
    assert read_environment(results) == {}
    (tmp_path / "result.json").write_text(json.dumps({"environment": FACTS}))
    assert read_environment(results) == FACTS
    (tmp_path / "result.json").write_text(json.dumps({"environment": None}))
    assert read_environment(results) == {}
