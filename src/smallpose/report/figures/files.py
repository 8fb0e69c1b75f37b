"""Write figures as PNG and SVG; the same data give the same bytes."""

import re
import struct
import textwrap
import zlib
from collections.abc import Callable, Iterator, Sequence
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

from smallpose.report.figures.style import DARK, LIGHT, RC
from smallpose.report.figures.two_formats import POINTS_PER_INCH, TwoFormatRenderer
from smallpose.system.files import write_atomically

_PAPER = np.frombuffer(bytes.fromhex(LIGHT.paper[1:] + "ff"), np.uint32)[0]
PNG_DPI = 200
_MARGIN = 0.08  # inches around a figure
_create_renderer: Any = backend_agg.RendererAgg  # it has no types
_BORDERS = (1.2, 4.0, 16.0)  # inches of the canvas around a figure, the first that is enough
_VIEW = re.compile(rb'width="[\d.]+pt" height="[\d.]+pt" viewBox="[-\d. ]+"')


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
        return _encode_png(part, round(dpi / 0.0254))

    def show_part(self, canvas: bytes, extent: Bbox) -> bytes:
        """Show the part within `extent` of the canvas as SVG; what is outside is not drawn."""
        height = len(self.pixels) / self.figure.dpi
        left, top = extent.x0 + self.border, height - extent.y1 - self.border
        box = [POINTS_PER_INCH * side for side in (left, top, extent.width, extent.height)]
        x, y, w, h = (f"{side:.3f}" for side in box)
        view = f'width="{w}pt" height="{h}pt" viewBox="{x} {y} {w} {h}"'
        return _VIEW.sub(view.encode(), canvas, count=1)


def _encode_png(pixels: NDArray[np.uint8], pixels_per_metre: int) -> bytes:
    """Encode (h, w, 3) RGB pixels.

    Pillow tries five filters for each line, which takes most of its time; drawings, which have
    large areas of one colour, are smaller without any.
    """
    height, width, _ = pixels.shape
    lines = np.zeros((height, 1 + 3 * width), np.uint8)  # each begins with its filter, 0 for none
    lines[:, 1:] = pixels.reshape(height, -1)
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),  # 8 bits, RGB
        b"pHYs": struct.pack(">IIB", pixels_per_metre, pixels_per_metre, 1),
        b"IDAT": zlib.compress(lines.data, 3),
        b"IEND": b"",
    }
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, content in chunks.items():
        check = zlib.crc32(name + content)
        parts += [struct.pack(">I", len(content)), name, content, struct.pack(">I", check)]
    return b"".join(parts)


def _draw_figure(figure: Figure, dpi: float, create: Callable[..., Any]) -> _Drawing:
    """Draw the figure on a canvas that has room for all of it.

    Args:
        create: the renderer, from width and height in px and the resolution.
    """
    drawing = _draw_with_border(figure, dpi, _BORDERS[0], create)
    for border in _BORDERS[1:]:
        if drawing.measure_reach(drawing.find_extent()) <= drawing.border:
            break
        drawing = _draw_with_border(figure, dpi, border, create)
    return drawing


def _draw_with_border(
    figure: Figure, dpi: float, border: float, create: Callable[..., Any]
) -> _Drawing:
    figure.set_dpi(dpi)
    width, height = (round(side * dpi) for side in figure.get_size_inches() + 2 * border)
    whole = Affine2D().scale(width, height)
    with matplotlib.rc_context(RC), _shift_figure(figure, border):
        renderer = create(width, height, dpi)
        fill = renderer.new_gc()
        fill.set_linewidth(0)
        renderer.draw_path(fill, Outline.unit_rectangle(), whole, colors.to_rgb(LIGHT.paper))
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


def render_svg(figure: Figure) -> bytes:
    """Render what has content as SVG, with letters as outlines and without a date."""
    drawing = _draw_figure(figure, PNG_DPI, TwoFormatRenderer)
    return drawing.show_part(drawing.renderer.finish_svg(), drawing.find_extent())


def recolour_dark(rendered: bytes) -> bytes:
    """Replace the light theme's colours in an SVG by the dark theme's."""
    for light, dark in zip(astuple(LIGHT), astuple(DARK), strict=True):
        rendered = rendered.replace(light.encode(), dark.encode())
    return rendered


def render_png(figure: Figure, *, dpi: int = PNG_DPI) -> bytes:
    """Render the part of the figure that has content as PNG."""
    drawing = _draw_figure(figure, dpi, _create_renderer)
    return drawing.encode_png(drawing.find_extent())


def save_figure(
    figure: Figure, folder: Path, name: str, title: str = "", subject: str = ""
) -> bytes:
    """Write `folder/name.png` and `folder/name.svg`; return the SVG of the part below the title.

    Args:
        title, subject: are rendered in the files, which may be used alone; a page has its own text.
    """
    drawing = _draw_figure(figure, PNG_DPI, TwoFormatRenderer)
    extent = without_title = drawing.find_extent()
    if title:
        extent, texts = _add_title(drawing, title, subject, extent)
        reach = drawing.measure_reach(extent)
        if reach <= drawing.border:
            drawing.draw_texts(texts)
        else:
            drawing = _draw_with_border(figure, PNG_DPI, reach, TwoFormatRenderer)
    canvas = drawing.renderer.finish_svg()
    write_atomically(folder / f"{name}.svg", drawing.show_part(canvas, extent))
    write_atomically(folder / f"{name}.png", drawing.encode_png(extent))
    return drawing.show_part(canvas, without_title)


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
