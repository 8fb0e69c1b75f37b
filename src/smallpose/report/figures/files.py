"""Write figures as PNG and SVG; the same data give the same bytes."""

import io
import textwrap
from dataclasses import astuple
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from smallpose.report.figures.style import DARK, LIGHT, RC
from smallpose.system.files import write_atomically


def render_svg(figure: Figure) -> bytes:
    """Render the figure as SVG, with letters as outlines and without a date."""
    return _render_figure(figure, "svg", {"Date": None, "Creator": None})


def recolour_dark(rendered: bytes) -> bytes:
    """Replace the light theme's colours in an SVG by the dark theme's."""
    for light, dark in zip(astuple(LIGHT), astuple(DARK), strict=True):
        rendered = rendered.replace(light.encode(), dark.encode())
    return rendered


def render_png(figure: Figure, *, dpi: int = 200) -> bytes:
    """Render the figure as PNG."""
    return _render_figure(figure, "png", {"Software": None}, dpi=dpi)


def _render_figure(figure: Figure, kind: str, metadata: dict[str, None], **more: Any) -> bytes:
    out = io.BytesIO()
    with matplotlib.rc_context(RC):
        figure.savefig(
            out, format=kind, metadata=metadata, bbox_inches="tight", pad_inches=0.08, **more
        )
    return out.getvalue()


def save_figure(
    figure: Figure, folder: Path, name: str, title: str = "", subject: str = ""
) -> bytes:
    """Write `folder/name.png` and `folder/name.svg`; return the SVG without the title.

    Args:
        title, subject: are rendered in the files, which may be used alone; a page has its own text.
    """
    rendered = render_svg(figure)
    if title:
        _add_title(figure, title, subject)
    write_atomically(folder / f"{name}.svg", render_svg(figure) if title else rendered)
    write_atomically(folder / f"{name}.png", render_png(figure))
    return rendered


def _add_title(figure: Figure, title: str, subject: str) -> None:
    """Draw a title and a subject above the figure, within its width."""
    width, height = figure.get_size_inches()
    with matplotlib.rc_context(RC):
        around = figure.get_tightbbox()
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
