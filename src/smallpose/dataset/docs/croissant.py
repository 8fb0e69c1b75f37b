"""Write Croissant 1.0 metadata of a built data set, for search engines and data set loaders.

`sc` is the vocabulary of schema.org and `cr` that of MLCommons. The format requires the context in
every file.
"""

import json
from collections.abc import Sequence
from typing import Any

from smallpose.core.counts import format_count
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataset.docs.licence_terms import get_terms
from smallpose.dataset.splits import SPLITS

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
# Field name, type and description.
PERSON_FIELDS = (
    ("id", "sc:Integer", "id of the person, unique over train and test"),
    ("image_id", "sc:Integer", "id of the image that shows the person"),
    ("num_keypoints", "sc:Integer", "number of labelled keypoints; 0 for an ignore region"),
    ("iscrowd", "sc:Integer", "1 for an ignore region"),
    ("area", "sc:Float", "width × height of the box, px²"),
    ("source", "sc:Text", "coco, mpii, aic, hieve or posetrack"),
)
IMAGE_FIELDS = (
    ("id", "sc:Integer", "id of the image, unique over train and test"),
    ("file_name", "sc:Text", "path of the image file below images/"),
    ("width", "sc:Integer", "px"),
    ("height", "sc:Integer", "px"),
    ("source", "sc:Text", "coco, mpii, aic, hieve or posetrack"),
)


def format_croissant(manifest: dict[str, Any]) -> str:
    """Format the content of `croissant.json`.

    Args:
        manifest: the manifest with the hashes of both annotation files.
    """
    people = sum(s["people"] for s in manifest["sources"].values())
    images = sum(s["images"] for s in manifest["sources"].values())
    terms = [get_terms(name) for name in manifest["sources"]]
    licences = "; ".join(f"{t.title}: {t.summary}" for t in terms)
    splits = [name for name in SPLITS if _name_annotations(name) in manifest["files"]]
    prefix = "Synthetic. " if manifest["synthetic"] else ""
    return _format_json(
        {
            "@context": CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": CONFORMS_TO,
            "name": "smallpose",
            "description": f"{prefix}{format_count(people, 'person', 'people')} in "
            f"{format_count(images, 'image')} with up to {len(SMALLPOSE)} keypoints each, for "
            "human pose estimation of small people; from "
            + ", ".join(t.title for t in terms)
            + ". Images are not included.",
            "license": f"The terms of each source. {licences}.",
            "citeAs": "SmallPose: A Large-Scale Benchmark for Small Human Pose Estimation",
            "version": f"1.0.0+seed.{manifest['seed']}",
            "keywords": ["human pose estimation", "keypoints", "small people"],
            "isLiveDataset": False,
            "distribution": [
                _describe_file(split, kind, manifest["files"][_name_annotations(split)])
                for split in splits
                for kind in ("images", "annotations")
            ],
            "recordSet": [
                records
                for split in splits
                for records in _describe_split(split, manifest["selection"][split])
            ],
        }
    )


def _format_json(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _name_annotations(split: str) -> str:
    return f"annotations/{split}.json"


def _describe_file(split: str, kind: str, record: dict[str, Any]) -> dict[str, Any]:
    """Describe an annotation file, under one name for its images and another for its people.

    Loaders read all fields of one name into one table, and the two have different lengths.
    """
    return {
        "@type": "cr:FileObject",
        "@id": f"{split}-{kind}",
        "name": f"{split}-{kind}",
        "contentUrl": _name_annotations(split),
        "contentSize": f"{record['bytes']} B",
        "encodingFormat": "application/json",
        "sha256": record["sha256"],
    }


def _describe_split(split: str, selection: dict[str, Any]) -> list[dict[str, Any]]:
    """Describe the images and the people of a split.

    Loaders read each field as a column of the same length, so a field that some records lack is
    left out, and the description says so.
    """
    without: dict[str, int] = selection.get("without", {})
    images_left_out = {"width", "height"} if without.get("width") else set()
    people_left_out = {"source"} if without.get("source") else set()
    images_left_out |= people_left_out
    titles = (f"images of the {split} split", f"people of the {split} split")
    if without.get("width"):
        what = f"width and height are left out: {without['width']:,} of {selection['images']:,} "
        titles = (f"{titles[0]}; {what}images have no known size", titles[1])
    return [
        _describe_records(split, kind, title, [f for f in fields if f[0] not in left_out])
        for kind, title, fields, left_out in (
            ("images", titles[0], IMAGE_FIELDS, images_left_out),
            ("annotations", titles[1], PERSON_FIELDS, people_left_out),
        )
    ]


def _describe_records(
    split: str, kind: str, title: str, fields: Sequence[tuple[str, str, str]]
) -> dict[str, Any]:
    name = f"{split}/{kind}"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": title,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{field}",
                "name": f"{name}/{field}",
                "description": description,
                "dataType": data_type,
                "source": {
                    "fileObject": {"@id": f"{split}-{kind}"},
                    "extract": {"jsonPath": f"$.{kind}[*].{field}"},
                },
            }
            for field, data_type, description in fields
        ],
    }
