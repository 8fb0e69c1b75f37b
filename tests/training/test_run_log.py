"""The log of a run: cut back to the step from which the run resumes."""

import json

from smallpose.training.run_log import RunLog


def test_the_log_is_cut_back_to_the_step_of_the_state(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    log = RunLog(path, 2)
    log.write(step=3, loss=0.5)
    log.close()
    assert [json.loads(x)["step"] for x in path.read_text().splitlines()] == [1, 2, 3]
