"""Tests of `builder/build_folder.py`: locks, and resuming after a build was killed."""

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
    with pytest.raises(ValueError, match="boom"), open_build_folder(out, "key") as build:
        (build.data_set / "unfinished.json").write_text("[")
        raise ValueError("boom")
    assert list(tmp_path.iterdir()) == []


def test_a_finished_build_replaces_the_output_folder(tmp_path):
    out = tmp_path / "set"
    out.mkdir()
    (out / "old.json").write_text("old")
    with open_build_folder(out, "key") as build:
        (build.data_set / "new.json").write_text("new")
        move_into_place(build, out)
    assert [p.name for p in tmp_path.iterdir()] == ["set"]
    assert [p.name for p in out.iterdir()] == ["new.json"]


KILLED = """
import sys, time
from pathlib import Path
from smallpose.dataset.builder.build_folder import open_build_folder
with open_build_folder(Path(sys.argv[1]), "key") as build:
    (build.data_set / "images").mkdir()
    (build.data_set / "images" / "image").write_text("copied")
    build.append_to_journal({"video": "a"})
    with build.journal.open("a") as file:
        file.write('{"vid')
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def killed(tmp_path):
    """The output folder of a build that was killed with -9."""
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
    with open_build_folder(killed, "key") as build:
        assert (build.data_set / "images" / "image").read_text() == "copied"
        assert build.read_journal() == [{"video": "a"}]
        build.append_to_journal({"video": "b"})
        assert build.read_journal() == [{"video": "a"}, {"video": "b"}]
    assert "resuming the interrupted build" in capsys.readouterr().err


def test_after_kill_9_a_build_with_other_options_starts_again(killed):
    with open_build_folder(killed, "another key") as build:
        assert list(build.data_set.iterdir()) == []
        assert build.read_journal() == []
