"""Write figures as PNG and SVG; the same data give the same bytes."""

import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import colors
from matplotlib.backends import backend_agg
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Bbox
from numpy.typing import NDArray
from PIL import Image

from smallpose.report.figures.style import DARK, LIGHT, RC
from smallpose.system.files import write_atomically

_PAPER = np.frombuffer(bytes.fromhex(LIGHT.paper[1:] + "ff"), np.uint32)[0]
PNG_DPI = 200
_MARGIN = 0.08  # inches around a figure
_create_renderer: Any = backend_agg.RendererAgg  # it has no types
_BORDERS = (1.2, 4.0, 16.0)  # inches of the canvas around a figure, the first that is enough
_VIEW = re.compile(rb'width="[\d.]+pt" height="[\d.]+pt" viewBox="[\d. ]+"')


@dataclass(frozen=True)
class _Drawing:
    """A figure that was drawn on a canvas of pixels with a border around it, in inches.

    What has content is read from the pixels: to measure a figure takes as long as to draw it.
    """

    figure: Figure
    renderer: Any
    border: float

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """Return the (h, w, 3) pixels."""
        return np.asarray(self.renderer.buffer_rgba())[:, :, :3]

    def find_extent(self) -> Bbox:
        """Find the part that has content, in inches from the figure's corner, with a margin."""
        # One comparison of four bytes takes a fiftieth of the time of four of one byte.
        is_drawn = np.asarray(self.renderer.buffer_rgba()).view(np.uint32)[:, :, 0] != _PAPER
        rows, columns = (np.flatnonzero(is_drawn.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return Bbox([(0.0, 0.0), tuple(self.figure.get_size_inches())])
        height = len(is_drawn)
        left_bottom = columns[0], height - rows[-1] - 1
        right_top = columns[-1] + 1, height - rows[0]
        points = np.array([left_bottom, right_top]) / self.figure.dpi - self.border
        return Bbox(points).padded(_MARGIN)

    def measure_reach(self, extent: Bbox) -> float:
        """Measure how far `extent` reaches beyond the figure, in inches."""
        (left, bottom), (right, top) = extent.get_points()
        width, height = self.figure.get_size_inches()
        return float(max(-left, -bottom, right - width, top - height))

    def draw_texts(self, texts: Sequence[Text]) -> None:
        """Draw texts that were added to the figure."""
        with _shift_figure(self.figure, self.border):
            for text in texts:
                text.draw(self.renderer)

    def encode_png(self, extent: Bbox) -> bytes:
        """Encode the part within `extent`, in inches from the figure's corner."""
        dpi, height = self.figure.dpi, len(self.pixels)
        corners = (extent.get_points() + self.border) * dpi
        (left, bottom), (right, top) = np.rint(corners).astype(int).clip(0).tolist()
        part = self.pixels[max(height - top, 0) : height - bottom, left:right]
        out = io.BytesIO()
        # At this level encoding takes half of the time, for a seventh more bytes.
        image = Image.fromarray(np.ascontiguousarray(part))
        image.save(out, "png", compress_level=3, dpi=(dpi, dpi))
        return out.getvalue()


def _draw_figure(figure: Figure, dpi: float) -> _Drawing:
    """Draw the figure on a canvas that has room for all of it."""
    drawing = _draw_with_border(figure, dpi, _BORDERS[0])
    for border in _BORDERS[1:]:
        if drawing.measure_reach(drawing.find_extent()) <= drawing.border:
            break
        drawing = _draw_with_border(figure, dpi, border)
    return drawing


def _draw_with_border(figure: Figure, dpi: float, border: float) -> _Drawing:
    figure.set_dpi(dpi)
    width, height = (round(side * dpi) for side in figure.get_size_inches() + 2 * border)
    renderer: Any = _create_renderer(width, height, dpi)
    fill = renderer.new_gc()
    fill.set_linewidth(0)
    whole = Affine2D().scale(width, height)
    renderer.draw_path(fill, Outline.unit_rectangle(), whole, colors.to_rgb(LIGHT.paper))
    with matplotlib.rc_context(RC), _shift_figure(figure, border):
        figure.draw(renderer)
    return _Drawing(figure, renderer, border)


@contextmanager
def _shift_figure(figure: Figure, distance: float) -> Iterator[None]:
    """Shift the figure away from the origin for some time, by inches in both directions."""
    size = figure.get_size_inches()
    figure.bbox_inches.p0 = (distance, distance)
    figure.bbox_inches.p1 = size + distance
    try:
        yield
    finally:
        figure.bbox_inches.p0 = (0.0, 0.0)
        figure.bbox_inches.p1 = size


def render_svg(figure: Figure, extent: Bbox | None = None) -> bytes:
    """Render the figure as SVG, with letters as outlines and without a date.

    Args:
        extent: the part of it, in inches (default: what has content).
    """
    out = io.BytesIO()
    if extent is None:
        extent = _draw_figure(figure, figure.dpi).find_extent()
    with matplotlib.rc_context(RC):
        figure.savefig(
            out, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches=extent
        )
    return out.getvalue()


def recolour_dark(rendered: bytes) -> bytes:
    """Replace the light theme's colours in an SVG by the dark theme's."""
    for light, dark in zip(astuple(LIGHT), astuple(DARK), strict=True):
        rendered = rendered.replace(light.encode(), dark.encode())
    return rendered


def render_png(figure: Figure, *, dpi: int = PNG_DPI) -> bytes:
    """Render the part of the figure that has content as PNG."""
    drawing = _draw_figure(figure, dpi)
    return drawing.encode_png(drawing.find_extent())


def save_figure(
    figure: Figure, folder: Path, name: str, title: str = "", subject: str = ""
) -> bytes:
    """Write `folder/name.png` and `folder/name.svg`; return the SVG of the part below the title.

    Args:
        title, subject: are rendered in the files, which may be used alone; a page has its own text.
    """
    drawing = _draw_figure(figure, PNG_DPI)
    extent = without_title = drawing.find_extent()
    if title:
        extent, texts = _add_title(drawing, title, subject, extent)
        reach = drawing.measure_reach(extent)
        if reach <= drawing.border:
            drawing.draw_texts(texts)
        else:
            drawing = _draw_with_border(figure, PNG_DPI, reach)
    rendered = render_svg(figure, extent)
    write_atomically(folder / f"{name}.svg", rendered)
    write_atomically(folder / f"{name}.png", drawing.encode_png(extent))
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


def _add_title(
    drawing: _Drawing, title: str, subject: str, extent: Bbox
) -> tuple[Bbox, list[Text]]:
    """Add a title and a subject to the figure, above it and within its width.

    Args:
        extent: of the figure, as `_Drawing.find_extent` returns it.
    Returns: the extent with the title, and the texts, which are not drawn yet.
    """
    figure = drawing.figure
    width, height = figure.get_size_inches()
    around = extent.padded(-_MARGIN)
    with matplotlib.rc_context(RC):
        left, top = around.x0 / width, around.y1 + 0.11
        # A letter of this size is about 0.058 in wide, and hardly a line has 0.064 on average.
        lines = textwrap.wrap(subject, max(int((around.x1 - around.x0) / 0.064), 30))
        texts = []
        for line in reversed(lines):
            text = figure.text(left, top / height, line, va="bottom", size=8.5, color=LIGHT.muted)
            texts.append(text)
            top += 0.16
        text = figure.text(
            left,
            (top + 0.03) / height,
            title,
            va="bottom",
            size=11,
            weight="bold",
            color=LIGHT.ink,
        )
        texts.append(text)
        # Only the new texts are measured: the rest of the figure stays where it is.
        boxes = [text.get_window_extent(drawing.renderer) for text in texts]
    inches = [Bbox(box.get_points() / figure.dpi) for box in boxes]
    return Bbox.union([around, *inches]).padded(_MARGIN), texts
