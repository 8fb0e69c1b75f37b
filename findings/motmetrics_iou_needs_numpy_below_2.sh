#!/bin/bash
# Surprising: the newest motmetrics installs beside NumPy 2 and then cannot compute IoU.
# A good guess: a package whose metadata allow NumPy 2 works with it.
# What happens: iou_matrix calls a function that NumPy 2.0 removed, so MOTA by boxes needs numpy < 2
#   or IoU (or OKS) of one's own; the squared distances and the accumulator work.
# Versions: motmetrics 1.4.0, numpy 2.4.6. Date: 29 November 2026. Source: this script.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check numpy==2.4.6 motmetrics==1.4.0 2>/dev/null
cat > show.py <<'PY'
import sys

import motmetrics
import numpy as np

box = np.array([[0.0, 0.0, 10.0, 10.0]])
results = {}
for name, compute in (
    ("iou_matrix", motmetrics.distances.iou_matrix),
    ("norm2squared_matrix", motmetrics.distances.norm2squared_matrix),
):
    try:
        results[name] = str(compute(box, box))
    except AttributeError as error:
        results[name] = f"AttributeError: {error}"
    print(f"{name}: {results[name][:75]}")
accumulator = motmetrics.MOTAccumulator(auto_id=True)
accumulator.update([1], [1], [[0.0]])
summary = motmetrics.metrics.create().compute(accumulator, metrics=["mota"])
print(f"MOTA from a distance of one's own: {summary['mota'].iloc[0]}")
works = [name for name, text in results.items() if not text.startswith("AttributeError")]
sys.exit(works != ["norm2squared_matrix"])
PY
echo "motmetrics' iou_matrix fails with NumPy 2:"
env/bin/pip list 2>/dev/null | grep -E "^(motmetrics|numpy) "
env/bin/python show.py
