"""Draw a figure once for two formats: as pixels, and as outlines at the same places.

Most of the time of drawing goes into arranging texts and ticks, which both formats share.
"""

import io
from typing import Any

from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, Bbox, TransformedPath

POINTS_PER_INCH = 72
_Agg: Any = RendererAgg  # it has no types
_AnySvg: Any = RendererSVG


class TwoFormatRenderer(_Agg):  # type: ignore[misc]
    """A renderer of pixels that repeats everything as SVG, whose unit is a point.

    Both have the layout of the pixels: a text starts at the same place, to a fraction of a pixel.
    Pixels are those of matplotlib's own renderer.

    Args:
        width, height: of the canvas, in px.
    """

    def __init__(self, width: int, height: int, dpi: float) -> None:
        super().__init__(width, height, dpi)
        self._unit = POINTS_PER_INCH / dpi
        self._to_points = Affine2D().scale(self._unit)
        self._out = io.StringIO()
        size = width * self._unit, height * self._unit
        metadata = {"Date": None, "Creator": None}
        self._svg = _AnySvg(*size, self._out, image_dpi=dpi, metadata=metadata)
        # The base class binds these to its own, as attributes.
        self._pixels = {
            name: getattr(self, name)
            for name in ("draw_markers", "draw_path_collection", "draw_quad_mesh", "draw_image")
        }
        self.draw_markers = self._draw_markers
        self.draw_path_collection = self._draw_path_collection
        self.draw_quad_mesh = self._draw_quad_mesh
        self.draw_image = self._draw_image

    def finish_svg(self) -> bytes:
        """Return the SVG of the canvas; nothing can be drawn afterwards."""
        self._svg.finalize()
        return self._out.getvalue().encode()

    def open_group(self, s: str, gid: str | None = None) -> None:
        """Open a group of the SVG."""
        self._svg.open_group(s, gid)

    def close_group(self, s: str) -> None:
        """Close a group of the SVG."""
        self._svg.close_group(s)

    def draw_path(self, gc: Any, path: Path, transform: Any, rgbFace: Any = None) -> None:
        """Draw a path."""
        super().draw_path(gc, path, transform, rgbFace)
        self._svg.draw_path(self._convert(gc), path, transform + self._to_points, rgbFace)

    def draw_text(
        self,
        gc: Any,
        x: float,
        y: float,
        s: str,
        prop: Any,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        """Draw one line of text."""
        super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
        place = x * self._unit, y * self._unit
        self._svg.draw_text(self._convert(gc), *place, s, prop, angle, ismath, mtext)

    def _draw_markers(
        self, gc: Any, marker: Path, marker_transform: Any, path: Path, transform: Any, face: Any
    ) -> None:
        self._pixels["draw_markers"](gc, marker, marker_transform, path, transform, face)
        self._svg.draw_markers(
            self._convert(gc),
            marker,
            marker_transform + self._to_points,
            path,
            transform + self._to_points,
            face,
        )

    def _draw_path_collection(
        self,
        gc: Any,
        transform: Any,
        paths: Any,
        transforms: Any,
        offsets: Any,
        offset_transform: Any,
        *style: Any,
        **more_style: Any,
    ) -> None:
        collection = paths, transforms, offsets
        self._pixels["draw_path_collection"](
            gc, transform, *collection, offset_transform, *style, **more_style
        )
        self._svg.draw_path_collection(
            self._convert(gc),
            transform + self._to_points,
            *collection,
            offset_transform + self._to_points,
            *style,
            **more_style,
        )

    def _draw_quad_mesh(
        self, gc: Any, transform: Any, width: int, height: int, *rest: Any, **options: Any
    ) -> None:
        coordinates, offsets, offset_transform, *style = rest
        cells = width, height, coordinates, offsets
        self._pixels["draw_quad_mesh"](gc, transform, *cells, offset_transform, *style, **options)
        self._svg.draw_quad_mesh(
            self._convert(gc),
            transform + self._to_points,
            *cells,
            offset_transform + self._to_points,
            *style,
            **options,
        )

    def _draw_image(self, gc: Any, x: float, y: float, image: Any, transform: Any = None) -> None:
        self._pixels["draw_image"](gc, x, y, image)
        self._svg.draw_image(self._convert(gc), x * self._unit, y * self._unit, image)

    def _convert(self, gc: Any) -> Any:
        """Convert the clips of a graphics context; widths and dashes are in points already."""
        converted: Any = GraphicsContextBase()
        converted.copy_properties(gc)
        rectangle = gc.get_clip_rectangle()
        if rectangle is not None:
            converted.set_clip_rectangle(Bbox(rectangle.get_points() * self._unit))
        path, transform = gc.get_clip_path()
        if path is not None:
            converted.set_clip_path(TransformedPath(path, transform + self._to_points))
        return converted
