"""Write an input several times as large as another, whose people and results it repeats.

    python bench/evaluator/repeat_data.py DIR OUT [--times 10]

DIR is from synthetic_data.py, which needs over 6 GB of memory at ten times the paper's size. Each
copy has images and ids of its own. Writes gt.json, dt.json and meta.json, for evaluator.py without
peers, where OUT is the folder of that scale: `x10-21` under its `--work`.
"""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path


def repeat_records(text: str, key: str, times: int, steps: dict[str, int]) -> Iterator[str]:
    """Yield the records of a list `times` times, with ids that are larger by a step each time.

    Args:
        key: of the list; "" where the text is the list.
        steps: what is added to the number of a field.
    """
    start = text.index("[", text.index(f'"{key}"') if key else 0) + 1
    records = text[start : text.rindex("]")]
    pattern = re.compile(f'"({"|".join(steps)})": ([0-9]+)')
    for copy in range(times):

        def add_step(match: re.Match[str], copy: int = copy) -> str:
            return f'"{match[1]}": {int(match[2]) + copy * steps[match[1]]}'

        yield (", " if copy else "") + pattern.sub(add_step, records)


def repeat_dataset(source: Path, out: Path, times: int) -> None:
    """Write all files of the larger input."""
    out.mkdir(parents=True, exist_ok=True)
    meta = json.loads((source / "meta.json").read_text())
    num_images, num_annotations = meta["images"], meta["annotations"]
    images = [
        {"id": i + 1, "file_name": f"{i + 1}.jpg", "width": 1920, "height": 1080}
        for i in range(times * num_images)
    ]
    categories = [{"id": 1, "name": "person", "keypoints": meta["keypoints"], "skeleton": []}]
    steps = {"image_id": num_images, "id": num_annotations}
    with (out / "gt.json").open("w") as file:
        file.write(f'{{"images": {json.dumps(images)}, "categories": {json.dumps(categories)}, ')
        file.write('"annotations": [')
        file.writelines(
            repeat_records((source / "gt.json").read_text(), "annotations", times, steps)
        )
        file.write("]}")
    with (out / "dt.json").open("w") as file:
        file.write("[")
        results = (source / "dt.json").read_text()
        file.writelines(repeat_records(results, "", times, {"image_id": num_images}))
        file.write("]")
    for name in ("images", "people", "annotations", "detections"):
        meta[name] *= times
    (out / "meta.json").write_text(json.dumps(meta))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--times", type=int, default=10)
    args = parser.parse_args()
    repeat_dataset(args.source, args.out, args.times)
