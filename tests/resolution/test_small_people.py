"""Warnings of people who are smaller than a model resolved."""

import json

import numpy as np
import pytest

from smallpose.core.errors import InputError
from smallpose.resolution.small_people import (
    ResolvedHeight,
    describe_small_people,
    find_curve,
    read_resolved_height,
)

NUMBER = {"value": 0.5, "low": 0.4, "high": 0.6}


def make_curve(half_ap_px):
    point = {"people": 9, "AP": NUMBER, "OKS": NUMBER, "found": NUMBER, "PCK": NUMBER}
    return {"heights": [{"px": px, **point} for px in (16, 256)], "half_ap_px": half_ap_px}


def write_curves(path, **models):
    path.write_text(json.dumps({"models": models}))
    return path


def test_the_curve_of_a_camera_comes_before_the_clean_one(tmp_path):
    sensors = {"clean": make_curve({"value": 20.0}), "camera": make_curve({"value": 31.0})}
    path = write_curves(tmp_path / "curve.json", B=sensors)
    resolved = read_resolved_height(path, ("any",))
    assert resolved == ResolvedHeight(31.0, "B", "camera", 256, path)
    path = write_curves(tmp_path / "other.json", B={"clean": make_curve({"value": 20.0})})
    assert read_resolved_height(path, ("any",)).px == 20


def test_of_several_models_the_one_with_the_name_is_taken(tmp_path):
    models = {name: {"clean": make_curve({"value": px})} for name, px in (("A", 10.0), ("B", 30.0))}
    path = write_curves(tmp_path / "curve.json", **models)
    assert read_resolved_height(path, ("B", "rtmo_s")).px == 30
    with pytest.raises(InputError, match="has curves of A, B, and none is called C or rtmo_s"):
        read_resolved_height(path, ("C", "rtmo_s"))


def test_a_curve_that_never_fell_warns_of_nobody_and_one_without_height_is_none(tmp_path):
    path = write_curves(tmp_path / "c.json", B={"clean": make_curve({"below": 16.0})})
    resolved = read_resolved_height(path, ())
    assert describe_small_people(resolved, np.array([2.0]), np.array([2.0])) == ""
    path = write_curves(tmp_path / "d.json", B={"clean": make_curve({})})
    assert read_resolved_height(path, ()) is None


def test_the_warning_counts_predicted_and_labelled_people(tmp_path):
    resolved = ResolvedHeight(31.4, "B", "camera", 256, tmp_path / "curve.json")
    text = describe_small_people(resolved, np.array([10.0, 31.4, 80]), np.array([31.3, 5]))
    assert text.startswith(
        "1 of 3 people predicted and 2 of 2 people labelled are less than 31 px tall, where B has "
        "less than half of its AP at 256 px (camera; "
    )
    assert "labelled" not in describe_small_people(resolved, np.array([10.0]), np.zeros(0))
    assert describe_small_people(resolved, np.array([40.0]), np.zeros(0)) == ""


def test_a_curve_is_looked_for_beside_the_weights(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "model.safetensors").touch()
    assert find_curve(None, run) is None and find_curve(None, "mmpose") is None
    path = write_curves(run / "curve.json", B={"clean": make_curve({"value": 20.0})})
    assert find_curve(None, run) == find_curve(None, run / "model.safetensors") == path
    assert find_curve(run, None) == path  # as --curve
    assert find_curve(None, None) is None
