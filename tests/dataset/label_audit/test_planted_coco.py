"""Errors planted into real COCO people come first; few of the others are suspected."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from smallpose.dataset.label_audit.audit_file import audit_file

BENCH = Path(__file__).resolve().parents[3] / "bench" / "label_audit.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_label_audit", BENCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def audits(bench, real):
    path = real / "coco" / "annotations" / bench.DEFAULT_FILE.name
    people = bench.select_people(path)
    assert len(people) == 703
    planted = [bench.plant_errors(people, seed) for seed in range(3)]
    return [(audit_file(path, table, None), kind_of) for table, kind_of in planted]


def list_first(audit, count=60):
    return np.argsort(-audit.scores.total, kind="stable")[:count].tolist()


def test_three_of_four_planted_errors_are_among_the_first_sixty(audits):
    for audit, kind_of in audits:
        assert len(kind_of) == 60
        assert sum(row in kind_of for row in list_first(audit)) >= 45


def test_elbow_and_wrist_exchanged_are_found_three_times_of_four(audits):
    kinds = [kind_of.get(row) for audit, kind_of in audits for row in list_first(audit)]
    assert kinds.count("elbow") >= 27


def test_at_most_two_percent_of_the_others_are_suspected(audits):
    for audit, kind_of in audits:
        sound = [s for s in audit.suspects if s.row not in kind_of]
        assert len(sound) <= 0.02 * (703 - 60)


def test_the_joints_of_most_planted_errors_are_named(audits):
    """Of the suspects with an exchanged elbow, the elbow is named, and so on."""
    wanted = {"elbow": "elbow", "wrist": "wrist", "legs": "knee"}
    named = [
        any(wanted[kind_of[s.row]] in joint for joint in s.joints)
        for audit, kind_of in audits
        for s in audit.suspects
        if kind_of.get(s.row) in wanted
    ]
    assert len(named) > 60 and np.mean(named) > 0.85


def test_known_repetitions_of_the_real_file_are_named_once(real, bench):
    from smallpose.io.coco_annotations import read_coco

    path = real / "coco" / "annotations" / bench.DEFAULT_FILE.name
    audit = audit_file(path, read_coco(path), None)
    ids = [tuple(audit.people.file_ids[row] for row in pair) for pair in audit.repeated.tolist()]
    assert (524440, 477579) in ids and len(ids) == len({frozenset(pair) for pair in ids}) == 15
