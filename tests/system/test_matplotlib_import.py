"""matplotlib without lists of properties is the same library, and is left as it was."""

import subprocess
import sys

_SCRIPT = """
from smallpose.system.matplotlib_import import skip_artist_documentation
with skip_artist_documentation():
    from matplotlib import artist
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
figure = Figure()
(line,) = figure.add_subplot().plot([1, 2], color="red")
print(artist.kwdoc.__name__, line.get_color(), "linewidth" in artist.kwdoc(Line2D))
print("linewidth or lw: float" in (Line2D.set.__doc__ or ""))
"""


def test_only_docstrings_of_the_import_are_shorter():
    words = [sys.executable, "-c", _SCRIPT]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["kwdoc red True", "False"]
