"""Measure what another version of OpenCV does to the same weights and images, for each decoder.

    pip install --no-deps --target cv414 opencv-python-headless==4.14.0.94
    python bench/opencv_versions.py --other cv414 --out DIR RUN…

Each run predicts its own test set twice: with the installed OpenCV, and with the one in the folder.
Both read the images as well as cut the crops. `--cubic` does the same with bicubic crops.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import smallpose

PROTOCOL = "coco"


def predict(run: Path, out: Path, data: Path, packages: Path | None, flags: list[str]) -> Path:
    """Predict the test set of the run; return the result file."""
    environment = dict(os.environ)
    if packages is not None:
        environment["PYTHONPATH"] = str(packages)
    method = json.loads((run / "result.json").read_text())["method"]
    truth, images = data / "annotations" / "test.json", data / "images"
    command = [sys.executable, "-m", "smallpose", "predict", method, "--weights", str(run)]
    command += ["--data", str(truth), "--images", str(images), "--out", str(out), *flags]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return out


def compare(truth: smallpose.Instances, paths: list[Path]) -> dict[str, object]:
    """Return both APs and how far keypoints moved; people are paired by their order."""
    one, other = (smallpose.read_results(path, truth) for path in paths)
    results = [smallpose.evaluate(truth, p, protocols=(PROTOCOL,)) for p in (one, other)]
    facts = {name: [100 * result[PROTOCOL][name] for result in results] for name in ("AP", "AP_S")}
    if len(one) != len(other):
        return facts | {"detections": [len(one), len(other)]}
    moved = np.linalg.norm(one.keypoints[:, :, :2] - other.keypoints[:, :, :2], axis=2).ravel()
    shares = {f"above {limit} px": float((moved > limit).mean()) for limit in (0.01, 0.5, 5)}
    return facts | {"people": len(one), **shares, "largest": float(moved.max())}


def main() -> None:
    """Predict with both versions and print one line per run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--other", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--cubic", action="store_true", help="Cut crops bicubically.")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    flags = ["--crop-interpolation", "cubic"] if arguments.cubic else []
    for run in arguments.runs:
        data = Path(json.loads((run / "result.json").read_text())["data"])
        truth = smallpose.read_coco(data / "annotations" / "test.json")
        paths = [
            predict(run, arguments.out / f"{run.name}-{name}.json", data, packages, flags)
            for name, packages in (("installed", None), ("other", arguments.other))
        ]
        print(json.dumps({"run": run.name, **compare(truth, paths)}), flush=True)


if __name__ == "__main__":
    main()
