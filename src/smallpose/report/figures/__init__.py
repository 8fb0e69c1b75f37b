"""Draw figures with matplotlib, all in one style; one file for each kind of data."""

# ruff: noqa: E402 (the modules below cannot be imported without these packages)
from smallpose.system.packages import require_packages

require_packages("smallpose.report.figures", "matplotlib")

from smallpose.report.figures.data_sets import (
    draw_areas,
    draw_classes,
    draw_composition,
    draw_crowding,
    draw_people_per_image,
)
from smallpose.report.figures.files import recolour_dark, render_png, render_svg, save_figure
from smallpose.report.figures.runs import (
    choose_run_styles,
    draw_ap_by_class,
    draw_detection_rate,
    draw_gains,
)
from smallpose.report.figures.skeletons import can_draw_skeleton, draw_skeleton
from smallpose.report.figures.style import (
    CLASSES,
    DARK,
    LIGHT,
    ON_COLOUR,
    SERIES,
    SETTING_COLOURS,
    SeriesStyle,
    add_legend_above,
    apply_theme,
    create_axes,
    get_series_style,
)
from smallpose.report.inputs.run_labels import label_run

__all__ = [
    "CLASSES",
    "DARK",
    "LIGHT",
    "ON_COLOUR",
    "SERIES",
    "SETTING_COLOURS",
    "SeriesStyle",
    "add_legend_above",
    "apply_theme",
    "can_draw_skeleton",
    "choose_run_styles",
    "create_axes",
    "draw_ap_by_class",
    "draw_areas",
    "draw_classes",
    "draw_composition",
    "draw_crowding",
    "draw_detection_rate",
    "draw_gains",
    "draw_people_per_image",
    "draw_skeleton",
    "get_series_style",
    "label_run",
    "recolour_dark",
    "render_png",
    "render_svg",
    "save_figure",
]
