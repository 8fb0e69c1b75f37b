"""The one compiled part: loops of the evaluation, with NumPy twins where there is no compiler."""

import os

from setuptools import Extension, setup

# No fused multiply-add and no fast math: the numbers are those of the NumPy twins, to the last bit.
FLAGS = ["/O2", "/fp:strict"] if os.name == "nt" else ["-O3", "-ffp-contract=off"]
HERE = "src/smallpose/evaluation"

setup(
    ext_modules=[
        Extension(
            "smallpose.evaluation._core",
            sources=[f"{HERE}/_core.c", f"{HERE}/_scan.c"],
            depends=[f"{HERE}/_core.h"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=FLAGS,
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
