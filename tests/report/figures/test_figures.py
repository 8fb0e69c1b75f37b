"""Figures show the numbers they are given, and the same data give the same bytes."""

import re
from dataclasses import astuple
from itertools import combinations, pairwise

import msgspec
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from smallpose.core.skeleton import COCO17, SMALLPOSE, Skeleton
from smallpose.evaluation.analysis.score_quality import Calibration, ScoreBin
from smallpose.report import figures
from smallpose.report.dataset_report import count_datasets
from smallpose.report.figures import DARK, LIGHT
from smallpose.report.figures.failures import draw_calibration
from smallpose.report.figures.feature_maps import draw_feature_maps
from smallpose.report.figures.resolution import draw_resolution
from smallpose.report.figures.style import create_axes
from smallpose.report.inputs.runs import read_runs
from smallpose.resolution.curve_file import CurveFile


@pytest.fixture(scope="session")
def specs(project):
    return {
        d.name: d
        for d in count_datasets({"train": project.test, "test": project.test}).list_figures()
    }


def test_a_data_set_has_the_papers_figures(specs):
    assert list(specs) == [
        "fig1a_composition",
        "fig1c_skeleton",
        "fig2_areas",
        "fig3_crowding",
        "fig7_people_per_image",
        "fig8_classes",
    ]


def test_the_figure_of_the_joints_shows_those_of_the_labels(project):
    def name_figures(*skeletons):
        sets = {str(n): project.test.to_skeleton(one) for n, one in enumerate(skeletons)}
        return {figure.name: figure for figure in count_datasets(sets).list_figures()}

    figure = name_figures(COCO17)["fig1c_skeleton"]
    assert figure.title == "The 17 joints" and "left ankle" in figure.alt
    assert "pelvis" not in figure.alt
    figure.draw()
    assert "fig1c_skeleton" not in name_figures(COCO17, SMALLPOSE)
    own = Skeleton("own", ("nose", "left_thumb", "right_thumb"), custom_sigmas=(0.1, 0.1, 0.1))
    assert "fig1c_skeleton" not in name_figures(own)


def test_every_figure_has_an_alternative_text(specs):
    assert all(len(d.alt) > 20 for d in specs.values())


def test_the_same_data_give_the_same_bytes(specs):
    draw = specs["fig2_areas"].draw
    assert figures.render_svg(draw()) == figures.render_svg(draw())
    assert figures.render_png(draw(), dpi=60) == figures.render_png(draw(), dpi=60)


def test_figures_contain_no_date_and_no_creator(specs):
    text = figures.render_svg(specs["fig2_areas"].draw()).decode()
    assert "<dc:date>" not in text
    assert "Matplotlib v" not in text


def test_dark_figures_have_light_text(specs):
    light = figures.render_svg(specs["fig8_classes"].draw())
    dark = figures.recolour_dark(light)
    assert LIGHT.ink.encode() in light
    assert DARK.ink.encode() in dark
    assert not any(colour.encode() in dark for colour in astuple(LIGHT))
    assert figures.ON_COLOUR.encode() in dark


def test_bars_of_people_by_area_are_their_shares(project):
    people = count_datasets({"one": project.test})
    draw = next(d for d in people.list_figures() if d.name == "fig2_areas").draw
    heights = [bar.get_height() for bar in draw().axes[0].patches]
    assert sum(heights) == pytest.approx(100.0)


@pytest.mark.parametrize("name", ["fig2_areas", "fig3_crowding", "fig7_people_per_image"])
def test_twelve_sets_side_by_side_are_distinguished_by_the_legend(project, name):
    """They differ in colour, or in line, marker or hatch where a colour repeats."""
    people = count_datasets({f"set {n}": project.test for n in range(12)})
    axes = next(d for d in people.list_figures() if d.name == name).draw().axes[0]
    keys = axes.get_legend().legend_handles

    def seen(key) -> tuple[object, ...]:
        colour = key.get_facecolor() if hasattr(key, "get_hatch") else key.get_color()
        line = key.get_linestyle() if name != "fig2_areas" else ""
        return str(colour), str(line), str(getattr(key, "get_hatch", lambda: "")())

    assert len(keys) == 12
    assert len({seen(key) for key in keys}) == 12


def test_series_styles_differ_and_neighbours_differ_in_colour():
    styles = [figures.get_series_style(n) for n in range(28)]
    assert len(set(styles)) == 28
    assert all(a.colour != b.colour for a, b in pairwise(styles))
    # Styles of one colour differ in hatch, in line and in marker.
    for n in range(21):
        a, b = styles[n], styles[n + 7]
        assert (a.colour, a.hatch != b.hatch, a.line != b.line, a.marker != b.marker) == (
            b.colour,
            True,
            True,
            True,
        )


def test_the_colours_differ_for_colour_blind_readers():
    """Simulated after Machado, Oliveira and Fernandes (2009) with severity 1."""
    blind = {
        "protan": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        "deutan": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        "tritan": [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ],
    }
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in figures.SERIES])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    for matrix in blind.values():
        seen = np.clip(linear @ np.array(matrix).T, 0, 1) ** (1 / 2.4)
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=2) + 9 * np.eye(len(seen))
        assert apart.min() > 0.1


def test_differences_of_bars_have_the_sign_of_the_table(project):
    runs = [r for r in read_runs(list(project.runs.values())) if not r.is_untrained]
    axes = figures.draw_ap_by_class(runs).axes[0]
    a, b = (np.array([bar.get_height() for bar in group]) for group in axes.containers)
    table = np.array(
        [
            runs[1].metric(m) - runs[0].metric(m)
            for m in figures.CLASSES
            if runs[0].metric(m) is not None
        ]
    )
    assert (np.sign(b - a) == np.sign(table)).all()


def test_a_set_without_people_is_drawn_without_error(project):
    empty = project.test.take(np.array([], dtype=np.intp))
    for drawing in count_datasets({"empty": empty}).list_figures():
        figures.render_png(drawing.draw(), dpi=40)


def test_long_names_of_sets_are_drawn_without_error(project):
    sets = {f"a set with quite a long name, number {i}": project.test for i in range(6)}
    for drawing in count_datasets(sets).list_figures():
        if drawing.name in ("fig2_areas", "fig8_classes"):
            figures.render_svg(drawing.draw())


def test_gains_show_a_and_b_of_each_method(project):
    from dataclasses import replace

    a, b = (r for r in read_runs(list(project.runs.values())) if not r.is_untrained)
    other = [replace(run, method="simcc_r18_tiny") for run in (a, b)]
    figure = figures.draw_gains({"one": (a, b), "two": (other[0], other[1])})
    dots = [c.get_offsets()[0].tolist() for c in figure.axes[1].collections]
    expected = [(run.metric("AP_S"), y) for y in (0, 1) for run in (a, b)]
    assert dots == [pytest.approx(dot) for dot in expected]


def read_view_box(svg: bytes) -> list[float]:
    """Return left, top, width and height of what an SVG shows."""
    match = re.search(rb'viewBox="([^"]+)"', svg)
    assert match is not None
    return [float(number) for number in match[1].split()]


def test_files_have_a_title_and_a_subject(specs, tmp_path):
    """The page has its own text, so the returned SVG shows the part below them."""
    draw = specs["fig2_areas"].draw
    plain = figures.save_figure(draw(), tmp_path, "plain")
    inside = figures.save_figure(
        draw(), tmp_path, "titled", "People", "train: 30 people in 10 images"
    )
    left, top, *size = read_view_box(inside)
    assert size == pytest.approx(read_view_box(plain)[2:], abs=0.01)
    full = read_view_box((tmp_path / "titled.svg").read_bytes())
    from_left, from_top = left - full[0], top - full[1]
    assert from_top == pytest.approx(full[3] - size[1], abs=0.01) and from_top > 20
    assert from_left == pytest.approx(0, abs=0.01)
    heights = []
    for name in ("plain", "titled"):
        with Image.open(tmp_path / f"{name}.png") as image:
            heights.append(image.height)
    assert heights[1] > heights[0] + 40
    again = tmp_path / "again"
    figures.save_figure(draw(), again, "titled", "People", "train: 30 people in 10 images")
    for kind in ("svg", "png"):
        assert (again / f"titled.{kind}").read_bytes() == (tmp_path / f"titled.{kind}").read_bytes()


@pytest.mark.parametrize("title", ["A short title", 12 * "a title wider than the canvas, "])
@pytest.mark.parametrize("num_lines", [1, 30])
def test_what_reaches_far_beyond_a_figure_is_in_its_files(tmp_path, title, num_lines):
    figure, axes = create_axes(4.0, 3.0)
    axes.text(0.5, 1.1, "\n".join(num_lines * ["line"]), va="bottom", transform=axes.transAxes)
    figures.save_figure(figure, tmp_path, "far", title)
    expected = (figure.get_tightbbox().size + 2 * 0.08) * 200
    with Image.open(tmp_path / "far.png") as image:
        # Letters have a little air that belongs to their extent.
        assert image.size == pytest.approx(expected, abs=16)
        pixels = np.asarray(image.convert("L"))
    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    assert all(edge.min() == 255 for edge in edges)  # nothing is cut off


def test_numbers_of_people_that_no_image_has_are_gaps():
    axes = figures.draw_people_per_image({"one": np.array([3, 5, 0, 0, 2])}).axes[0]
    values = axes.patches[0].get_data().values
    assert values[[0, 3]].tolist() == pytest.approx([500 / 7, 200 / 7])
    assert np.isnan(values[[1, 2]]).all()


def test_many_sets_are_drawn_as_falling_lines():
    """Steps of seven sets hide each other; the share with at least n people never rises."""
    rng = np.random.default_rng(0)
    sets = {f"set {i}": rng.integers(0, 50, 30) for i in range(7)}
    lines = figures.draw_people_per_image(sets).axes[0].lines
    assert len(lines) == 7
    for line, counts in zip(lines, sets.values(), strict=True):
        y = line.get_ydata()
        assert y[0] == pytest.approx(100) and (np.diff(y) <= 1e-9).all()
        assert y[4] == pytest.approx(100 * counts[5:].sum() / counts[1:].sum())


def test_every_class_has_its_number_however_narrow_its_bar(project):
    people = count_datasets({"one": project.test})
    (counts,) = people.counts.values()
    for axes, parts in zip(
        figures.draw_classes(people.counts).axes, (counts.sizes, counts.densities), strict=True
    ):
        texts = " ".join(text.get_text().replace("\n", " (") for text in axes.texts)
        assert all(f"{n:,} (" in texts for n in parts)


def test_the_last_bin_of_crowding_is_labelled_with_its_lower_edge(project):
    people = count_datasets({"one": project.test})
    axes = figures.draw_crowding(people.crowding, people.mean_crowding).axes[0]
    last = axes.get_xticklabels()[-1]
    assert last.get_text() == "≥ 0.9"
    assert 0.9 < axes.get_xticks()[-1] < 1.0


def list_type_sizes(figure) -> set[float]:
    """List the sizes in points of all type in a figure."""
    texts = figure.findobj(Text)
    return {text.get_fontsize() for text in texts if text.get_visible() and text.get_text().strip()}


def test_type_in_figures_is_at_least_11_px_on_the_page(project, specs):
    runs = [r for r in read_runs(list(project.runs.values())) if not r.is_untrained]
    drawn = {name: spec.draw() for name, spec in specs.items()}
    drawn["many"] = count_datasets({f"set {n}": project.test for n in range(7)})
    drawn |= {d.name + "7": d.draw() for d in drawn.pop("many").list_figures()}
    drawn["ap"] = figures.draw_ap_by_class(runs)
    drawn["ap4"] = figures.draw_ap_by_class(runs * 2)
    for name, figure in drawn.items():
        assert min(list_type_sizes(figure)) * 4 / 3 >= 11, name


def test_titles_and_colour_bars_of_feature_maps_do_not_collide():
    rng = np.random.default_rng(0)
    names = ["simple_baseline_r50", "hrnet_w32", "vitpose_s (runs/B/model.safetensors)"]
    for m in (1, 2, 3):
        maps = {name: [rng.random((8, 6)) for _ in range(2)] for name in names[:m]}
        crops = [rng.integers(0, 255, (8, 6, 3)).astype(np.uint8) for _ in range(2)]
        figure = draw_feature_maps(crops, maps, maps, [40.0, 60.0])
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        titles = [
            axes.title.get_window_extent(renderer) for axes in figure.axes if axes.get_title()
        ]
        bars = [axes.get_tightbbox(renderer) for axes in figure.axes[-2:]]
        for group in (titles, bars):
            assert all(not a.overlaps(b) for a, b in combinations(group, 2))
        assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in (*titles, *bars))


def test_empty_bins_are_marked_with_0(project):
    people = count_datasets({"one": project.test})
    axes = figures.draw_areas(people.area_histograms).axes[0]
    empty = int((people.area_histograms["one"].counts == 0).sum())
    assert empty > 0
    assert sum(text.get_text() == "0" for text in axes.texts) == empty


def test_mean_crowding_is_drawn_with_its_interval(project):
    people = count_datasets({"one": project.test})
    mean = people.mean_crowding["one"]
    axes = figures.draw_crowding(people.crowding, people.mean_crowding).axes[0]
    line, dot = axes.lines
    assert line.get_xdata().tolist() == [mean.low, mean.high]
    assert dot.get_xdata().tolist() == [mean.value]


def test_a_set_of_one_source_has_no_figure_of_sources(project):
    one = project.test.take(np.flatnonzero(project.test.source == 1))
    alone = count_datasets({"coco alone": one, "all": project.test})
    names = [d.name for d in alone.list_figures() if d.name.startswith("fig1a")]
    assert names == ["fig1a_composition_all"]


def test_real_files_side_by_side_have_their_known_counts(real):
    from smallpose.io.coco_annotations import read_coco
    from smallpose.sources import read_aic, read_mpii, read_posetrack

    sets = {
        "COCO": read_coco(real / "coco/annotations/person_keypoints_val2017.subset538.json.gz"),
        "CrowdPose": read_coco(real / "other/crowdpose/crowdpose_val.json.gz"),
        "MPII": read_mpii(real / "mpii").people,
        "AIC": read_aic(real / "aic").people,
        "PoseTrack": read_posetrack(real / "posetrack/posetrack18").people,
    }
    people = count_datasets(sets)
    drawn = {d.name: d.draw() for d in people.list_figures()}
    left, right = drawn["fig8_classes"].axes
    texts = [text.get_text() for text in (*left.texts, *right.texts)]
    for n in ("1,963", "1,700", "3,411", "266", "1,697"):
        assert any(text.startswith(f"{n}\n") or f" {n} (" in text for text in texts), n
    assert people.counts["CrowdPose"].densities == (266, 1_697, 0)
    bars = drawn["fig2_areas"].axes[0].containers[1]
    assert bars[0].get_height() == 0  # no person of CrowdPose is below 32 × 32
    labels = drawn["fig3_crowding"].axes[0].get_legend_handles_labels()[1]
    assert len(labels) == 5


def draw_lines_and_markers():
    figure, axes = create_axes(4.0, 2.5)
    axes.plot([1, 2, 3], [3, 1, 2], marker="s", ls="--", label="a line")
    axes.scatter([1.5, 2.5], [2, 2], s=[20, 80])
    axes.fill_between([1, 2, 3], 1, 2, alpha=0.2)
    axes.legend()
    return figure, axes


def test_one_drawing_has_the_pixels_of_matplotlib(tmp_path):
    figures.save_figure(draw_lines_and_markers()[0], tmp_path, "lines")
    drawn = np.asarray(Image.open(tmp_path / "lines.png"))
    figure, _ = draw_lines_and_markers()
    figure.set_dpi(200)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    wanted = np.asarray(canvas.buffer_rgba())[:, :, :3]
    is_ink = (wanted != 255).any(axis=2)
    rows, columns = (np.flatnonzero(is_ink.any(axis=axis)) for axis in (1, 0))
    inside = wanted[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    margin = 16  # px: 0.08 in
    assert np.array_equal(drawn[margin:-margin, margin:-margin], inside)
    assert (drawn[:margin] == 255).all()


def test_one_drawing_has_outlines_at_the_places_of_the_pixels(tmp_path):
    figure, axes = draw_lines_and_markers()
    shown = figures.save_figure(figure, tmp_path, "lines", "a title", "and its subject")
    points = 72 * axes.transData.transform([(1, 3), (2, 1), (3, 2)]) / figure.dpi
    steps = np.diff(points, axis=0) * (1, -1)  # y of SVG goes down
    text = (tmp_path / "lines.svg").read_text()
    path = re.search(r'<path d="M ([^"]*?)" clip-path[^>]*stroke-dasharray: ([\d.]+)', text)
    drawn = np.array(re.findall(r"([\d.]+) ([\d.]+)", path[1]), dtype=float)
    assert np.diff(drawn, axis=0) == pytest.approx(steps, abs=1e-4)
    assert float(path[2]) == pytest.approx(3.7 * 1.5)  # points, as matplotlib has them
    # The page shows the part without the title, at the same scale.
    boxes = [
        re.search(r'width="([\d.]+)pt" height="([\d.]+)pt" viewBox="(\S+) (\S+)', one)
        for one in (text, shown.decode())
    ]
    whole, part = (np.array(box.groups(), dtype=float) for box in boxes)
    height, width = np.asarray(Image.open(tmp_path / "lines.png")).shape[:2]
    assert whole[:2] * 200 / 72 == pytest.approx([width, height], abs=1)
    assert part[1] < whole[1] - 20
    assert part[3] + part[1] == pytest.approx(whole[3] + whole[1], abs=0.01)
    left, top = drawn[0] - whole[2:]
    ink = np.asarray(Image.open(tmp_path / "lines.png"))[
        round(top * 200 / 72), round(left * 200 / 72)
    ]
    assert ink.tolist() == [0x1F, 0x77, 0xB4]  # the marker of the line's first point


def make_calibration(scores, error):
    bins = [
        ScoreBin(low=s, high=s, score=s, detections=10, correct=share, oks=share)
        for s, share in zip(scores, (0.2, 0.5, 0.9), strict=True)
    ]
    return Calibration(bins=bins, error=error, ap={}, perfect_ap={})


def test_scores_of_two_scales_are_drawn_along_their_order():
    """On one axis of 0 to 400, scores of 0 to 1 would be one vertical line."""
    shares = make_calibration((0.1, 0.5, 0.9), 0.1)
    sums = make_calibration((3.0, 90.0, 400.0), None)
    figure = draw_calibration({"one": shares, "other": sums}, ["#000000", "#ffffff"])
    (axes,) = figure.axes
    for line in axes.lines:
        assert line.get_xdata() == pytest.approx([100 / 6, 50, 500 / 6])
    assert axes.get_xlim() == (0, 100)
    assert "scales" in axes.get_xlabel()
    alone = draw_calibration({"one": shares}, ["#000000"]).axes[0]
    assert alone.lines[1].get_xdata() == pytest.approx([0.1, 0.5, 0.9])


def make_curve_file(aps, ceiling):
    points = [
        {
            **{measure: {} for measure in ("OKS", "found", "PCK")},
            "px": px,
            "people": 20,
            "AP": {"value": ap, "low": ap - 0.01, "high": ap + 0.02},
        }
        for px, ap in zip((32, 64, 128), aps, strict=True)
    ]
    half = {"value": None, "low": None, "high": None}
    content = {
        "models": {"a": {"clean": {"heights": points, "half_ap_px": half}}},
        "ceiling": [{"px": px, "AP": ceiling} for px in (32, 64, 128)],
    }
    return msgspec.convert(content, CurveFile)


@pytest.mark.parametrize(("ap", "top"), [(0.08, 10.5), (0.7, 102.0)])
def test_curves_of_resolution_fill_the_axis(ap, top):
    """A limit that is far above the curves is a number in the legend, and no line."""
    (axes,) = draw_resolution(make_curve_file((ap / 2, ap, ap), 1.0)).axes
    assert axes.get_ylim() == pytest.approx((0, top))
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["a", "limit of whole pixels" + (": 100 %" if ap < 0.1 else "")]
