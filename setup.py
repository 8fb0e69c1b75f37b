"""The three compiled parts, with twins in Python where there is no compiler."""

import os

from setuptools import Extension, setup

# No fused multiply-add and no fast math: the numbers are those of the NumPy twins, to the last bit.
FLAGS = ["/O2", "/fp:strict"] if os.name == "nt" else ["-O3", "-ffp-contract=off"]


def compiled(name: str, *files: str, depends: tuple[str, ...] = ()) -> Extension:
    folder = "src/" + name.rpartition(".")[0].replace(".", "/")
    return Extension(
        name,
        sources=[f"{folder}/{file}" for file in files],
        depends=[f"{folder}/{file}" for file in depends],
        define_macros=[("Py_LIMITED_API", "0x030B0000")],
        extra_compile_args=FLAGS,
        py_limited_api=True,
        optional=True,
    )


setup(
    ext_modules=[
        compiled("smallpose.evaluation.matching._native", "_native.c"),
        compiled("smallpose.synthetic.rendering._fill", "_fill.c"),
        compiled("smallpose.io._json", "_json_read.c", "_json_write.c", depends=("_json.h",)),
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
