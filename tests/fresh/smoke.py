"""Try an installed smallpose without any other file: scoring, checking and the help of every verb.

    python tests/fresh/smoke.py compiled|plain

Needs what the base install needs. Prints one line, or fails with a traceback.
"""

import contextlib
import io
import json
import sys
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import smallpose
from smallpose.cli.main import VERBS, main

EXTENSIONS = ("io/_json", "evaluation/matching/_native", "synthetic/rendering/_fill")


def write_files(folder: Path, num_images: int = 10) -> tuple[Path, Path]:
    """Write images with one person each, and results that find all but the last of them."""
    people, results = [], []
    for index in range(1, num_images + 1):
        keypoints = [value for j in range(17) for value in (9 * j + index, 7 * j + 2 * index, 2)]
        person = {"id": index, "image_id": index, "category_id": 1, "iscrowd": 0, "area": 900.0}
        box = {"bbox": [index, index, 150, 120], "num_keypoints": 17, "keypoints": keypoints}
        people.append(person | box)
        # Whole numbers would cause a note about rounding.
        moved = [value + 0.25 for value in keypoints]
        results.append({"image_id": index, "category_id": 1, "keypoints": moved, "score": 0.5})
    images = [
        {"id": i, "width": 640, "height": 480, "file_name": f"{i}.jpg"}
        for i in range(1, num_images + 1)
    ]
    categories = [{"id": 1, "name": "person"}]
    truth = {"images": images, "annotations": people, "categories": categories}
    truth_file, results_file = folder / "truth.json", folder / "found.json"
    truth_file.write_text(json.dumps(truth))
    results_file.write_text(json.dumps(results[:-1]))
    return truth_file, results_file


def is_loadable(name: str) -> bool:
    """Load a compiled part from its file: its package may need more than the base install."""
    root = Path(smallpose.__file__).parent
    files = [file for suffix in EXTENSION_SUFFIXES for file in root.glob(f"{name}{suffix}")]
    for file in files:
        spec = spec_from_file_location(Path(name).name, file)
        module_from_spec(spec)
    return bool(files)


def run_verb(*words: object) -> str:
    """Return what a command prints; it must succeed."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            code = main([str(word) for word in words])
        except SystemExit as ended:  # --help
            code = ended.code
    assert code == 0, words
    return printed.getvalue()


def test_smoke(expected: str) -> str:
    """Return a line on what was tried."""
    built = [name for name in EXTENSIONS if is_loadable(name)]
    assert len(built) == {"compiled": 3, "plain": 0}[expected], built
    with tempfile.TemporaryDirectory() as folder:
        truth_file, results_file = write_files(Path(folder))
        truth = smallpose.read_coco(truth_file)
        result = smallpose.evaluate(truth, smallpose.read_results(results_file, truth))
        printed = run_verb("evaluate", truth_file, results_file)
        checked = run_verb("check", truth_file)
    # Nine of ten people: recall ends at .9, which is 91 of COCO's 101 recall points.
    assert result["coco"]["AP"] == 91 / 101, result["coco"]
    assert ".9010" in printed and ".9000" in printed
    assert "0 faults" in checked
    verbs = [verb for group in VERBS.values() for verb in group]
    for verb in verbs:
        assert "Example" in run_verb(verb, "--help")
    loaded = {name.partition(".")[0] for name in sys.modules}
    assert not loaded & {"cv2", "torch", "scipy", "matplotlib", "PIL"}, loaded
    return f"scoring and the help of {len(verbs)} verbs work ({expected} parts)"


if __name__ == "__main__":
    print(test_smoke(sys.argv[1]))
