"""Report the people of data sets as tables, figures and numbers: Table 1, Figs. 1 to 3, 7, 8.

Used by `smallpose stats` for any files and by the page for the set that runs were trained on.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.counts import format_count
from smallpose.core.instances import Instances
from smallpose.core.sizes import SIZES
from smallpose.core.skeleton import SMALLPOSE
from smallpose.core.table import Table
from smallpose.report import figures
from smallpose.report.images import contact_sheet
from smallpose.report.images.contact_sheet import SOURCE_NAMES, ReadImage
from smallpose.report.images.encode import encode_image
from smallpose.report.images.sheet_drawing import draw_sheet
from smallpose.report.tables import paper_tables
from smallpose.report.tables.files import save_table
from smallpose.stats.counts import Counts, Table1
from smallpose.stats.crowding import crowd_index
from smallpose.stats.dataset_counts import Crowding, DatasetCounts, count_dataset
from smallpose.stats.distributions import Histogram
from smallpose.stats.mean_interval import Estimate, estimate_mean
from smallpose.stats.scene_entropy import SceneStatistics
from smallpose.system.files import write_atomically
from smallpose.system.progress import print_status, show_progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPLITS = ("train", "test")


@dataclass(frozen=True)
class FigureSpec:
    """A figure that is not drawn yet.

    Args:
        name: of its files.
        alt: a sentence for those who cannot see the figure.
    """

    name: str
    title: str
    alt: str
    draw: "Callable[[], Figure]"


@dataclass(frozen=True)
class DatasetReport:
    """The counts of one or several data sets.

    Args:
        totals: the counts of each set, by its name.
        table1: one row per set, and their total where they are train and test of one set.
        sets: the people themselves, for contact sheets; absent for sets that were counted in parts.
        scenes: scene entropies of the sets that have them (Table 4).
    """

    totals: Mapping[str, DatasetCounts]
    table1: Table1
    sets: Mapping[str, Instances]
    scenes: Mapping[str, SceneStatistics] = field(default_factory=dict)

    @cached_property
    def counts(self) -> dict[str, Counts]:
        """Return the counts of each set."""
        return {name: total.counts for name, total in self.totals.items()}

    @cached_property
    def sources(self) -> dict[str, dict[str, Counts]]:
        """Return the counts of each source of each set."""
        return {name: total.sources for name, total in self.totals.items()}

    @cached_property
    def area_histograms(self) -> dict[str, Histogram]:
        """Return people by box area."""
        return {name: total.area_histogram for name, total in self.totals.items()}

    @cached_property
    def crowding(self) -> dict[str, Crowding]:
        """Return the CrowdIndex of the images."""
        return {name: total.crowding for name, total in self.totals.items()}

    @cached_property
    def mean_crowding(self) -> dict[str, Estimate]:
        """Return the mean CrowdIndex with its interval; images of one video are one cluster.

        Sets that were counted in parts do not know their videos: there, each image is a cluster.
        """
        return {
            name: estimate_mean(crowd_index(self.sets[name]), self.sets[name].images.groups)
            if name in self.sets
            else crowding.estimate
            for name, crowding in self.crowding.items()
        }

    @cached_property
    def people_per_image(self) -> dict[str, NDArray[np.int64]]:
        """Return the number of images with 0, 1, 2 … people."""
        return {name: total.people_per_image for name, total in self.totals.items()}

    def build_tables(self) -> list[Table]:
        """Build the tables of sizes and densities by set, then by source where it is known."""
        out = [
            paper_tables.build_counts_table(
                self.table1.rows, "table1", "split" if self._is_split else "set"
            )
        ]
        for name, sources in self._list_source_counts().items():
            named = {SOURCE_NAMES[source]: counts for source, counts in sources.items()}
            out.append(
                paper_tables.build_counts_table(named, _build_file_name("sources", name), "source")
            )
        if self.scenes:
            out.append(paper_tables.build_table4(self.scenes))
        return out

    def list_figures(self) -> list[FigureSpec]:
        """List the figures, in the paper's order."""
        out = [
            FigureSpec(
                _build_file_name("fig1a_composition", name),
                "Composition" + (f": {name}" if name else ""),
                _describe_composition(sources),
                partial(figures.draw_composition, sources),
            )
            for name, sources in self._list_source_counts().items()
        ]
        return [
            *out,
            *self._list_skeleton_figures(),
            FigureSpec(
                "fig2_areas",
                "People by box area",
                _describe_small_share(self.counts),
                partial(figures.draw_areas, self.area_histograms),
            ),
            FigureSpec(
                "fig3_crowding",
                "CrowdIndex of images",
                "Mean CrowdIndex: "
                + ", ".join(f"{name} {c.mean or 0:.2f}" for name, c in self.crowding.items()),
                partial(figures.draw_crowding, self.crowding, self.mean_crowding),
            ),
            FigureSpec(
                "fig7_people_per_image",
                "People in an image",
                self._describe_people_per_image(),
                partial(figures.draw_people_per_image, self.people_per_image),
            ),
            FigureSpec(
                "fig8_classes",
                "Sizes and densities",
                _describe_classes(self.counts),
                partial(figures.draw_classes, self.counts),
            ),
        ]

    def _list_skeleton_figures(self) -> list[FigureSpec]:
        """List the figure of the joints; none for several skeletons, or joints without a place."""
        by_joints = {one.skeleton.joints: one.skeleton for one in self.sets.values()}
        skeletons = list(by_joints.values()) or [SMALLPOSE]
        if len(skeletons) > 1 or not figures.can_draw_skeleton(skeletons[0]):
            return []
        (skeleton,) = skeletons
        order = "the paper's" if skeleton.joints == SMALLPOSE.joints else "their"
        return [
            FigureSpec(
                "fig1c_skeleton",
                f"The {format_count(len(skeleton), 'joint')}",
                f"A standing figure with the {format_count(len(skeleton), 'joint')} numbered in "
                f"{order} order: "
                + ", ".join(joint.replace("_", " ") for joint in skeleton.spelled_joints),
                partial(figures.draw_skeleton, skeleton),
            )
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers behind the figures."""
        return {
            name: {
                "counts": self.counts[name].to_dict(),
                "sources": {s or "not said": c.to_dict() for s, c in self.sources[name].items()},
                "areas": self.area_histograms[name].to_dict(),
                "people_per_image": self.people_per_image[name].tolist(),
                "everybody_per_image": total.annotations_per_image.tolist(),
                "crowd_index": total.crowding.to_dict(),
                "mean_crowd_index": self.mean_crowding[name].to_dict(),
                **({"scenes": self.scenes[name].to_dict()} if name in self.scenes else {}),
            }
            for name, total in self.totals.items()
        }

    @property
    def description(self) -> str:
        """Describe the sets in one line, for figures that are shared without the page."""
        return "; ".join(
            f"{name}: {format_count(c.people, 'person', 'people')} in "
            f"{format_count(c.images, 'image')}"
            for name, c in self.counts.items()
        )

    def _describe_people_per_image(self) -> str:
        parts = []
        for name, counts in self.counts.items():
            maximum = len(self.people_per_image[name]) - 1
            parts.append(f"{name} mean {counts.people_per_image:.1f}, maximum {maximum}")
        return "People per image with people: " + ", ".join(parts)

    @property
    def _is_split(self) -> bool:
        return "total" in self.table1.rows

    def _list_source_counts(self) -> dict[str, Mapping[str, Counts]]:
        """List the sets of several sources by name; train and test of one set are joined as "".

        A set of a single source needs neither a figure nor a table of sources.
        """
        if not self._is_split:
            return {name: s for name, s in self.sources.items() if _has_several_sources(s)}
        train, test = (self.sources[split] for split in SPLITS)
        joined = {
            name: train[name] + test[name]
            if name in train and name in test
            else train.get(name) or test[name]
            for name in SOURCE_NAMES
            if name in train or name in test
        }
        return {"": joined} if _has_several_sources(joined) else {}


def count_datasets(
    sets: Mapping[str, Instances], scenes: Mapping[str, SceneStatistics] | None = None
) -> DatasetReport:
    """Count the people of all sets; sets named train and test are one data set."""
    totals = {name: count_dataset(people) for name, people in sets.items()}
    return build_dataset_report(totals, sets, scenes)


def build_dataset_report(
    totals: Mapping[str, DatasetCounts],
    sets: Mapping[str, Instances] | None = None,
    scenes: Mapping[str, SceneStatistics] | None = None,
) -> DatasetReport:
    """Build the report of sets that are counted already, such as shards too large for memory."""
    rows = {name: total.counts for name, total in totals.items()}
    if set(totals) == set(SPLITS):
        rows = {split: rows[split] for split in SPLITS}
        rows["total"] = rows["train"] + rows["test"]
    return DatasetReport(totals, Table1(rows), sets or {}, scenes or {})


def _has_several_sources(sources: Mapping[str, Counts]) -> bool:
    return sum(c.people > 0 for name, c in sources.items() if name) > 1


def write_dataset_report(report: DatasetReport, out: Path, read: ReadImage | None = None) -> None:
    """Write tables, figures and, with a reader of images, contact sheets into `out`."""
    for table in report.build_tables():
        save_table(table, out)
    for figure in show_progress(report.list_figures(), "figures"):
        figures.save_figure(figure.draw(), out, figure.name, figure.title, report.description)
    if read is None or not report.sets:
        return
    sheets = {
        f"fig1b_samples_{name}": contact_sheet.build_sample_sheet(people, read)
        for name, people in report.sets.items()
    }
    # Test before train: the people of a source are taken from the first set that has any.
    sheets["sources"] = contact_sheet.build_source_sheet(list(report.sets.values())[::-1], read)
    sheets = {name: sheet for name, sheet in sheets.items() if sheet.has_tiles}
    for name, sheet in sheets.items():
        image = encode_image(draw_sheet(sheet), "png")
        write_atomically(out / f"{name.replace('/', '_')}.png", image)
    if not sheets:
        print_status("none of the images of people exists, so no contact sheets were drawn")


def _build_file_name(stem: str, name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return f"{stem}_{slug}" if slug else stem


def _describe_composition(sources: Mapping[str, Counts]) -> str:
    total = max(sum(c.people for c in sources.values()), 1)
    parts = [f"{SOURCE_NAMES[s]} {100 * c.people / total:.0f} %" for s, c in sources.items()]
    return f"{format_count(total, 'person', 'people')} by source: " + ", ".join(parts)


def _describe_small_share(sets: Mapping[str, Counts]) -> str:
    parts = [f"{name} {100 * c.sizes[0] / max(c.people, 1):.0f} %" for name, c in sets.items()]
    return "Share of people by box area; small are: " + ", ".join(parts)


def _describe_classes(sets: Mapping[str, Counts]) -> str:
    sizes = [
        f"{name} {', '.join(f'{n:,} {s}' for n, s in zip(c.sizes, SIZES, strict=True))}; "
        f"of the small {c.densities[0]:,} sparse, {c.densities[1]:,} moderate, "
        f"{c.densities[2]:,} dense"
        for name, c in sets.items()
    ]
    return "People by size and density. " + ". ".join(sizes)
