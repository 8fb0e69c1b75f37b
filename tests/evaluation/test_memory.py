"""A result file larger than the memory that is left gives the same numbers (fault row 26)."""

import json
import resource
import subprocess
import sys

import numpy as np
import pytest

IMAGES, PEOPLE, DETECTIONS = 1_500, 10, 270

# Only private memory is limited; the system can take back the pages of a mapped file.
LIMITED = """
import resource, sys
from smallpose.cli.main import main
limit = int(sys.argv[1])
if limit:
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
sys.exit(main(["evaluate", sys.argv[2], sys.argv[3], "--json", sys.argv[4]]))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """405,000 detections, 270 an image, in a file of about 330 MB."""
    folder = tmp_path_factory.mktemp("memory")
    rng = np.random.default_rng(0)
    poses = rng.random((PEOPLE, 17, 2)) * 100 + np.arange(PEOPLE)[:, None, None] * 60
    people, images = [], []
    for image in range(1, IMAGES + 1):
        images.append({"id": image, "file_name": f"{image}.jpg", "width": 800, "height": 800})
        for row, pose in enumerate(poses):
            keypoints = np.concatenate([pose, np.full((17, 1), 2)], axis=1).round(2).ravel()
            box = [row * 60.0, row * 60.0, 100.0, 100.0]
            person = {"id": len(people) + 1, "image_id": image, "bbox": box, "area": 1e4}
            person |= {"keypoints": keypoints.tolist(), "num_keypoints": 17, "iscrowd": 0}
            people.append(person)
    (folder / "truth.json").write_text(json.dumps({"images": images, "annotations": people}))
    noisy = poses[np.arange(DETECTIONS) % PEOPLE] + rng.normal(0, 8, (DETECTIONS, 17, 2))
    texts = [
        json.dumps(np.concatenate([p, np.full((17, 1), 0.5)], axis=1).ravel().tolist())
        for p in noisy
    ]
    with (folder / "found.json").open("w") as file:
        for image in range(1, IMAGES + 1):
            for row, text in enumerate(texts):
                start = "[" if image == 1 and row == 0 else ","
                score = (image * 7919 + row * 104729) % 100_003 / 100_003
                file.write(
                    f'{start}{{"image_id":{image},"category_id":1,"keypoints":{text},"score":{score}}}\n'
                )
        file.write("]")
    return folder


def evaluate(folder, name, limit):
    command = [sys.executable, "-c", LIMITED, str(limit), str(folder / "truth.json")]
    command += [str(folder / "found.json"), str(folder / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    return json.loads((folder / name).read_text())


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_DATA"), reason="this system has no RLIMIT_DATA")
def test_numbers_are_the_same_with_less_memory_than_the_file(files):
    from smallpose.evaluation.matching import native

    if native.CORE is None:
        pytest.skip(
            "the compiled reader is not built; the other one needs memory for the complete file"
        )
    size = (files / "found.json").stat().st_size
    limit = 250 * 2**20
    assert size > 1.2 * limit
    free = evaluate(files, "free.json", 0)
    assert evaluate(files, "limited.json", limit) == free
