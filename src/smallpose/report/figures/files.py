"""Write figures as PNG and SVG; the same data give the same bytes."""

import io
import re
import textwrap
from dataclasses import astuple
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from smallpose.report.figures.style import DARK, LIGHT, RC
from smallpose.system.files import write_atomically

_MARGIN = 0.08  # inches around a figure
_VIEW = re.compile(rb'width="[\d.]+pt" height="[\d.]+pt" viewBox="[\d. ]+"')


def render_svg(figure: Figure, extent: Bbox | None = None) -> bytes:
    """Render the figure as SVG, with letters as outlines and without a date.

    Args:
        extent: as `measure_extent` returns it, which takes as long as rendering.
    """
    return _render_figure(figure, "svg", {"Date": None, "Creator": None}, extent)


def recolour_dark(rendered: bytes) -> bytes:
    """Replace the light theme's colours in an SVG by the dark theme's."""
    for light, dark in zip(astuple(LIGHT), astuple(DARK), strict=True):
        rendered = rendered.replace(light.encode(), dark.encode())
    return rendered


def render_png(figure: Figure, *, dpi: int = 200, extent: Bbox | None = None) -> bytes:
    """Render the figure as PNG."""
    # At this level encoding takes half of the time, for a seventh more bytes.
    options = {"compress_level": 3}
    return _render_figure(figure, "png", {"Software": None}, extent, dpi=dpi, pil_kwargs=options)


def measure_extent(figure: Figure) -> Bbox:
    """Measure the part of the figure that has content, in inches, with a margin."""
    with matplotlib.rc_context(RC):
        return figure.get_tightbbox().padded(_MARGIN)


def _render_figure(
    figure: Figure, kind: str, metadata: dict[str, None], extent: Bbox | None, **more: Any
) -> bytes:
    out = io.BytesIO()
    extent = measure_extent(figure) if extent is None else extent
    with matplotlib.rc_context(RC):
        figure.savefig(out, format=kind, metadata=metadata, bbox_inches=extent, **more)
    return out.getvalue()


def save_figure(
    figure: Figure, folder: Path, name: str, title: str = "", subject: str = ""
) -> bytes:
    """Write `folder/name.png` and `folder/name.svg`; return the SVG of the part below the title.

    Args:
        title, subject: are rendered in the files, which may be used alone; a page has its own text.
    """
    extent = without_title = measure_extent(figure)
    if title:
        extent = _add_title(figure, title, subject, extent)
    rendered = render_svg(figure, extent)
    write_atomically(folder / f"{name}.svg", rendered)
    write_atomically(folder / f"{name}.png", render_png(figure, extent=extent))
    return _crop_svg(rendered, extent, without_title)


def _crop_svg(rendered: bytes, extent: Bbox, part: Bbox) -> bytes:
    """Show a part of an SVG, which takes no time; what is outside of its view box is not drawn.

    Args:
        extent: of the SVG, in inches.
        part: of the figure, likewise.
    """
    left, top = 72 * (part.x0 - extent.x0), 72 * (extent.y1 - part.y1)
    width, height = 72 * part.width, 72 * part.height
    size = f'width="{width:.3f}pt" height="{height:.3f}pt"'
    view = f'{size} viewBox="{left:.3f} {top:.3f} {width:.3f} {height:.3f}"'
    return _VIEW.sub(view.encode(), rendered, count=1)


def _add_title(figure: Figure, title: str, subject: str, extent: Bbox) -> Bbox:
    """Draw a title and a subject above the figure, within its width.

    Args:
        extent: of the figure, as `measure_extent` returns it.
    Returns: the extent with the title.
    """
    width, height = figure.get_size_inches()
    around = extent.padded(-_MARGIN)
    with matplotlib.rc_context(RC):
        left, top = around.x0 / width, around.y1 + 0.11
        # A letter of this size is about 0.058 in wide, and hardly a line has 0.064 on average.
        lines = textwrap.wrap(subject, max(int((around.x1 - around.x0) / 0.064), 30))
        for line in reversed(lines):
            figure.text(left, top / height, line, va="bottom", size=8.5, color=LIGHT.muted)
            top += 0.16
        figure.text(
            left,
            (top + 0.03) / height,
            title,
            va="bottom",
            size=11,
            weight="bold",
            color=LIGHT.ink,
        )
        # Only the new texts are measured: the rest of the figure stays where it is.
        texts = figure.texts[-len(lines) - 1 :]
        boxes = [text.get_window_extent() for text in texts]
    inches = [Bbox(box.get_points() / figure.dpi) for box in boxes]
    return Bbox.union([around, *inches]).padded(_MARGIN)
