"""CVAT's form "CVAT for images 1.1": skeletons with the id of their annotation as an attribute."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import msgspec

from smallpose.core.errors import InputError
from smallpose.dataset.corrections.people import (
    ID_ATTRIBUTE,
    CorrectedPerson,
    Id,
    ListedPerson,
    Point,
    decode_id,
    encode_id,
)
from smallpose.system.xml_decode import parse_xml

ANNOTATIONS_FILE = "annotations.xml"
LABELS_FILE = "labels.json"
REMARK_ATTRIBUTE = "suspected"
_RADIUS = 40.0  # of the circle of joints in the drawing of the skeleton, which is 100 wide


def encode_people(
    people: Sequence[ListedPerson],
    joints: Sequence[str],
    edges: Sequence[tuple[int, int]],
    category: str,
) -> Mapping[str, bytes]:
    """Encode annotations.xml, to be uploaded, and labels.json, for the constructor of labels.

    Raises: InputError where an image has no size.
    """
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    _add_meta(root, joints, category)
    by_image: dict[str, list[ListedPerson]] = {}
    for person in people:
        by_image.setdefault(person.file_name, []).append(person)
    for number, (name, group) in enumerate(by_image.items()):
        image = SubElement(root, "image", id=str(number), name=name)
        image.set("width", str(_require_size(group[0].width, name)))
        image.set("height", str(_require_size(group[0].height, name)))
        for person in group:
            _add_skeleton(image, person, joints, category)
    ElementTree.indent(root)
    labels = [_build_label(joints, edges, category)]
    return {
        ANNOTATIONS_FILE: ElementTree.tostring(root, "utf-8", xml_declaration=True) + b"\n",
        LABELS_FILE: msgspec.json.format(msgspec.json.encode(labels)) + b"\n",
    }


def _add_meta(root: Element, joints: Sequence[str], category: str) -> None:
    """Add the labels of the task, as exports of CVAT have them."""
    labels = SubElement(SubElement(SubElement(root, "meta"), "task"), "labels")
    person = SubElement(labels, "label")
    SubElement(person, "name").text = category
    SubElement(person, "type").text = "skeleton"
    attributes = SubElement(person, "attributes")
    for name in (ID_ATTRIBUTE, REMARK_ATTRIBUTE):
        attribute = SubElement(attributes, "attribute")
        SubElement(attribute, "name").text = name
        SubElement(attribute, "mutable").text = "False"
        SubElement(attribute, "input_type").text = "text"
        SubElement(attribute, "default_value")
        SubElement(attribute, "values")
    for joint in joints:
        label = SubElement(labels, "label")
        SubElement(label, "name").text = joint
        SubElement(label, "type").text = "points"
        SubElement(label, "attributes")
        SubElement(label, "parent").text = category


def _require_size(size: int, name: str) -> int:
    if size <= 0:
        what = "has no width and height in the file, which CVAT needs"
        raise InputError(f"image {name}", what, "add them, or use --to coco")
    return size


def _add_skeleton(
    image: Element, person: ListedPerson, joints: Sequence[str], category: str
) -> None:
    skeleton = SubElement(image, "skeleton", label=category, source="manual", z_order="0")
    x, y, w, h = person.box_xywh
    centre = (x + w / 2, y + h / 2)  # where CVAT keeps the points that are outside
    for name, (px, py, v) in zip(joints, person.keypoints.tolist(), strict=True):
        position = (px, py) if v > 0 else centre
        SubElement(
            skeleton,
            "points",
            label=name,
            source="manual",
            outside="0" if v > 0 else "1",
            occluded="1" if v == 1 else "0",
            points=",".join(repr(float(value)) for value in position),
        )
    SubElement(skeleton, "attribute", name=ID_ATTRIBUTE).text = encode_id(person.id)
    SubElement(skeleton, "attribute", name=REMARK_ATTRIBUTE).text = person.remark


def _build_label(
    joints: Sequence[str], edges: Sequence[tuple[int, int]], category: str
) -> dict[str, object]:
    attributes = [
        {"name": name, "input_type": "text", "mutable": False, "values": [""], "default_value": ""}
        for name in (ID_ATTRIBUTE, REMARK_ATTRIBUTE)
    ]
    sublabels = [{"name": name, "type": "points", "attributes": []} for name in joints]
    return {
        "name": category,
        "type": "skeleton",
        "attributes": attributes,
        "sublabels": sublabels,
        "svg": _draw_skeleton(joints, edges),
    }


def _draw_skeleton(joints: Sequence[str], edges: Sequence[tuple[int, int]]) -> str:
    """Draw the joints on a circle with their connections, as CVAT stores a skeleton's template."""
    places = []
    for index in range(len(joints)):
        angle = 2 * math.pi * index / len(joints)
        places.append((50 + _RADIUS * math.sin(angle), 50 - _RADIUS * math.cos(angle)))
    shapes = []
    for first, second in edges:
        (x1, y1), (x2, y2) = places[first], places[second]
        line = {"x1": f"{x1:.2f}", "y1": f"{y1:.2f}", "x2": f"{x2:.2f}", "y2": f"{y2:.2f}"}
        line |= {"stroke": "black", "data-type": "edge", "stroke-width": "0.5"}
        line |= {"data-node-from": str(first + 1), "data-node-to": str(second + 1)}
        shapes.append(_encode_shape("line", line))
    for index, (x, y) in enumerate(places, 1):
        circle = {"r": "1.5", "stroke": "black", "fill": "#b3b3b3", "cx": f"{x:.2f}"}
        circle |= {"cy": f"{y:.2f}", "stroke-width": "0.1", "data-type": "element node"}
        circle |= {"data-element-id": str(index), "data-node-id": str(index)}
        circle["data-label-name"] = joints[index - 1]
        shapes.append(_encode_shape("circle", circle))
    return "\n".join(shapes)


def _encode_shape(tag: str, attributes: Mapping[str, str]) -> str:
    element = Element(tag, dict(attributes))
    return ElementTree.tostring(element, "unicode", short_empty_elements=False)


def decode_people(path: Path, data: bytes) -> list[CorrectedPerson]:
    """Decode the skeletons of an export; those without an id are new people.

    Raises: InputError for tracks of a video, and for points or ids that cannot be read.
    """
    root = parse_xml(path, data)
    if root.tag != "annotations":
        raise InputError(str(path), f"XML with <{root.tag}>", 'export "CVAT for images 1.1"')
    if root.find("track") is not None:
        raise InputError(str(path), "tracks of a video", 'export "CVAT for images 1.1"')
    return [person for image in root.iter("image") for person in _decode_image(path, image)]


def list_images(path: Path, data: bytes) -> list[Id]:
    """List the images of an export, also those without people."""
    return [image.get("name", "") for image in parse_xml(path, data).iter("image")]


def _decode_image(path: Path, image: Element) -> Iterator[CorrectedPerson]:
    name = image.get("name", "")
    for number, skeleton in enumerate(image.iter("skeleton"), 1):
        where = f"{path}, image {name}, skeleton {number}"
        attributes = {one.get("name"): one.text or "" for one in skeleton.iter("attribute")}
        joints = dict(
            _decode_point(where, point)
            for point in skeleton.iter("points")
            if point.get("outside") != "1"
        )
        own_id = decode_id(where, attributes.get(ID_ATTRIBUTE, ""))
        yield CorrectedPerson(own_id, name, joints, None, where)


def _decode_point(where: str, point: Element) -> tuple[str, Point]:
    name, text = point.get("label", ""), point.get("points", "")
    try:
        x, y = (float(value) for value in text.split(","))
    except ValueError:
        raise InputError(where, f"joint {name!r} is at {text[:40]!r}", "export it again") from None
    if not (math.isfinite(x) and math.isfinite(y)):
        raise InputError(where, f"joint {name!r} is at {text[:40]!r}", "export it again")
    return name, (x, y, 1 if point.get("occluded") == "1" else 2)
