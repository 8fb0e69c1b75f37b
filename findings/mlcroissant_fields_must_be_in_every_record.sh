#!/bin/bash
# Surprising: one image without a width makes all records of a Croissant data set unreadable.
# A good guess: a field that a JSON record lacks is read as missing, as a null is.
# What happens: mlcroissant evaluates the field's JSONPath over the whole file and needs as many
#   values as there are records: with one missing the reader raises GenerationError; with null in its
#   place the value comes back as None. COCO files without image sizes are common.
# Versions: mlcroissant 1.1.1. Date: 29 November 2026. Source: this script.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check mlcroissant==1.1.1 2>/dev/null
cat > show.py <<'PY'
import hashlib
import json
import logging
import sys
from pathlib import Path

import mlcroissant

logging.disable(logging.WARNING)
CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/", "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo", "recordSet": "cr:recordSet", "field": "cr:field",
    "source": "cr:source", "fileObject": "cr:fileObject", "extract": "cr:extract",
    "jsonPath": "cr:jsonPath", "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
}


def describe_field(name):
    source = {"fileObject": {"@id": "set.json"}, "extract": {"jsonPath": f"$.images[*].{name}"}}
    return {"@type": "cr:Field", "@id": f"images/{name}", "name": name,
            "dataType": "sc:Integer", "source": source}


def read(images):
    Path("set.json").write_text(json.dumps({"images": images}))
    digest = hashlib.sha256(Path("set.json").read_bytes()).hexdigest()
    file = {"@type": "cr:FileObject", "@id": "set.json", "name": "set.json", "sha256": digest,
            "contentUrl": "set.json", "encodingFormat": "application/json"}
    records = {"@type": "cr:RecordSet", "@id": "images", "name": "images",
               "field": [describe_field("id"), describe_field("width")]}
    card = {"@context": CONTEXT, "@type": "sc:Dataset", "name": "set", "description": "a set",
            "conformsTo": "http://mlcommons.org/croissant/1.0", "url": "https://example.org",
            "license": "CC0-1.0", "distribution": [file], "recordSet": [records]}
    Path("croissant.json").write_text(json.dumps(card))
    try:
        rows = mlcroissant.Dataset("croissant.json").records("images")
        return [row["images/width"] for row in rows]
    except Exception as error:
        return type(error).__name__


complete = read([{"id": 1, "width": 640}, {"id": 2, "width": 480}])
with_null = read([{"id": 1, "width": 640}, {"id": 2, "width": None}])
missing = read([{"id": 1, "width": 640}, {"id": 2}])
print(f"both widths: {complete}; the second null: {with_null}; the second missing: {missing}")
sys.exit((complete, with_null, missing) != ([640, 480], [640, None], "GenerationError"))
PY
echo "A field must be in every record:"
env/bin/pip list 2>/dev/null | grep -E "^mlcroissant "
env/bin/python show.py 2>/dev/null
