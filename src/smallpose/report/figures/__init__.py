"""Figures: data in, a matplotlib Figure back, all in one style; a file for each kind."""

from smallpose.report.figures.data_sets import (
    areas,
    classes,
    composition,
    crowding,
    people_in_images,
)
from smallpose.report.figures.files import by_night, png, save, svg
from smallpose.report.figures.runs import (
    ap_by_class,
    found_along_height,
    gains,
    run_label,
    run_looks,
)
from smallpose.report.figures.skeletons import skeleton_drawing
from smallpose.report.figures.style import (
    CLASSES,
    DARK,
    LIGHT,
    ON_COLOUR,
    SERIES,
    SETTING_COLOURS,
    Look,
    finished,
    legend_above,
    look,
    new_axes,
)

__all__ = [
    "CLASSES",
    "DARK",
    "LIGHT",
    "ON_COLOUR",
    "SERIES",
    "SETTING_COLOURS",
    "Look",
    "ap_by_class",
    "areas",
    "by_night",
    "classes",
    "composition",
    "crowding",
    "finished",
    "found_along_height",
    "gains",
    "legend_above",
    "look",
    "new_axes",
    "people_in_images",
    "png",
    "run_label",
    "run_looks",
    "save",
    "skeleton_drawing",
    "svg",
]
