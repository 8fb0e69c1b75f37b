"""A method and images in, Predictions out."""

from smallpose.inference.boxes import Boxes, found_boxes, read_boxes, true_boxes
from smallpose.inference.options import Options
from smallpose.inference.predict import find

__all__ = ["Boxes", "Options", "find", "found_boxes", "read_boxes", "true_boxes"]
