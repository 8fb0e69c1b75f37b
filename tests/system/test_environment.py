"""What a result was computed with, and what two results were computed with differently."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from smallpose._version import __version__
from smallpose.system import environment
from smallpose.system.environment import (
    describe_differences,
    describe_environment,
    find_differences,
)

ONE = {"opencv": "5.0.0", "torch": "2.13.0", "precision": "float32", "device": "cpu", "cpu": "x"}


def test_versions_are_those_of_the_loaded_packages(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", SimpleNamespace(__version__="4.14.0"))
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    described = describe_environment(precision="bfloat16")
    assert described["opencv"] == "4.14.0" and "onnxruntime" not in described
    assert described["numpy"] == np.__version__ and described["smallpose"] == __version__
    assert (described["engine"], described["precision"]) == ("torch", "bfloat16")


@pytest.mark.parametrize(
    ("lines", "features"),
    [
        ("model name : A\nflags : fpu avx2 avx512_bf16 fma\n", ["avx2", "fma", "avx512_bf16"]),
        ("Features : fp asimd bf16 i8mm\n", ["asimd", "bf16", "i8mm"]),
    ],
)
def test_features_of_the_processor_are_read_where_linux_lists_them(
    monkeypatch, tmp_path, lines, features
):
    (tmp_path / "cpuinfo").write_text(lines)
    monkeypatch.setattr(environment, "_CPU_INFO", tmp_path / "cpuinfo")
    assert describe_environment()["cpu_features"] == features


def test_without_that_list_numpy_is_asked(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "_CPU_INFO", tmp_path / "none")
    expected = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    assert describe_environment()["cpu_features"] == [name.lower() for name in expected]


def test_float32_on_a_gpu_is_named_by_what_its_convolutions_do(monkeypatch):
    cudnn = SimpleNamespace(allow_tf32=True)
    fake = SimpleNamespace(__version__="2", backends=SimpleNamespace(cudnn=cudnn))
    monkeypatch.setitem(sys.modules, "torch", fake)
    assert describe_environment(device="H200")["precision"] == "float32 (TF32 convolutions)"
    assert describe_environment()["precision"] == "float32"
    cudnn.allow_tf32 = False
    assert describe_environment(device="H200")["precision"] == "float32"


def test_equal_or_unknown_environments_are_not_remarked_upon():
    assert describe_differences({"a": ONE, "b": dict(ONE), "c": {}}) == []
    assert describe_differences({"a": ONE, "b": {"torch": "2.13.0"}}) == []
    assert describe_differences({}) == []
    assert describe_differences({"a": ONE, "b": ONE | {"threads": 9, "cpu": "y"}}) == []


def test_what_differs_is_named_with_its_results():
    other = ONE | {"opencv": "4.14.0", "precision": "bfloat16"}
    (note,) = describe_differences({"a": ONE, "b": other, "c": other, "d": {}})
    assert note.endswith("OpenCV 5.0.0 (a), 4.14.0 (b, c); precision float32 (a), bfloat16 (b, c)")


def test_features_that_all_processors_have_are_left_out_and_those_beside_a_gpu_too():
    old = ONE | {"cpu_features": ["avx2", "fma"]}
    new = ONE | {"cpu_features": ["avx2", "fma", "amx_bf16"]}
    (note,) = describe_differences({"old": old, "new": new})
    assert note.endswith("CPU features none of these (old), amx_bf16 (new)")
    on_gpu = new | {"device": "H200"}
    assert set(find_differences({"old": old, "gpu": on_gpu})) == {"device"}


def test_of_many_results_three_are_named():
    many = {f"r{k}": ONE for k in range(9)} | {"other": ONE | {"opencv": "4.14.0"}}
    (note,) = describe_differences(many)
    assert note.endswith("OpenCV 5.0.0 (r0, r1, r2 and 6 others), 4.14.0 (other)")
