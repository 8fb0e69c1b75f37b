#!/bin/bash
# Surprising: after two openvino.Core have gone, the stack on which Python's signal handlers run may
#   be memory that is no longer there, so that the next signal (Ctrl-C) cannot be handled.
# A good guess: a Core that is collected leaves the process as it found it, in any order.
# What happens: a Core that loads the CPU plugin replaces its thread's alternate signal stack by one
#   of its own, and puts the one back that it found when it goes. Two that go in the order in which
#   they came leave the first one's, which has been unmapped. In the reverse order, or with a single
#   Core that stays, nothing is left. Python handles all signals on that stack (SA_ONSTACK). Here
#   the stack is looked at, and no signal is sent.
# Versions: openvino 2026.4.1, Python 3.11.7, Linux x86-64 with AVX-512. Date: 30 November 2026.
#   Source: this script.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check openvino==2026.4.1 2>/dev/null
cat > show.py <<'PY'
import ctypes
import gc
import sys
from pathlib import Path

import numpy as np
import openvino
from openvino import opset13


class Stack(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


def describe_stack():
    stack = Stack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    if not stack.start:
        return "none"
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(address, 16) for address in line.split()[0].split("-"))
        if start <= stack.start < end:
            return "mapped"
    return "unmapped"


def load_plugin():
    x = opset13.parameter([1, 8], np.float32)
    product = opset13.matmul(x, opset13.constant(np.ones((8, 8), np.float32)), False, False)
    core = openvino.Core()
    return core, core.compile_model(openvino.Model([product], [x]), "CPU")


seen = {"before": describe_stack()}
cores = [load_plugin(), load_plugin()]
seen["two cores"] = describe_stack()
cores.pop(), gc.collect()
cores.pop(), gc.collect()
seen["gone, the second first"] = describe_stack()
cores = [load_plugin(), load_plugin()]
cores.pop(0), gc.collect()
cores.pop(0), gc.collect()
seen["gone, the first first"] = describe_stack()
print("\n".join(f"{what}: {stack}" for what, stack in seen.items()))
sys.exit([*seen.values()] != ["none", "mapped", "none", "unmapped"])
PY
echo "The alternate signal stack of the main thread:"
env/bin/pip list 2>/dev/null | grep -E "^openvino "
env/bin/python show.py
