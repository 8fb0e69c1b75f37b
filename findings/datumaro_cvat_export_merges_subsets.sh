#!/bin/bash
# Surprising: datumaro's export to CVAT gives a training image and a validation image of equal name
#   one file.
# A good guess: (id, subset) is the key of an item in datumaro, so a data set whose subsets are
#   numbered from 000000 each is valid, and save_media=True writes an image for each item.
# What happens: there is one XML file per subset but one folder images/ for all, and the
#   subset that is written last (either) overwrites the files of the other without a word. Read back,
#   all labels are there, and those of one subset lie on the images of the other.
# Versions: datumaro 1.13.12. Date: 29 November 2026. Source: this script.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check datumaro==1.13.12 2>/dev/null
cat > show.py <<'PY'
import sys
from pathlib import Path

import datumaro
import numpy as np
from datumaro.components.media import Image

BRIGHTNESS = {"train": 50, "val": 200}


def make_item(number, subset):
    image = Image.from_numpy(np.full((48, 64, 3), BRIGHTNESS[subset], np.uint8))
    person = datumaro.Bbox(5 + number, 10, 20, 30, label=0)
    return datumaro.DatasetItem(
        id=f"{number:06d}", subset=subset, media=image, annotations=[person]
    )


items = [make_item(number, subset) for subset in BRIGHTNESS for number in range(4)]
dataset = datumaro.Dataset.from_iterable(items, categories=["person"])
dataset.export("export", "cvat", save_media=True)
images = sorted(path.name for path in Path("export/images").rglob("*.*"))
print(f"{len(dataset)} items: {len(images)} image files ({', '.join(images)})")
pixels = {"train": set(), "val": set()}
people = 0
for item in datumaro.Dataset.import_from("export", "cvat"):
    pixels[item.subset].add(round(float(item.media.data.mean())))
    people += len(item.annotations)
print(f"written: brightness {BRIGHTNESS}; read back: {pixels}, {people} people")
sys.exit(len(images) != 4 or people != 8 or pixels["train"] != pixels["val"])
PY
echo "One image file for the equal names of two subsets:"
env/bin/pip list 2>/dev/null | grep -E "^datumaro "
env/bin/python show.py 2>/dev/null
