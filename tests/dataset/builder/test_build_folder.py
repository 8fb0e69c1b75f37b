"""A build that dies leaves nothing that looks like a set, and the next one goes on."""

import os
import signal
import subprocess
import sys
import time

import pytest

from smallpose.core.errors import InputError
from smallpose.dataset.builder.build_folder import move_into_place, open_build_folder


def test_a_second_build_is_refused_while_the_first_runs(tmp_path):
    out = tmp_path / "set"
    with (
        open_build_folder(out, "key"),
        pytest.raises(InputError, match=rf"locked by process {os.getpid()} since 20\d\d-"),
        open_build_folder(out, "key"),
    ):
        pass


def test_a_failed_build_leaves_no_files(tmp_path):
    out = tmp_path / "set"
    with pytest.raises(ValueError, match="boom"), open_build_folder(out, "key") as place:
        (place.data_set / "half.json").write_text("[")
        raise ValueError("boom")
    assert list(tmp_path.iterdir()) == []


def test_a_finished_build_replaces_the_output_folder(tmp_path):
    out = tmp_path / "set"
    out.mkdir()
    (out / "old.json").write_text("old")
    with open_build_folder(out, "key") as place:
        (place.data_set / "new.json").write_text("new")
        move_into_place(place, out)
    assert [p.name for p in tmp_path.iterdir()] == ["set"]
    assert [p.name for p in out.iterdir()] == ["new.json"]


KILLED = """
import sys, time
from pathlib import Path
from smallpose.dataset.builder.build_folder import workplace
with workplace(Path(sys.argv[1]), "key") as place:
    (place.set / "images").mkdir()
    (place.set / "images" / "picture").write_text("copied")
    place.note({"video": "a"})
    with place.journal.open("a") as file:
        file.write('{"vid')
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def killed(tmp_path):
    """The folder of a set whose build was killed with -9."""
    out = tmp_path / "set"
    command = [sys.executable, "-c", KILLED, str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        with (
            pytest.raises(InputError, match=rf"locked by process {process.pid}"),
            open_build_folder(out, "key"),
        ):
            pass
        process.send_signal(signal.SIGKILL)
    time.sleep(0.05)
    return out


def test_after_kill_9_the_same_build_resumes_with_complete_journal_lines(killed, capsys):
    with open_build_folder(killed, "key") as place:
        assert (place.data_set / "images" / "picture").read_text() == "copied"
        assert place.read_journal() == [{"video": "a"}]
        place.append_to_journal({"video": "b"})
        assert place.read_journal() == [{"video": "a"}, {"video": "b"}]
    assert "going on with the build that was interrupted" in capsys.readouterr().err


def test_after_kill_9_a_build_with_other_options_starts_again(killed):
    with open_build_folder(killed, "another key") as place:
        assert list(place.data_set.iterdir()) == []
        assert place.read_journal() == []
